/**
 * An application under test, in any language: hosts its actor type, and calls actors through its SDK when asked to over
 * standard input (the protocol is written at the head of each application). It ends when its input ends, so also when this
 * process dies. What it says goes into a file; its last lines are kept for failures.
 */
import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { createWriteStream, type WriteStream } from 'node:fs'
import { createInterface } from 'node:readline'
import { setTimeout as pause } from 'node:timers/promises'
import { alive } from './child-life.ts'

const CALL_MS = 40_000
const MAX_ATTEMPTS = 20

/** An error that the SDK gave to the application. */
export class RefusedCall extends Error {}

interface Waiting {
  resolve(value: unknown): void
  reject(error: Error): void
}

export class Application {
  readonly name: string
  readonly #child: ChildProcess
  readonly #log: WriteStream
  readonly #last: string[] = []
  readonly #ready = Promise.withResolvers<void>()
  readonly #waiting = new Map<number, Waiting>()
  #calls = 0
  #ended = false

  constructor(name: string, command: readonly [string, ...string[]], env: Readonly<Record<string, string>>, logFile: string) {
    this.name = name
    this.#log = createWriteStream(logFile, { flags: 'a' })
    const [program, ...args] = command
    this.#child = alive(spawn(program, args, { env: { ...withoutDapr(process.env), ...env }, stdio: ['pipe', 'pipe', 'pipe'], detached: true }))
    this.#child.stdin!.on('error', () => { /* It ended; whoever waits for it is told below. */ })
    createInterface({ input: this.#child.stdout! }).on('line', line => this.#onLine(line))
    createInterface({ input: this.#child.stderr! }).on('line', line => this.#keep(line))
    this.#ready.promise.catch(() => { /* Nobody may be waiting. */ })
    this.#child.once('error', error => this.#onEnd(error.message)).once('close', (code, signal) => this.#onEnd(`ended (${signal ?? `code ${code}`})`))
  }

  get running(): boolean {
    return !this.#ended
  }

  get lastLines(): readonly string[] {
    return this.#last
  }

  async ready(deadlineMs: number): Promise<void> {
    await within(deadlineMs, `${this.name} said no 'ready'`, this.#ready.promise)
  }

  /**
   * Calls an actor through the SDK; calls again, a while, what a busy host refused: nothing of it ran.
   * @throws RefusedCall with what the SDK said
   */
  async call(type: string, id: string, method: string, args: readonly unknown[], via?: string): Promise<unknown> {
    for (let attempt = 1; ; attempt++) {
      try {
        return await this.#callOnce(type, id, method, args, via)
      } catch (error) {
        const wait = /call again in (\d+) ms/.exec((error as Error).message)
        if (wait === null || attempt === MAX_ATTEMPTS) throw error
        this.#keep(`a busy host refused ${type}/${id} ${method}, attempt ${attempt}`)
        await pause(Number(wait[1]))
      }
    }
  }

  async #callOnce(type: string, id: string, method: string, args: readonly unknown[], via?: string): Promise<unknown> {
    if (this.#ended) throw new Error(`${this.name} has ended`)
    const n = ++this.#calls
    const { promise, resolve, reject } = Promise.withResolvers<unknown>()
    this.#waiting.set(n, { resolve, reject })
    this.#child.stdin!.write(`${JSON.stringify({ n, type, id, method, args, via })}\n`)
    try {
      return await within(CALL_MS, `${this.name} got no answer of ${type}/${id} ${method}`, promise)
    } finally {
      this.#waiting.delete(n)
    }
  }

  /** As a crash: without a word. */
  async kill(): Promise<void> {
    if (this.#ended) return
    const closed = once(this.#child, 'close')
    this.#child.kill('SIGKILL')
    await within(10_000, `${this.name} did not end`, closed)
  }

  #onLine(line: string): void {
    if (!line.startsWith('@@')) return this.#keep(line)
    const message = JSON.parse(line.slice(2)) as { ready?: boolean; n?: number; result?: unknown; error?: string }
    if (message.ready === true) return this.#ready.resolve()
    const waiting = this.#waiting.get(message.n!)
    if (message.error === undefined) waiting?.resolve(message.result)
    else waiting?.reject(new RefusedCall(message.error))
  }

  #keep(line: string): void {
    this.#log.write(`${line}\n`)
    this.#last.push(line)
    if (this.#last.length > 40) this.#last.shift()
  }

  #onEnd(how: string): void {
    if (this.#ended) return
    this.#ended = true
    this.#keep(how)
    this.#log.end()
    const error = new Error(`${this.name} ${how}`)
    this.#ready.reject(error)
    for (const waiting of this.#waiting.values()) waiting.reject(error)
  }
}

async function within<T>(deadlineMs: number, problem: string, promise: Promise<T>): Promise<T> {
  const late = Promise.withResolvers<never>()
  const timer = setTimeout(() => late.reject(new Error(`${problem} within ${deadlineMs / 1000} s`)), deadlineMs)
  try {
    return await Promise.race([promise, late.promise])
  } finally {
    clearTimeout(timer)
  }
}

/** Settings of the caller's own sidecar must not reach the applications. */
const withoutDapr = (env: NodeJS.ProcessEnv): NodeJS.ProcessEnv =>
  Object.fromEntries(Object.entries(env).filter(([name]) => !/^(?:DAPR_|APP_|NODE_OPTIONS|TROUPE_)/.test(name)))
