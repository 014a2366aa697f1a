/** What an error of pg, of the network or of TLS means for a store. By code, never by text, wherever there is one. */
import { messageOf } from '../../core/errors.ts'

/** A reason not to open, with what to do about it. */
export class Unfit extends Error {
  readonly remedy: string

  constructor(why: string, remedy: string) {
    super(why)
    this.remedy = remedy
  }
}

/** Of the network or the resolver, or of a server that is starting, stopping or out of connections. */
const passing = new Set([
  'ECONNREFUSED', 'ECONNRESET', 'EPIPE', 'ETIMEDOUT', 'EHOSTUNREACH', 'ENETUNREACH', 'ENOTFOUND', 'EAI_AGAIN',
  '57P01', '57P02', '57P03', '53300',
])

/** SQLSTATE, or the code that Node gave it: https://www.postgresql.org/docs/current/errcodes-appendix.html */
const codeOf = (error: unknown): string => String((error as { code?: unknown } | undefined)?.code ?? '')

/** True when waiting may help. */
export const isPassing = (error: unknown): boolean =>
  passing.has(codeOf(error))
  // A Unix socket that is not there yet; a certificate that is not there stays so.
  || (codeOf(error) === 'ENOENT' && (error as { syscall?: unknown }).syscall === 'connect')
  // pg's own time limits and the server's hanging up have no code.
  || /^(Connection terminated|timeout exceeded|timeout expired)/.test(messageOf(error))

/** True when nothing of the statement is left in the database: serialization failure, deadlock. */
export const isTakenBack = (error: unknown): boolean => codeOf(error) === '40001' || codeOf(error) === '40P01'

/** True when the server would say the same of these values again: data exception, broken constraint, limit exceeded. Nothing is left of the statement. */
export const isRefusal = (error: unknown): boolean => /^(22|23|54)...$/.test(codeOf(error))

/** True when nothing of the statement is left in the database: also one that waited too long for a lock (after its commit it needs none), or met a server that takes no writes. */
export const wroteNothing = (error: unknown): boolean =>
  isTakenBack(error) || isRefusal(error) || codeOf(error) === '55P03' || codeOf(error) === '25006'

/** Its text; a host with several addresses fails once for each. */
export const reasonOf = (error: unknown): string =>
  error instanceof AggregateError && error.errors.length > 0 ? error.errors.map(messageOf).join(', ') : messageOf(error)

export function remedyFor(error: unknown): string {
  if (error instanceof Unfit) return error.remedy
  switch (codeOf(error)) {
    case '3D000': return 'create the database, or correct the URL'
    case '28000': case '28P01': return 'correct user and password in the URL'
    case '42501': return 'let this user create the schema, or create it and make this user its owner'
    case '55P03': case '57014': return 'another host may be migrating it: try again when that has ended'
    default: return 'start the server, or correct the URL (host, port, user, password, database, sslmode)'
  }
}
