/** One keep-alive connection with one request on its way at a time: raw sockets, so that the generator costs far less than any server. */
import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import { replyLength } from './http-message.ts'

export class HttpConnection {
  readonly #socket: Socket
  #received: Buffer | undefined
  #waiting: { resolve(): void; reject(error: Error): void } | undefined
  #broken: Error | undefined

  static async open(port: number): Promise<HttpConnection> {
    const socket = connect({ port, host: '127.0.0.1', noDelay: true })
    await once(socket, 'connect')
    return new HttpConnection(socket)
  }

  constructor(socket: Socket) {
    this.#socket = socket
    socket.on('data', chunk => this.#onData(chunk))
    socket.on('error', error => this.#break(error))
    socket.on('close', () => this.#break(new Error('the server closed the connection')))
  }

  /** Resolves when the whole reply is here. @throws when it is no 2xx, or the connection breaks */
  exchange(request: Buffer): Promise<void> {
    return new Promise((resolve, reject) => {
      if (this.#broken !== undefined) return reject(this.#broken)
      this.#waiting = { resolve, reject }
      this.#socket.write(request)
    })
  }
  close(): void {
    this.#socket.destroy()
  }

  #onData(chunk: Buffer): void {
    const received = this.#received === undefined ? chunk : Buffer.concat([this.#received, chunk])
    try {
      const length = replyLength(received)
      this.#received = length === undefined ? received : undefined
      if (length === undefined) return
      if (length !== received.length) throw new Error('more bytes than one reply to one request')
    } catch (error) {
      return this.#break(error as Error)
    }
    const waiting = this.#waiting
    this.#waiting = undefined
    waiting?.resolve()
  }
  #break(error: Error): void {
    this.#broken ??= error
    this.#socket.destroy()
    this.#waiting?.reject(this.#broken)
    this.#waiting = undefined
  }
}
