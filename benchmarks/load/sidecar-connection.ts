/**
 * One keep-alive connection to any HTTP server, one request on its way at a time: raw sockets, so that the generator costs far less
 * than what it measures. Other statuses than 2xx are answers like any other; a broken connection fails its request, and the next one
 * opens another.
 */
import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import { replyOf } from './http-message.ts'

export interface Answer {
  readonly status: number
  /** The first bytes of the body, for people. */
  readonly text: string
}

const ANSWER_MS = 30_000
const SHOWN_BYTES = 300

export class SidecarConnection {
  readonly #host: string
  readonly #port: number
  #socket: Socket | undefined
  #received: Buffer | undefined
  #waiting: { resolve(answer: Answer): void; reject(error: Error): void } | undefined

  /** `url`: `http://HOST:PORT`. */
  constructor(url: string) {
    const { hostname, port } = new URL(url)
    this.#host = hostname.replace(/^\[(.*)\]$/, '$1')
    this.#port = Number(port || 80)
  }

  /** @throws when the server cannot be reached. */
  async open(): Promise<void> {
    const socket = connect({ port: this.#port, host: this.#host, noDelay: true })
    await once(socket, 'connect')
    this.#socket = socket
    this.#received = undefined
    socket.setTimeout(ANSWER_MS)
    socket.on('timeout', () => { if (this.#waiting !== undefined) this.#break(socket, new Error(`no answer within ${ANSWER_MS} ms`)) })
    socket.on('data', chunk => this.#onData(socket, chunk))
    socket.on('error', error => this.#break(socket, error))
    socket.on('close', () => this.#break(socket, new Error('the server closed the connection')))
  }

  /** @throws when there is no answer. */
  async ask(request: Buffer): Promise<Answer> {
    if (this.#socket === undefined) await this.open()
    return await new Promise((resolve, reject) => {
      this.#waiting = { resolve, reject }
      this.#socket!.write(request)
    })
  }

  close(): void {
    this.#socket?.destroy()
  }

  #onData(socket: Socket, chunk: Buffer): void {
    const received = this.#received === undefined ? chunk : Buffer.concat([this.#received, chunk])
    try {
      const reply = replyOf(received)
      this.#received = reply === undefined ? received : undefined
      if (reply === undefined) return
      const good = reply.status >= 200 && reply.status < 300
      const waiting = this.#waiting
      this.#waiting = undefined
      waiting?.resolve({ status: reply.status, text: good ? '' : received.toString('utf8', reply.bodyStart, Math.min(reply.length, reply.bodyStart + SHOWN_BYTES)) })
    } catch (error) {
      this.#break(socket, error as Error)
    }
  }

  #break(socket: Socket, error: Error): void {
    socket.destroy()
    if (this.#socket !== socket) return
    this.#socket = undefined
    const waiting = this.#waiting
    this.#waiting = undefined
    waiting?.reject(error)
  }
}
