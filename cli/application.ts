/**
 * The application of `troupe run`: a child process in a process group of its own, so that a Ctrl-C in the terminal reaches it only
 * through us, in order, and nothing of it is left behind.
 *
 * `stop`: SIGTERM to the group, SIGKILL after the grace. When this process ends before that, for whatever reason that lets it
 * say so, the group is killed.
 */
import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { constants } from 'node:os'
import type { Readable, Writable } from 'node:stream'
import { messageOf, TroupeError } from '../core/errors.ts'
import { PrefixedLines } from './prefixed-lines.ts'

/** How long the last output of an ended program may take when nothing it started is left. */
const OUTPUT_MS = 500

export interface ApplicationOptions {
  /** The program and its arguments. */
  readonly command: readonly string[]
  readonly env: Readonly<Record<string, string | undefined>>
  readonly prefix: string
  readonly stdout: Writable
  readonly stderr: Writable
  /** Between SIGTERM and SIGKILL. */
  readonly graceMs: number
}

export class Application {
  readonly pid: number
  /** Its exit code, or 128 and the number of the signal that ended it; when all that it wrote is written. */
  readonly ended: Promise<number>
  readonly #graceMs: number
  #stopping: Promise<number> | undefined

  /** @throws APP_LOAD_FAILED when the program cannot be started */
  static async start(options: ApplicationOptions): Promise<Application> {
    const [program, ...args] = options.command as readonly [string, ...string[]]
    const child = spawn(program, args, { env: options.env, stdio: ['ignore', 'pipe', 'pipe'], detached: true })
    // Before anything is awaited: a program may be over by then.
    const application = child.pid === undefined ? undefined : new Application(child, child.pid, options)
    try {
      await once(child, 'spawn')
    } catch (error) {
      const why = (error as NodeJS.ErrnoException).code === 'ENOENT' ? 'there is no such program' : messageOf(error)
      throw new TroupeError('APP_LOAD_FAILED', `the application ${JSON.stringify(program)} cannot be started: ${why}; check what follows --`, { cause: error })
    }
    return application!
  }

  private constructor(child: ChildProcess, pid: number, { prefix, stdout, stderr, graceMs }: ApplicationOptions) {
    this.pid = pid
    this.#graceMs = graceMs
    const written = Promise.all([passOn(child.stdout!, prefix, stdout), passOn(child.stderr!, prefix, stderr)])
    const killGroup = (): void => this.#signal('SIGKILL')
    process.once('exit', killGroup)
    this.ended = once(child, 'exit').then(async ([code, signal]) => {
      await this.#groupEnds(written)
      process.off('exit', killGroup)
      child.stdout!.destroy()
      child.stderr!.destroy()
      return (code as number | null) ?? 128 + constants.signals[signal as NodeJS.Signals]
    })
  }

  /** Resolves with its exit code. */
  stop(): Promise<number> {
    this.#stopping ??= this.#stop()
    return this.#stopping
  }

  async #stop(): Promise<number> {
    this.#signal('SIGTERM')
    const kill = setTimeout(() => this.#signal('SIGKILL'), this.#graceMs)
    try {
      return await this.ended
    } finally {
      clearTimeout(kill)
    }
  }

  /**
   * The program is over. What it started may still write, or end in order; whatever of that stays in the background would hold
   * ports against the next start.
   */
  async #groupEnds(written: Promise<unknown>): Promise<void> {
    if (await within(OUTPUT_MS, written)) return this.#signal('SIGTERM')
    if (this.#stopping === undefined) this.#signal('SIGTERM')
    if (!await within(this.#graceMs, written)) this.#signal('SIGKILL')
  }

  #signal(signal: NodeJS.Signals): void {
    try {
      process.kill(-this.pid, signal)
    } catch {
      // Nobody is left in the group.
    }
  }
}

async function passOn(from: Readable, prefix: string, to: Writable): Promise<void> {
  const lines = from.pipe(new PrefixedLines(prefix))
  lines.pipe(to, { end: false })
  await once(lines, 'end')
}

/** Whether `done` comes about in that time. */
async function within(ms: number, done: Promise<unknown>): Promise<boolean> {
  const late = Promise.withResolvers<false>()
  const timer = setTimeout(() => late.resolve(false), ms)
  try {
    return await Promise.race([done.then(() => true), late.promise])
  } finally {
    clearTimeout(timer)
  }
}
