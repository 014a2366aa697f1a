/**
 * Clients of registers: short histories of many calls at a time, since whether calls have an order can be searched only in
 * short ones. A register is used for some seconds, or until the outcomes of too many of its calls are unknown; then the next.
 */
import type { Random } from '../../core/random.ts'
import type { SimCluster, SimOutcome } from '../../runtime/testing/sim-cluster.ts'
import type { RegisterCall, RegisterMethod } from './register.ts'

export interface RegisterClientsOptions {
  readonly random: Random
  readonly clients: number
  /** Between the calls of one client, at most. */
  readonly thinkMs: number
  /** No new calls after. */
  readonly untilMs: number
  readonly answerMs: number
}

/** How long a register is used, for how many calls at most, and for how many of unknown outcome. */
const WINDOW_MS = 9_000
const MOST_CALLS = 40
const MOST_UNKNOWN = 7
/** Registers in use at a time. */
const AT_ONCE = 2

export class RegisterClients {
  readonly calls: RegisterCall[] = []
  readonly #cluster: SimCluster
  readonly #options: RegisterClientsOptions
  readonly #current: { id: string; endsMs: number; calls: number; unknown: number }[] = []
  #registers = 0
  #values = 0

  constructor(cluster: SimCluster, options: RegisterClientsOptions) {
    this.#cluster = cluster
    this.#options = options
  }

  start(): void {
    for (let i = 0; i < this.#options.clients; i++) void this.#client()
  }

  async #client(): Promise<void> {
    const { random, thinkMs, untilMs } = this.#options
    const { kernel } = this.#cluster
    for (;;) {
      await new Promise<void>(resolve => { kernel.after(random.float() * thinkMs, resolve) })
      if (kernel.nowMs >= untilMs) return
      await this.#perform()
    }
  }

  async #perform(): Promise<void> {
    const { random, answerMs } = this.#options
    const { kernel, hosts } = this.#cluster
    const register = this.#pick()
    const method: RegisterMethod = random.float() < 0.45 ? 'read' : random.float() < 0.5 ? 'write' : 'swap'
    const value = method === 'read' ? 0 : ++this.#values
    const call: RegisterCall = { id: register.id, method, value, invokedMs: kernel.nowMs, settledMs: Infinity, result: undefined }
    this.calls.push(call)
    register.calls++
    const outcome = await this.#cluster.call(Math.floor(random.float() * hosts.length),
      { type: 'Register', id: register.id, method, args: method === 'read' ? [] : [value], idempotencyKey: random.float() < 0.3 ? `k${value}` : undefined }, answerMs)
    kernel.note(`${method} ${value} ${register.id}: ${outcome.kind === 'error' ? outcome.code : outcome.kind === 'ok' ? `ok ${String(outcome.value)}` : outcome.kind}`)
    this.#settle(call, outcome)
    if (call.settledMs === Infinity) register.unknown++
  }

  #settle(call: RegisterCall, outcome: SimOutcome): void {
    if (outcome.kind === 'ok') {
      call.settledMs = this.#cluster.kernel.nowMs
      call.result = outcome.value as number | undefined
    } else if (call.method === 'read' || (outcome.kind === 'error' && outcome.executed === 'no')) {
      // It did not run, or did nothing: whoever sees its value all the same saw one that nobody wrote.
      this.calls.splice(this.calls.indexOf(call), 1)
    }
  }

  #pick(): { id: string; endsMs: number; calls: number; unknown: number } {
    const { random } = this.#options
    const { kernel } = this.#cluster
    const place = Math.floor(random.float() * AT_ONCE)
    const register = this.#current[place]
    if (register !== undefined && register.endsMs > kernel.nowMs && register.calls < MOST_CALLS && register.unknown < MOST_UNKNOWN) return register
    return (this.#current[place] = { id: `r${++this.#registers}`, endsMs: kernel.nowMs + WINDOW_MS, calls: 0, unknown: 0 })
  }
}
