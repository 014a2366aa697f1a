/**
 * One open link: batches messages into frames, keeps its queue within bounds, and says once that it is gone.
 *
 * All messages of a tick leave in one frame, sooner when they fill one. At most `WRITE_AHEAD` bytes are with the network
 * at a time: under back-pressure messages wait here, where they are counted and merge into fuller frames. A link whose
 * queue is half full stops reading, so that requests whose replies could not leave are not taken in. Not for ever: two
 * ends that both wait for the other to read would never write again, so a pause in which nothing leaves is given up.
 */
import type { Clock, Timer } from '../../core/clock.ts'
import { messageOf, TroupeError } from '../../core/errors.ts'
import type { Logger } from '../../core/logger.ts'
import { FrameReader } from './frame-reader.ts'
import { FRAME_HEADER, FrameWriter } from './frame-writer.ts'
import { decodeFrame, type Frame } from './frame.ts'
import type { Message, PeerHandler, PeerLink, TransportLimits } from './transport.ts'
import type { Wire } from './wire.ts'

/** A frame is sent before the end of the tick when it has this many bytes. */
export const FRAME_BYTES = 64 * 1024
/** Messages that are handed over in one tick, and the frames that may wait for that. */
const SLICE = 64
const MAX_ARRIVED = 32
const WRITE_AHEAD = 256 * 1024
const FIRST_BUFFER = 4 * 1024
const LARGEST_SPARE = 2 * FRAME_BYTES
/** A pause in which no byte leaves for so long is given up until the queue has drained. */
const STUCK_MS = 100

/** The largest frame that a sender with this limit makes. */
export const maxFrameBytes = (limits: TransportLimits): number => limits.maxMessageBytes + FRAME_BYTES + FRAME_HEADER

export interface LinkContext {
  readonly handler: PeerHandler
  readonly limits: TransportLimits
  readonly clock: Clock
  readonly log: Logger
  readonly tableVersion: () => number
  /** Called once, before the handler hears of it. */
  readonly onGone: (link: FrameLink) => void
}

export class FrameLink implements PeerLink {
  readonly peerId: string
  readonly #wire: Wire
  readonly #context: LinkContext
  readonly #maxMessageBytes: number
  readonly #reader = new FrameReader()
  /** Full frames that wait for the network, and the one being filled. */
  readonly #full: FrameWriter[] = []
  #filling: FrameWriter | undefined
  readonly #from: string
  /** The buffer of a frame that is out, for the next one. */
  #spare: Buffer | undefined
  #bufferBytes = FIRST_BUFFER
  #queuedBytes = 0
  #unwrittenBytes = 0
  #flushing = false
  #reading: 'on' | 'paused' | 'in spite of the queue' = 'on'
  #stuckTimer: Timer | undefined
  #progressed = false
  #phase: 'open' | 'ending' | 'closed' = 'open'
  #closed: (() => void)[] = []
  /** Frames that are not wholly handed over, and how much of the first is. */
  readonly #arrived: Frame[] = []
  #handed = 0
  #handingOver = false

  constructor(peerId: string, wire: Wire, peerMaxFrameBytes: number, context: LinkContext) {
    this.peerId = peerId
    this.#from = `a frame of host ${peerId}`
    this.#wire = wire
    this.#context = context
    this.#maxMessageBytes = Math.min(context.limits.maxMessageBytes, peerMaxFrameBytes - FRAME_BYTES - FRAME_HEADER)
    wire.listen({
      onBytes: bytes => this.#receive(bytes),
      onEnd: () => this.#peerEnded(),
      onClosed: reason => this.#gone(reason),
    })
  }

