/**
 * How a command ends when it fails: one line `troupe: CODE: message` on standard error, and the exit code.
 *
 * Exit codes: 0 all went well · 1 it failed while running · 2 it was called wrongly (flags, arguments, URLs).
 * Stacks are for people who ask for them: `--log-level debug`.
 */
import { isActorError } from '../actors/errors.ts'
import { TroupeError, messageOf } from '../core/errors.ts'

export const EXIT_OK = 0
export const EXIT_FAILED = 1
export const EXIT_USAGE = 2

interface Coded {
  readonly code?: unknown
  readonly executed?: unknown
  readonly retryable?: unknown
}

const codeOf = (error: unknown): string => {
  const code = typeof error === 'object' && error !== null ? (error as Coded).code : undefined
  return typeof code === 'string' ? code : 'INTERNAL'
}

/** What a command line can do about it. */
const remedyOf = (code: string, message: string): string => (code === 'PEER_UNREACHABLE' && message.includes('no host can be reached') ? '; is one running there? name another with --to URL' : '')

const oneLine = (text: string): string => text.replace(/\s*\n\s*/g, ' ').trim()

/** `troupe: CODE: message`, without a line break. Errors that are not ours and have no code count as INTERNAL. */
export function failureLine(error: unknown): string {
  const code = codeOf(error)
  const text = oneLine(messageOf(error))
  const message = text + remedyOf(code, text)
  // An author's error without a message of its own repeats its code.
  const said = isActorError(error) && (message === code || message.startsWith(`${code} {`)) ? message.slice(code.length + 1) : message
  return `troupe: ${code}${said === '' ? '' : `: ${said}`}`
}

/** The same for a failed call, with what is proved about it: `(executed: no, retryable: yes)`. */
export function callFailureLine(error: unknown): string {
  // An author's error is thrown by the method itself.
  const { executed, retryable }: Coded = isActorError(error) ? { executed: 'yes', retryable: false }
    : (typeof error === 'object' && error !== null ? error : {})
  const facts = [
    executed === undefined ? '' : `executed: ${String(executed)}`,
    retryable === undefined ? '' : `retryable: ${retryable === true ? 'yes' : 'no'}`,
  ].filter(f => f !== '')
  return failureLine(error) + (facts.length === 0 ? '' : ` (${facts.join(', ')})`)
}

/** 2 for what the user can mend in the command itself, else 1. */
export const exitCodeOf = (error: unknown): number => (TroupeError.is(error, 'BAD_OPTION') ? EXIT_USAGE : EXIT_FAILED)

/** A failed call on standard error, and its exit code. */
export function reportCallFailure(error: unknown): void {
  process.stderr.write(`${callFailureLine(error)}\n`)
  process.exitCode = exitCodeOf(error)
}

/** Prints `error`, tells its code to a supervisor (`troupe dev`) if there is one, and returns the exit code. */
export function reportFailure(error: unknown, options: { debug: boolean }): number {
  process.send?.({ failed: codeOf(error) })
  process.stderr.write(`${failureLine(error)}\n`)
  if (options.debug && error instanceof Error) process.stderr.write(`${error.stack}\n${causes(error)}`)
  return exitCodeOf(error)
}

function causes(error: Error): string {
  let text = ''
  for (let cause = error.cause; cause instanceof Error; cause = cause.cause) text += `caused by: ${cause.stack}\n`
  return text
}
