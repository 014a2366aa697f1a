/**
 * The sends of one actor to one target, in order: which may leave now, and with which predecessor. Pure.
 *
 * Up to `window` sends are under way at once. All but the first carry the number of the one before them, and the target runs
 * none whose predecessor it has not applied: so a send that fails is followed by none that overtook it; those behind it
 * come back as out of order and leave again after it. After any failure only the first may leave (`room` 1); each
 * acknowledgement makes room for one more, as in TCP's slow start.
 *
 * The first of a line has no predecessor to name: those before it were applied, or are dead letters by what the store says.
 * That the target never applies a number below its last one is what makes this right whatever late copies, of this owner or
 * of one that was replaced and does not know, are still on their way.
 */
import type { DeadlineEntry } from '../dispatch/deadlines.ts'
import type { OutboxSender } from './outbox-sender.ts'
import type { Send } from './send-row.ts'

/**
 * waiting ⇄ out → over (applied or forgotten: what is heard of it later changes nothing), or out → dying → over: it failed
 * for good, and nothing behind it leaves before the store knows. Otherwise a later one could be applied, and the next owner,
 * which finds this one undelivered, would be told by the target that it is done: it would be lost.
 */
export type SendPhase = 'waiting' | 'out' | 'dying' | 'over'

export class PendingSend {
  readonly send: Send
  readonly line: SendLine
  phase: SendPhase = 'waiting'
  /** Deliveries that failed for certain; they count. */
  failures = 0
  /** Refusals and unknown outcomes since; they do not count. */
  refusals = 0
  /** Why its last delivery failed. */
  problem: string | undefined = undefined
  /** It does not leave before (monotonic ms). */
  notBefore = 0
  /** What the delivery under way named as the one before it. */
  previous: number | undefined = undefined
  /** Bookkeeping of send-slots.ts. */
  slot: 'none' | 'quick' | 'slow' = 'none'
  startedMs = 0

  constructor(send: Send, line: SendLine) {
    this.send = send
    this.line = line
  }
}

export class SendLine implements DeadlineEntry {
  /** Place in the wheel of retries. */
  wheelSlot = -1
  wheelIndex = -1
  /** True while it waits for a slot. */
  starving = false
  readonly sender: OutboxSender
  readonly key: string
  readonly #window: number
  /** In order of numbers. Those before `#head` are over; of those before `#cursor` none is waiting. */
  #queue: PendingSend[] = []
  #head = 0
  #cursor = 0
  #room: number

  constructor(sender: OutboxSender, key: string, window: number) {
    this.sender = sender
    this.key = key
    this.#window = window
    this.#room = window
  }

  get empty(): boolean {
    return this.#head === this.#queue.length
  }

  /** Takes a send; false when it is here already. */
  add(send: Send): boolean {
    const last = this.#queue.at(-1)
    if (last === undefined || last.send.number < send.number) {
      this.#queue.push(new PendingSend(send, this))
      return true
    }
    const at = this.#indexOf(send.number)
    if (this.#queue[at]!.send.number === send.number && at >= this.#head) return false
    this.#queue.splice(Math.max(at, this.#head), 0, new PendingSend(send, this))
    this.#cursor = Math.min(this.#cursor, Math.max(at, this.#head))
    return true
  }

  /** The send of this number, while it is neither applied nor dead. */
  find(number: number): PendingSend | undefined {
    const pending = this.#queue[this.#indexOf(number)]
    return pending?.send.number === number && pending.phase !== 'over' ? pending : undefined
  }

  /** True when `next` would give one. */
  ready(nowMs: number): boolean {
    return this.#peek(nowMs) !== undefined
  }

  /** The next that may leave now; it counts as under way from here on. */
  next(nowMs: number): PendingSend | undefined {
    const pending = this.#peek(nowMs)
    if (pending === undefined) return undefined
    pending.phase = 'out'
    pending.previous = this.#before(this.#cursor++)
    return pending
  }

  #peek(nowMs: number): PendingSend | undefined {
    for (; this.#cursor < this.#queue.length && this.#cursor - this.#head < this.#room; this.#cursor++) {
      const pending = this.#queue[this.#cursor]!
      if (pending.phase === 'waiting') return pending.notBefore > nowMs ? undefined : pending
      if (pending.phase === 'dying') return undefined
    }
    return undefined
  }

  /** When to ask `next` again though nothing was heard until then; undefined: not before an answer. */
  get wakeAt(): number | undefined {
    const pending = this.#cursor - this.#head < this.#room ? this.#queue[this.#cursor] : undefined
    return pending?.phase === 'waiting' ? pending.notBefore : undefined
  }

  /** It is durable at the target. */
  applied(pending: PendingSend): void {
    this.#room = Math.min(this.#window, this.#room + 1)
    this.#over(pending)
  }

  /** It failed for good: nothing behind it leaves before `marked`. */
  dying(pending: PendingSend): void {
    pending.phase = 'dying'
    this.#room = 1
    this.#cursor = Math.min(this.#cursor, this.#indexOf(pending.send.number))
  }

  /** It is a dead letter in the store: the next goes on without it. */
  marked(pending: PendingSend): void {
    this.#over(pending)
  }

  /** It was not applied, as far as is known: it leaves again, not before `notBefore`. */
  again(pending: PendingSend, notBefore: number): void {
    pending.phase = 'waiting'
    pending.notBefore = notBefore
    this.#room = 1
    this.#cursor = Math.min(this.#cursor, this.#indexOf(pending.send.number))
  }

  #over(pending: PendingSend): void {
    pending.phase = 'over'
    while (this.#head < this.#queue.length && this.#queue[this.#head]!.phase === 'over') this.#head++
    if (this.#head === this.#queue.length) {
      this.#queue = []
      this.#head = this.#cursor = 0
    } else if (this.#head >= 64 && this.#head * 2 >= this.#queue.length) {
      this.#queue.splice(0, this.#head)
      this.#cursor = Math.max(0, this.#cursor - this.#head)
      this.#head = 0
    }
    if (this.#cursor < this.#head) this.#cursor = this.#head
  }

  /** The nearest before it that is not over. */
  #before(index: number): number | undefined {
    for (let i = index - 1; i >= this.#head; i--) {
      const pending = this.#queue[i]!
      if (pending.phase !== 'over') return pending.send.number
    }
    return undefined
  }

  /** First index whose number is not below `number`. */
  #indexOf(number: number): number {
    let low = 0
    let high = this.#queue.length
    while (low < high) {
      const middle = (low + high) >> 1
      if (this.#queue[middle]!.send.number < number) low = middle + 1
      else high = middle
    }
    return low
  }

  /** Everything here is forgotten. */
  forget(): number {
    let forgotten = 0
    for (let i = this.#head; i < this.#queue.length; i++) {
      const pending = this.#queue[i]!
      if (pending.phase !== 'over') forgotten++
      pending.phase = 'over'
    }
    this.#queue = []
    this.#head = this.#cursor = 0
    return forgotten
  }
}
