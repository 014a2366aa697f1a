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
import { admitOdd, decodeFrame, encodeFrame, FRAME_OVERHEAD, sizeBound } from './frame.ts'
import type { Message, PeerHandler, PeerLink, TransportLimits } from './transport.ts'
import type { Wire } from './wire.ts'

/** A frame is sent before the end of the tick when it has this many bytes. */
export const FRAME_BYTES = 64 * 1024
const WRITE_AHEAD = 256 * 1024
/** A pause in which no byte leaves for so long is given up until the queue has drained. */
const STUCK_MS = 100

/** The largest frame that a sender with this limit makes. */
export const maxFrameBytes = (limits: TransportLimits): number => limits.maxMessageBytes + FRAME_BYTES + FRAME_OVERHEAD

export interface LinkContext {
  readonly handler: PeerHandler
  readonly limits: TransportLimits
  readonly clock: Clock
  readonly log: Logger
  readonly tableVersion: () => number
  /** Called once, before the handler hears of it. */
  readonly onGone: (link: FrameLink) => void
}

interface Batch {
  readonly messages: Message[]
  bytes: number
}

export class FrameLink implements PeerLink {
  readonly peerId: string
  readonly #wire: Wire
  readonly #context: LinkContext
  readonly #maxMessageBytes: number
  /** The last batch is the one being filled. */
  #batches: Batch[] = []
  #queuedBytes = 0
  #unwrittenBytes = 0
  #flushing = false
  #reading: 'on' | 'paused' | 'in spite of the queue' = 'on'
  #stuckTimer: Timer | undefined
  #progressed = false
  #phase: 'open' | 'ending' | 'closed' = 'open'
  #closed: (() => void)[] = []

  constructor(peerId: string, wire: Wire, peerMaxFrameBytes: number, context: LinkContext) {
    this.peerId = peerId
    this.#wire = wire
    this.#context = context
    this.#maxMessageBytes = Math.min(context.limits.maxMessageBytes, peerMaxFrameBytes - FRAME_BYTES - FRAME_OVERHEAD)
    wire.listen({
      onBytes: bytes => this.#receive(bytes),
      onEnd: () => this.#peerEnded(),
      onClosed: reason => this.#gone(reason),
    })
  }

  /** @throws PAYLOAD_TOO_LARGE · NOT_ENCODABLE for a message that could never be sent */
  send(message: Message): boolean {
    if (this.#phase !== 'open') return false
    let bytes = sizeBound(message)
    if (bytes < 0 || bytes > this.#maxMessageBytes) ({ message, bytes } = this.#admitOdd(message))
    // An empty queue takes any message, so that none is refused for ever.
    if (this.#queuedBytes + bytes > this.#context.limits.maxQueuedBytes && this.#queuedBytes > 0) return false
    this.#queuedBytes += bytes
    const batch = this.#batches.at(-1)
    if (batch === undefined || batch.bytes + bytes > FRAME_BYTES) this.#startBatch(message, bytes)
    else {
      batch.messages.push(message)
      batch.bytes += bytes
    }
    return true
  }

  #admitOdd(message: Message): { message: Message; bytes: number } {
    const admitted = admitOdd(message)
    if (admitted.bytes > this.#maxMessageBytes) {
      throw new TroupeError('PAYLOAD_TOO_LARGE', `a message of ${admitted.bytes} bytes to host ${this.peerId} is over the limit of ${this.#maxMessageBytes}; send less, or raise maxMessageBytes on all hosts`)
    }
    return admitted
  }

  #startBatch(message: Message, bytes: number): void {
    this.#batches.push({ messages: [message], bytes })
    if (this.#batches.length > 1) return this.#writeBatches(1)
    if (this.#flushing) return
    this.#flushing = true
    this.#context.clock.soon(() => {
      this.#flushing = false
      this.#writeBatches(0)
    })
  }

  /** Writes what may go, up to the last `keep` batches. */
  #writeBatches(keep: number): void {
    while (this.#batches.length > keep && this.#unwrittenBytes < WRITE_AHEAD && this.#phase !== 'closed') {
      const batch = this.#batches.shift()!
      this.#unwrittenBytes += batch.bytes
      this.#wire.write(encodeFrame(this.#context.tableVersion(), batch.messages), () => this.#written(batch.bytes))
    }
    if (this.#phase === 'ending' && this.#batches.length === 0) this.#wire.end()
  }

  #written(bytes: number): void {
    this.#unwrittenBytes -= bytes
    this.#queuedBytes -= bytes
    // A batch that is still being filled leaves with its tick, unless it waited for this.
    this.#writeBatches(this.#flushing ? 1 : 0)
    this.#progressed = true
    if (this.#reading !== 'on' && this.#queuedBytes <= this.#context.limits.maxQueuedBytes / 4) this.#read('on')
  }

  #receive(bytes: Uint8Array): void {
    const { handler, limits } = this.#context
    try {
      if (bytes.byteLength > maxFrameBytes(limits)) {
        throw new TroupeError('PROTOCOL', `host ${this.peerId} sent a frame of ${bytes.byteLength} bytes, over the limit of ${maxFrameBytes(limits)}`)
      }
      const frame = decodeFrame(bytes, `a frame of host ${this.peerId}`)
      for (let i = 0; i < frame.messages.length && this.#phase !== 'closed'; i++) this.#hand(handler, frame.messages[i]!, frame.tableVersion)
    } catch (error) {
      this.#context.log.error({ peer: this.peerId, remote: this.#wire.remote, error: messageOf(error) }, 'closed the link to a host that sent what it must not')
      return this.close(error as Error)
    }
    if (this.#queuedBytes > limits.maxQueuedBytes / 2 && this.#reading === 'on' && this.#phase !== 'closed') this.#pause()
  }

  #hand(handler: PeerHandler, message: Message, tableVersion: number): void {
    try {
      handler.onMessage(this, message, tableVersion)
    } catch (error) {
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
      this.#writeBatches(0)
    })
  }

  #peerEnded(): void {
    if (this.#phase === 'open') {
      this.#phase = 'ending'
      this.#writeBatches(0)
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
    this.#phase = 'closed'
    this.#stuckTimer?.cancel()
    this.#batches = []
    this.#context.onGone(this)
    this.#context.handler.onClosed(this, reason)
    for (const resolve of this.#closed.splice(0)) resolve()
  }
}
