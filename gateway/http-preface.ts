/**
 * Which HTTP a connection speaks: HTTP/2 with prior knowledge begins with a line that no HTTP/1.1 request begins with
 * (RFC 9113, 3.4), so one port serves both.
 *
 * One look at the first bytes, then the connection belongs to its server with those bytes given back, and is read by it as
 * any other: this costs a connection of HTTP/1.1 nothing later. Who sends nothing for too long is let go.
 */
import type { Socket } from 'node:net'
import type { Clock, Timer } from '../core/clock.ts'

const PREFACE = Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n')
/** So many bytes decide: no method of HTTP/1.1 begins with `PRI`. */
const DECISIVE = 3

/** Undefined: too early to say. */
export function speaksHttp2(first: Uint8Array): boolean | undefined {
  const length = Math.min(first.length, PREFACE.length)
  for (let i = 0; i < length; i++) if (first[i] !== PREFACE[i]) return false
  return length < DECISIVE ? undefined : true
}

export interface Takers {
  http1(socket: Socket): void
  http2(socket: Socket): void
}

export class PrefaceReader {
  readonly #takers: Takers
  readonly #clock: Clock
  readonly #timeoutMs: number
  /** Those that have not said enough, and until when they may; who came first is first. */
  readonly #silent = new Map<Socket, number>()
  /** One for all of them: a connection costs no timer of its own. */
  #watch: Timer | undefined

  constructor(takers: Takers, clock: Clock, timeoutMs: number) {
    this.#takers = takers
    this.#clock = clock
    this.#timeoutMs = timeoutMs
  }

  take(socket: Socket): void {
    let first: Buffer | undefined
    const leave = (): void => {
      this.#silent.delete(socket)
      socket.destroy()
    }
    const onReadable = (): void => {
      const piece = socket.read() as Buffer | null
      if (piece === null) return
      first = first === undefined ? piece : Buffer.concat([first, piece])
      const isHttp2 = speaksHttp2(first)
      if (isHttp2 === undefined) return
      socket.unshift(first)
      this.#silent.delete(socket)
      socket.off('readable', onReadable).off('end', leave).off('error', leave).off('close', leave)
      if (isHttp2) this.#takers.http2(socket)
      else this.#takers.http1(socket)
    }
    socket.on('readable', onReadable).on('end', leave).on('error', leave).on('close', leave)
    this.#silent.set(socket, this.#clock.monotonicMs() + this.#timeoutMs)
    this.#watch ??= this.#clock.after(this.#timeoutMs, () => this.#look())
  }

  #look(): void {
    this.#watch = undefined
    const nowMs = this.#clock.monotonicMs()
    for (const [socket, untilMs] of this.#silent) {
      if (untilMs > nowMs) {
        this.#watch = this.#clock.after(Math.ceil(untilMs - nowMs), () => this.#look())
        return
      }
      this.#silent.delete(socket)
      socket.destroy()
    }
  }

  close(): void {
    this.#watch?.cancel()
    for (const socket of this.#silent.keys()) socket.destroy()
  }
}
