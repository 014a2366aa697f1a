/**
 * The network of a simulation: ordered two-way streams between processes, and what can happen to them.
 *
 * It behaves as TCP does. What was sent arrives in order and once, later by a random latency, or the stream breaks. A cut
 * direction delivers nothing until it heals, when what waited arrives, unless an end has given up: each end says now and then
 * that it lives, and takes a peer for lost that was silent for `silenceMs`. A process that dies resets its streams; dialling
 * its address is refused from then on, which proves that it is gone. A frozen process still accepts: its system does.
 */
import { TroupeError } from '../../core/errors.ts'
import type { SimKernel } from './sim-kernel.ts'
import type { SimProcess } from './sim-process.ts'
import { nameOf, SimSocket } from './sim-socket.ts'

export interface SimNetworkOptions {
  /** A message takes between these, in ms; 0.1 to 2 by default. */
  readonly latencyMs?: readonly [least: number, most: number]
  /** How long after its healing a cut direction delivers what waited, at most; 200 ms by default. */
  readonly resendMs?: number
}

interface Listener {
  readonly process: SimProcess
  accept(socket: SimSocket<never>): void
}

export class SimNetwork {
  readonly kernel: SimKernel
  readonly #latencyMs: readonly [number, number]
  readonly #resendMs: number
  readonly #listeners = new Map<string, Listener>()
  readonly #cuts = new Set<string>()
  /** Additional latency of a direction, at most. */
  readonly #slow = new Map<string, number>()
  readonly #sockets = new Set<SimSocket<never>>()
  #ports = 0

  constructor(kernel: SimKernel, options: SimNetworkOptions = {}) {
    this.kernel = kernel
    this.#latencyMs = options.latencyMs ?? [0.1, 2]
    this.#resendMs = options.resendMs ?? 200
  }

  /** Port 0: any. @returns the address @throws PORT_TAKEN */
  listen<Sent>(process: SimProcess, host: string, port: number, accept: (socket: SimSocket<Sent>) => void): string {
    const address = `${host}:${port === 0 ? 40_000 + ++this.#ports : port}`
    if (this.#listeners.has(address)) throw new TroupeError('PORT_TAKEN', `the port ${address} is taken; choose another, or 0 for any`)
    const listener: Listener = { process, accept: socket => accept(socket as unknown as SimSocket<Sent>) }
    this.#listeners.set(address, listener)
    process.onDeath(() => { if (this.#listeners.get(address) === listener) this.#listeners.delete(address) })
    return address
  }

  unlisten(address: string): void {
    this.#listeners.delete(address)
  }

  /** A socket at once; whether anybody is there shows later. `silenceMs`: silence of the peer that ends the stream. */
  dial<Sent>(process: SimProcess, address: string, silenceMs: number): SimSocket<Sent> {
    const near = new SimSocket<Sent>(this, process, address, silenceMs)
    near.connect(this.#listeners.get(address)?.process.name ?? address)
    return near
  }

  /** 'refused' when nothing listens there, 'unknown' when nothing is heard within `timeoutMs`. */
  probe(process: SimProcess, address: string, timeoutMs: number): Promise<'refused' | 'reached' | 'unknown'> {
    return new Promise(resolve => {
      const name = this.#listeners.get(address)?.process.name ?? nameOf(address)
      process.after(timeoutMs, () => resolve('unknown'))
      this.kernel.after(this.latency(process.name, name), () => {
        if (this.isCut(process.name, name)) return
        const answer = this.#listeners.has(address) ? 'reached' : 'refused'
        this.kernel.after(this.latency(name, process.name), () => { if (!this.isCut(name, process.name)) resolve(answer) }, process)
      })
    })
  }

  // ---- faults -----------------------------------------------------------------------------------------------------

  /** Nothing that the one process sends reaches the other. */
  cut(from: string, to: string): void {
    this.#cuts.add(pair(from, to))
  }

  heal(from: string, to: string): void {
    this.#cuts.delete(pair(from, to))
    for (const socket of [...this.#sockets]) if (socket.process.name === to && socket.peerName === from) socket.healed()
  }

  slow(from: string, to: string, mostMs: number): void {
    if (mostMs === 0) this.#slow.delete(pair(from, to))
    else this.#slow.set(pair(from, to), mostMs)
  }

  healAll(): void {
    this.#cuts.clear()
    this.#slow.clear()
    for (const socket of [...this.#sockets]) socket.healed()
  }

  /** Breaks every stream between two processes; what is on its way is lost. */
  reset(one: string, other: string): void {
    for (const socket of [...this.#sockets]) {
      if (socket.process.name === one && socket.peerName === other) socket.break('connection reset')
    }
  }

  // ---- for sockets ------------------------------------------------------------------------------------------------

  isCut(from: string, to: string): boolean {
    return this.#cuts.has(pair(from, to))
  }

  latency(from: string, to: string): number {
    const [least, most] = this.#latencyMs
    const { random } = this.kernel
    return least + random.float() * (most - least) + (this.#slow.get(pair(from, to)) ?? 0) * random.float()
  }

  resendDelay(): number {
    return this.kernel.random.float() * this.#resendMs
  }

  listenerAt(address: string): Listener | undefined {
    return this.#listeners.get(address)
  }

  opened(socket: SimSocket<never>): void {
    this.#sockets.add(socket)
  }
  closed(socket: SimSocket<never>): void {
    this.#sockets.delete(socket)
  }
}

const pair = (from: string, to: string): string => `${from}\n${to}`
