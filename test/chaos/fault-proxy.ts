/**
 * A TCP proxy with faults: what goes one way from one side to the other can be held back, slowed, or its connections reset.
 *
 * As on a real network nothing is lost inside a connection that lives on: what is sent during a cut arrives when it heals (TCP
 * sends it again), and nobody hears of the other's end before. A new connection during a cut is made and stays silent. A proxy
 * whose target is gone must be told (`refuse`), since only a refused connection proves that.
 */
import { once } from 'node:events'
import { connect, createServer, type Server, type Socket } from 'node:net'

/** What happens to bytes of one way. */
export interface WireRule {
  readonly cut: boolean
  readonly delayMs: number
}

const PASS: WireRule = { cut: false, delayMs: 0 }
/** A sender is stopped when this much of it waits. */
const MAX_WAITING_BYTES = 1024 * 1024

/** The rules between named ends, shared by all proxies of a network. */
export class WireRules {
  readonly #rules = new Map<string, WireRule>()
  readonly #listeners = new Set<() => void>()

  of(from: string, to: string): WireRule {
    return this.#rules.get(`${from}→${to}`) ?? PASS
  }

  set(from: string, to: string, rule: Partial<WireRule>): void {
    this.#rules.set(`${from}→${to}`, { ...PASS, ...rule })
    this.#tell()
  }

  clear(): void {
    this.#rules.clear()
    this.#tell()
  }

  onChange(listener: () => void): () => void {
    this.#listeners.add(listener)
    return () => { this.#listeners.delete(listener) }
  }

  #tell(): void {
    for (const listener of [...this.#listeners]) listener()
  }
}

export interface FaultProxyOptions {
  /** The name of what it stands before. */
  readonly to: string
  readonly target: { readonly host: string; readonly port: number }
  readonly rules: WireRules
  /** The name of the end at this address and port. */
  readonly whoIs: (address: string, port: number) => string
}

export class FaultProxy {
  readonly #options: FaultProxyOptions
  readonly #wires = new Set<Wire>()
  #server: Server | undefined
  #at: { host: string; port: number } | undefined

  constructor(options: FaultProxyOptions) {
    this.#options = options
  }

  /** Listens; after `refuse` at the same address again. Port 0: the system chooses, the first time. */
  async listen(host: string, port = 0): Promise<number> {
    const server = this.#server = createServer({ allowHalfOpen: true, noDelay: true }, client => this.#accept(client))
    server.listen(this.#at?.port ?? port, host)
    await once(server, 'listening')
    this.#at = { host, port: (server.address() as { port: number }).port }
    return this.#at.port
  }

  /** New connections are refused, as by a machine on which nothing listens; open ones are reset. */
  async refuse(): Promise<void> {
    const server = this.#server
    this.#server = undefined
    this.reset()
    if (server === undefined) return
    server.close()
    await once(server, 'close')
  }

  /** Resets the connections of one end, or of all. */
  reset(from?: string): void {
    for (const wire of [...this.#wires]) if (from === undefined || wire.from === from) wire.reset()
  }

  async close(): Promise<void> {
    await this.refuse()
  }

  #accept(client: Socket): void {
    const { to, target, rules, whoIs } = this.#options
    const from = whoIs(client.remoteAddress ?? '', client.remotePort ?? 0)
    const wire = new Wire(client, connect({ ...target, allowHalfOpen: true, noDelay: true }), from, to, rules)
    this.#wires.add(wire)
    wire.onGone(() => this.#wires.delete(wire))
  }
}

/** One connection through the proxy. */
class Wire {
  readonly from: string
  readonly #client: Socket
  readonly #upstream: Socket
  readonly #gone: (() => void)[] = []

  constructor(client: Socket, upstream: Socket, from: string, to: string, rules: WireRules) {
    this.from = from
    this.#client = client
    this.#upstream = upstream
    const lanes = [
      new Lane(client, upstream, () => rules.of(from, to)),
      new Lane(upstream, client, () => rules.of(to, from)),
    ]
    const stopListening = rules.onChange(() => { for (const lane of lanes) lane.flush() })
    let open = 2
    for (const socket of [client, upstream]) socket.once('close', () => {
      if (--open > 0) return
      stopListening()
      for (const lane of lanes) lane.stop()
      for (const listener of this.#gone) listener()
    })
  }

  onGone(listener: () => void): void {
    this.#gone.push(listener)
  }

  reset(): void {
    this.#client.resetAndDestroy()
    this.#upstream.resetAndDestroy()
  }
}

/** One way of a connection: what its source sends, in order, to its sink, as the rule of that moment allows. */
class Lane {
  readonly #source: Socket
  readonly #sink: Socket
  readonly #rule: () => WireRule
  readonly #waiting: { readonly what: Buffer | 'end' | 'reset'; readonly atMs: number }[] = []
  #waitingBytes = 0
  #timer: NodeJS.Timeout | undefined

  constructor(source: Socket, sink: Socket, rule: () => WireRule) {
    this.#source = source
    this.#sink = sink
    this.#rule = rule
    source.on('data', bytes => this.#take(bytes))
    source.on('end', () => this.#take('end'))
    // Its reason is told by what follows: 'close'.
    source.on('error', () => undefined)
    source.on('close', () => this.#take('reset'))
    sink.on('drain', () => this.flush())
  }

  stop(): void {
    clearTimeout(this.#timer)
    this.#waiting.length = 0
  }

  #take(what: Buffer | 'end' | 'reset'): void {
    this.#waiting.push({ what, atMs: performance.now() + this.#rule().delayMs })
    if (typeof what !== 'string') this.#waitingBytes += what.length
    this.flush()
    if (this.#waitingBytes > MAX_WAITING_BYTES || this.#sink.writableNeedDrain) this.#source.pause()
  }

  flush(): void {
    clearTimeout(this.#timer)
    while (this.#waiting.length > 0 && !this.#rule().cut && !this.#sink.writableNeedDrain) {
      const { what, atMs } = this.#waiting[0]!
      const leftMs = atMs - performance.now()
      if (leftMs > 0) {
        this.#timer = setTimeout(() => this.flush(), leftMs)
        return
      }
      this.#waiting.shift()
      if (what === 'end') this.#sink.end()
      else if (what === 'reset') this.#close()
      else {
        this.#waitingBytes -= what.length
        this.#sink.write(what)
      }
    }
    if (this.#waitingBytes < MAX_WAITING_BYTES && !this.#sink.writableNeedDrain) this.#source.resume()
  }

  /** The source is gone. After an orderly end the sink may still have something to say to nobody: it is closed as well. */
  #close(): void {
    if (this.#source.readableEnded && this.#source.writableFinished) this.#sink.destroySoon()
    else this.#sink.resetAndDestroy()
  }
}