  /** @throws PAYLOAD_TOO_LARGE · NOT_ENCODABLE for a message that could never be sent */
  send(message: Message): boolean {
    if (this.#phase !== 'open') return false
    const frame = this.#filling ?? this.#startFrame()
    const bytes = frame.append(message, this.#maxMessageBytes)
    // An empty queue takes any message, so that none is refused for ever.
    if (this.#queuedBytes + bytes > this.#context.limits.maxQueuedBytes && this.#queuedBytes > 0) {
      frame.drop(bytes)
      return false
    }
    this.#queuedBytes += bytes
    if (frame.byteLength >= FRAME_BYTES) {
      this.#full.push(frame)
      this.#filling = undefined
      this.#writeFrames(false)
    }
    return true
  }

  #startFrame(): FrameWriter {
    this.#filling = new FrameWriter(this.#spare ?? Buffer.allocUnsafeSlow(this.#bufferBytes))
    this.#spare = undefined
    if (!this.#flushing) {
      this.#flushing = true
      this.#context.clock.soon(() => {
        this.#flushing = false
        this.#writeFrames(true)
      })
    }
    return this.#filling
  }

  /** Writes what may go: full frames, and with `all` also the one being filled. */
  #writeFrames(all: boolean): void {
    while (this.#unwrittenBytes < WRITE_AHEAD && this.#phase !== 'closed') {
      const frame = this.#full.shift() ?? (all ? this.#takeFilling() : undefined)
      if (frame === undefined) break
      const bytes = frame.byteLength - FRAME_HEADER
      this.#unwrittenBytes += bytes
      this.#wire.write(frame.finish(this.#context.tableVersion()), () => this.#written(bytes, frame.buffer))
    }
    if (this.#phase === 'ending' && this.#full.length === 0 && this.#filling === undefined) this.#wire.end()
  }

  #takeFilling(): FrameWriter | undefined {
    const frame = this.#filling
    this.#filling = undefined
    return frame?.count === 0 ? undefined : frame
  }

  #written(bytes: number, buffer: Buffer): void {
    if (buffer.length <= LARGEST_SPARE) {
      this.#spare = buffer
      this.#bufferBytes = buffer.length
    }
    this.#unwrittenBytes -= bytes
    this.#queuedBytes -= bytes
    // A frame that is still being filled leaves with its tick, unless it waited for this.
    this.#writeFrames(!this.#flushing)
    this.#progressed = true
    if (this.#reading !== 'on' && this.#queuedBytes <= this.#context.limits.maxQueuedBytes / 4) this.#read('on')
  }

  #receive(bytes: Uint8Array): void {
    const { limits } = this.#context
    try {
      if (bytes.byteLength > maxFrameBytes(limits)) {
        throw new TroupeError('PROTOCOL', `host ${this.peerId} sent a frame of ${bytes.byteLength} bytes, over the limit of ${maxFrameBytes(limits)}`)
      }
      const frame = decodeFrame(bytes, this.#from, this.#reader)
      this.#arrived.push(frame)
      // Over the bound the tick is held until all is handed over: the network waits, memory does not grow.
      if (this.#arrived.length === 1 || this.#arrived.length > MAX_ARRIVED) this.#handOver(this.#arrived.length > MAX_ARRIVED ? Infinity : SLICE)
    } catch (error) {
      return this.#refuse(error as Error)
    }
    if (this.#queuedBytes > limits.maxQueuedBytes / 2 && this.#reading === 'on' && this.#phase !== 'closed') this.#pause()
  }

  #refuse(error: Error): void {
    this.#context.log.error({ peer: this.peerId, remote: this.#wire.remote, error: error.message }, 'closed the link to a host that sent what it must not')
    this.close(error)
  }

  /**
   * Hands over some messages, and the rest in the ticks after: what the first ones bring about leaves while the others are
   * still being handled, so that the two ends of a busy link work at the same time and not in turns.
   */
  #handOver(budget: number): void {
    const { handler, clock } = this.#context
    for (let left = budget; left > 0 && !this.#isClosed();) {
      const frame = this.#arrived[0]
      if (frame === undefined) return
      for (; left > 0 && this.#handed < frame.messages.length; left--) {
        this.#hand(handler, frame.messages[this.#handed++]!, frame.tableVersion)
        // The handler may have closed the link, which hands over the rest by itself.
        if (this.#isClosed()) return
      }
      if (this.#handed < frame.messages.length) break
      this.#arrived.shift()
      this.#handed = 0
    }
    if (this.#arrived.length > 0 && !this.#handingOver) {
      this.#handingOver = true
      clock.soon(() => {
        this.#handingOver = false
        this.#handOver(SLICE)
      })
    }
  }

  #isClosed(): boolean {
    return this.#phase === 'closed'
  }

  #hand(handler: PeerHandler, message: Message, tableVersion: number): void {
    try {
      handler.onMessage(this, message, tableVersion)
    } catch (error) {
      if (TroupeError.is(error, 'PROTOCOL')) {
        // Nothing else that it says counts either.
        this.#arrived.length = 0
        this.#handed = 0
        return this.#refuse(error)
      }
      // A bug above must not cost the link all its other calls.
      this.#context.log.error({ peer: this.peerId, error: messageOf(error) }, 'a message handler threw')
    }
  }

  #pause(): void {
    this.#reading = 'paused'
    this.#wire.pause()
    this.#watchProgress()
  }
  #watchProgress(): void {
    this.#progressed = false
    this.#stuckTimer = this.#context.clock.after(STUCK_MS, () => this.#progressed ? this.#watchProgress() : this.#read('in spite of the queue'))
  }
  #read(how: 'on' | 'in spite of the queue'): void {
    this.#stuckTimer?.cancel()
    if (this.#reading === 'paused') this.#wire.resume()
    this.#reading = how
  }

  /** Sends what is queued and ends; resolves when the link is gone. */
  end(): Promise<void> {
    if (this.#phase === 'closed') return Promise.resolve()
    return new Promise(resolve => {
      this.#closed.push(resolve)
      if (this.#phase === 'ending') return
      this.#phase = 'ending'
      this.#writeFrames(true)
    })
  }

  #peerEnded(): void {
    if (this.#phase === 'open') {
      this.#phase = 'ending'
      this.#writeFrames(true)
    }
  }

  /** Ends the link at once; what is queued is lost. */
  close(reason: Error): void {
    if (this.#phase === 'closed') return
    this.#wire.destroy()
    this.#gone(reason)
  }

  #gone(reason: Error): void {
    if (this.#phase === 'closed') return
    // What had arrived is handed over first: an answer that is here is no lost one.
    this.#handOver(Infinity)
    // One of these may have been what closes a link.
    if (this.#isClosed()) return
    this.#phase = 'closed'
    this.#stuckTimer?.cancel()
    this.#full.length = 0
    this.#filling = undefined
    this.#context.onGone(this)
    this.#context.handler.onClosed(this, reason)
    for (const resolve of this.#closed.splice(0)) resolve()
  }
}
