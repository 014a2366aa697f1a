/**
 * A child process: requests at a fixed rate, whatever the server makes of them (an open load). A request leaves when it is
 * due, on a connection that is free; its latency counts from then on. All connections are open before the load begins, as those
 * of a load balancer are: Node takes one new connection in each turn of its event loop, so what stands in that queue of a busy
 * server is neither answered nor refused, whatever the server does.
 */
import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import { LatencyHistogram } from '../harness/latency.ts'
import { serveParent } from '../harness/serve-parent.ts'
import { replyOf, requestOf } from './http-message.ts'

export interface OpenHttpLoad {
  readonly port: number
  /** Requests a second. */
  readonly rate: number
  readonly seconds: number
  /** Replies after so long are worth nothing. */
  readonly deadlineMs: number
  /** A request that finds none of them free is not sent. */
  readonly connections: number
  /** The requests' path with `{id}` in it, and how many ids they go to in turn. */
  readonly path: string
  readonly ids: number
}

export interface OpenResult {
  readonly seconds: number
  readonly due: number
  /** Good replies in time. */
  readonly good: number
  readonly late: number
  readonly refused: number
  /** Broken connections, other statuses, and what was not sent. */
  readonly failed: number
  readonly goodP50Ms: number
  readonly goodP99Ms: number
  readonly refusedP50Ms: number
  readonly refusedP99Ms: number
  /** End of the last tenth of a second in which anything was not good, in ms from the start. */
  readonly badUntilMs: number
}

interface Connection {
  readonly socket: Socket
  dueMs: number
  received: Buffer | undefined
}

const BUCKET_MS = 100
const SETTLE_MS = 3_000

class OpenRun {
  readonly #load: OpenHttpLoad
  readonly #requests: readonly Buffer[]
  readonly #free: Connection[] = []
  readonly #all = new Set<Connection>()
  readonly #good = new LatencyHistogram()
  readonly #refused = new LatencyHistogram()
  readonly #count = { due: 0, good: 0, late: 0, refused: 0, failed: 0 }
  #startMs = 0
  #badUntilMs = 0
  #waiting = 0

  constructor(load: OpenHttpLoad) {
    this.#load = load
    this.#requests = Array.from({ length: load.ids }, (_, id) => requestOf('POST', load.path.replace('{id}', `w${id}`), '1'))
  }

  async run(): Promise<OpenResult> {
    const { rate, seconds } = this.#load
    for (let i = 0; i < this.#load.connections; i++) await this.#open()
    this.#startMs = performance.now()
    const total = Math.floor(rate * seconds)
    await new Promise<void>(resolve => {
      const timer = setInterval(() => {
        const now = performance.now()
        const due = Math.min(total, Math.floor((now - this.#startMs) * rate / 1000))
        while (this.#count.due < due) this.#send(this.#startMs + this.#count.due++ * 1000 / rate)
        if (this.#count.due < total) return
        clearInterval(timer)
        resolve()
      }, 1)
    })
    const took = (performance.now() - this.#startMs) / 1000
    for (const until = performance.now() + SETTLE_MS; this.#waiting > 0 && performance.now() < until;) await new Promise(resolve => { setTimeout(resolve, 10) })
    this.#count.failed += this.#waiting
    const open = [...this.#all]
    this.#all.clear()
    for (const { socket } of open) socket.destroy()
    return {
      seconds: took, ...this.#count, badUntilMs: this.#badUntilMs,
      goodP50Ms: this.#good.percentileUs(50) / 1000, goodP99Ms: this.#good.percentileUs(99) / 1000,
      refusedP50Ms: this.#refused.percentileUs(50) / 1000, refusedP99Ms: this.#refused.percentileUs(99) / 1000,
    }
  }

  #send(dueMs: number): void {
    const connection = this.#free.pop()
    if (connection === undefined) return this.#bad('failed')
    connection.dueMs = dueMs
    this.#waiting++
    connection.socket.write(this.#requests[this.#count.due % this.#requests.length]!)
  }

  /** Resolves when the server has taken the connection: it has answered on it. */
  async #open(): Promise<void> {
    const socket = connect({ port: this.#load.port, host: '127.0.0.1', noDelay: true })
    socket.write('GET /v1.0/healthz HTTP/1.1\r\nhost: 127.0.0.1\r\n\r\n')
    await once(socket, 'data')
    const connection: Connection = { socket, dueMs: NaN, received: undefined }
    this.#all.add(connection)
    this.#free.push(connection)
    socket.on('data', chunk => this.#onData(connection, chunk))
    socket.on('error', () => socket.destroy())
    socket.on('close', () => {
      if (!this.#all.delete(connection)) return
      const at = this.#free.indexOf(connection)
      if (at >= 0) this.#free.splice(at, 1)
      else this.#settle('failed')
    })
  }

  #onData(connection: Connection, chunk: Buffer): void {
    connection.received = connection.received === undefined ? chunk : Buffer.concat([connection.received, chunk])
    const reply = replyOf(connection.received)
    if (reply === undefined) return
    connection.received = undefined
    const tookMs = performance.now() - connection.dueMs
    this.#free.push(connection)
    if (reply.status === 503 || reply.status === 429) {
      this.#refused.record(tookMs)
      this.#settle('refused')
    } else if (reply.status !== 200) this.#settle('failed')
    else if (tookMs > this.#load.deadlineMs) this.#settle('late')
    else {
      this.#good.record(tookMs)
      this.#waiting--
      this.#count.good++
    }
  }

  #settle(how: 'late' | 'refused' | 'failed'): void {
    this.#waiting--
    this.#bad(how)
  }

  #bad(how: 'late' | 'refused' | 'failed'): void {
    this.#count[how]++
    this.#badUntilMs = (Math.floor((performance.now() - this.#startMs) / BUCKET_MS) + 1) * BUCKET_MS
  }
}

const api = { measure: (load: OpenHttpLoad): Promise<OpenResult> => new OpenRun(load).run() }
export type OpenHttpLoadApi = typeof api

serveParent(api)
