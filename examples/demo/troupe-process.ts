/**
 * One `troupe` process of the demo and of the process tests: started from the built command line, watched by its log
 * lines, never left behind.
 *
 * A child ends when this process does, however that happens: it holds the other end of an IPC channel and exits when
 * that closes. All waiting is for log lines and exits, each with a deadline; a failure shows what the process said.
 */
import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'

const entry = fileURLToPath(new URL('../../dist/cli/troupe.js', import.meta.url))
const endsWithParent = 'data:text/javascript,process.on("disconnect",()=>process.kill(process.pid,"SIGKILL"));process.channel?.unref()'

/** A line of the log, as JSON. */
export interface LogLine {
  readonly msg: string
  readonly level: string
  readonly hostId?: string
  readonly http?: string
  readonly grpc?: string
  readonly peer?: string
  readonly address?: string
  readonly [field: string]: unknown
}

export interface Exit {
  readonly code: number | null
  readonly signal: NodeJS.Signals | null
}

export interface StartOptions {
  readonly env?: Readonly<Record<string, string>>
  readonly cwd?: string
  /** A command that runs the process, as `ip netns exec NAME`: it must become the process (exec). */
  readonly under?: readonly string[]
}

export class TroupeProcess {
  readonly name: string
  readonly child: ChildProcess
  readonly lines: LogLine[] = []
  readonly exited: Promise<Exit>
  #stdout = ''
  #stderr = ''
  #exit: Exit | undefined
  readonly #waiters = new Set<() => void>()

  constructor(name: string, args: readonly string[], options: StartOptions = {}) {
    if (!existsSync(entry)) throw new Error(`${entry} is missing: run 'npm run build' first`)
    this.name = name
    const [command, ...before] = [...options.under ?? [], process.execPath]
    this.child = spawn(command!, [...before, '--import', endsWithParent, entry, ...args], {
      stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
      env: { ...withoutFlags(process.env), ...options.env },
      ...(options.cwd === undefined ? {} : { cwd: options.cwd }),
    })
    createInterface({ input: this.child.stdout! }).on('line', line => this.#onLine(line))
    this.child.stderr!.setEncoding('utf8').on('data', (text: string) => { this.#stderr += text; this.#wake() })
    // 'close' comes after 'exit', when the last line has been read.
    this.exited = once(this.child, 'close').then(([code, signal]) => {
      this.#exit = { code: code as number | null, signal: signal as NodeJS.Signals | null }
      this.#wake()
      return this.#exit
    })
  }

  get stdout(): string {
    return this.#stdout
  }

  get stderr(): string {
    return this.#stderr
  }

  get running(): boolean {
    return this.#exit === undefined
  }

  #onLine(line: string): void {
    this.#stdout += `${line}\n`
    try {
      this.lines.push(JSON.parse(line) as LogLine)
    } catch {
      // Not a log line; it is kept in stdout.
    }
    this.#wake()
  }

  #said(): string {
    return `${this.#stdout}${this.#stderr}`.slice(-8_000)
  }

  #wake(): void {
    for (const waiter of this.#waiters) waiter()
  }

  /** Resolves with the first value that `look` finds; looks again whenever the process says something or ends. */
  async waitFor<T>(what: string, look: (process: this) => T | undefined, deadlineMs = 20_000): Promise<T> {
    const found = Promise.withResolvers<T>()
    const check = (): void => {
      const value = look(this)
      if (value !== undefined) found.resolve(value)
      else if (this.#exit !== undefined) found.reject(new Error(`${this.name} ended (${show(this.#exit)}) before: ${what}\n${this.#said()}`))
    }
    const deadline = setTimeout(() => found.reject(new Error(`${this.name}: no ${what} within ${deadlineMs} ms\n${this.#said()}`)), deadlineMs)
    this.#waiters.add(check)
    try {
      check()
      return await found.promise
    } finally {
      clearTimeout(deadline)
      this.#waiters.delete(check)
    }
  }

  /** The first log line with this message. */
  logged(message: string, deadlineMs?: number): Promise<LogLine> {
    return this.waitFor(`log line '${message}'`, p => p.lines.find(l => l.msg === message), deadlineMs)
  }

  ready(deadlineMs?: number): Promise<LogLine> {
    return this.logged('ready', deadlineMs)
  }

  /** Resolves when the process has ended. */
  async ended(deadlineMs = 20_000): Promise<Exit> {
    return await this.waitFor('its end', () => this.#exit, deadlineMs)
  }

  signal(signal: NodeJS.Signals): void {
    this.child.kill(signal)
  }

  /** Sends `signal` and waits for the end. */
  async stop(signal: NodeJS.Signals = 'SIGTERM', deadlineMs?: number): Promise<Exit> {
    if (this.#exit === undefined) this.signal(signal)
    return await this.ended(deadlineMs)
  }
}

const show = (exit: Exit): string => (exit.signal === null ? `code ${exit.code}` : exit.signal)

/** The environment of the caller must not set flags of the processes under it. */
const withoutFlags = (env: NodeJS.ProcessEnv): NodeJS.ProcessEnv =>
  Object.fromEntries(Object.entries(env).filter(([name]) => !name.startsWith('TROUPE_')))
