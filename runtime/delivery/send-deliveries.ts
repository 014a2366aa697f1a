/**
 * Deliveries under way: lets the sends of each line leave when they may, and judges what comes back.
 *
 * One wheel for all waits; per send no timer and no promise besides the delivery's own. A line that finds no free slot waits
 * in the order in which it came.
 */
import type { Clock } from '../../core/clock.ts'
import { messageOf, TroupeError } from '../../core/errors.ts'
import type { Logger } from '../../core/logger.ts'
import type { Random } from '../../core/random.ts'
import { seams } from '../../core/seams.ts'
import type { ActorAddress } from '../../stores/actor-store.ts'
import { Deadlines } from '../dispatch/deadlines.ts'
import type { PendingSend, SendLine } from './send-line.ts'
import type { Send } from './send-row.ts'
import { SendSlots } from './send-slots.ts'
import { describe, judge, type BackoffLimits } from './send-verdict.ts'

interface DeliveryPorts {
  readonly clock: Clock
  readonly random: Random
  readonly log: Logger
  deliver(sender: ActorAddress, send: Send, previous: number | undefined): Promise<void>
  /** Its link broke. */
  lost(send: Send, error: TroupeError): void
  /** It is durable at its target, and no longer in its line. */
  applied(pending: PendingSend): void
  /** It failed for good; its line waits for `marked`. */
  died(pending: PendingSend, error: string): void
}

interface DeliveryLimits extends BackoffLimits {
  readonly maxUnderWay: number
  readonly slowMs: number
}

/** Refusals in a row after which, and after each doubling of which, a send is worth a warning. */
const WARN_AFTER = 8

/** The wheel's entry for "look for a free slot". */
class FreeSlot {
  wheelSlot = -1
  wheelIndex = -1
}

export class SendDeliveries {
  readonly #ports: DeliveryPorts
  readonly #limits: DeliveryLimits
  readonly #slots: SendSlots
  readonly #wheel: Deadlines<SendLine | FreeSlot>
  /** Lines that wait for a slot, from `#fed` on. */
  #starved: SendLine[] = []
  #fed = 0
  readonly #freeSlot = new FreeSlot()
  #phase: 'open' | 'closed' = 'open'

  constructor(ports: DeliveryPorts, limits: DeliveryLimits) {
    this.#ports = ports
    this.#limits = limits
    this.#slots = new SendSlots(limits.maxUnderWay, limits.slowMs)
    this.#wheel = new Deadlines(ports.clock, entry => entry instanceof FreeSlot ? this.#feed() : this.pump(entry))
  }

  get underWay(): number {
    return this.#slots.quick
  }
  get slow(): number {
    return this.#slots.slow
  }
  get starved(): number {
    return this.#starved.length - this.#fed
  }

  close(): void {
    this.#phase = 'closed'
    this.#wheel.close()
  }

  /** The line is empty or given up: it waits for nothing. */
  forget(line: SendLine): void {
    this.#wheel.remove(line)
  }

  /** Lets everything leave that may: now, or when a slot is free, or when its wait is over. */
  pump(line: SendLine): void {
    if (this.#phase === 'closed' || line.starving) return
    const now = this.#ports.clock.monotonicMs()
    while (this.#slots.free(now)) {
      const pending = line.next(now)
      if (pending === undefined) return this.#wait(line)
      this.#deliver(pending, now)
    }
    if (!line.ready(now)) return this.#wait(line)
    line.starving = true
    this.#starved.push(line)
    this.#awaitSlot()
  }

  #wait(line: SendLine): void {
    const { wakeAt } = line
    if (wakeAt !== undefined) this.#wheel.add(line, wakeAt)
  }

  #deliver(pending: PendingSend, now: number): void {
    this.#slots.take(pending, now)
    seams.at?.('send.deliver')
    let delivery: Promise<void>
    try {
      delivery = this.#ports.deliver(pending.line.sender.address, pending.send, pending.previous)
    } catch (error) {
      delivery = Promise.reject(error as Error)
    }
    delivery.then(() => this.#applied(pending), (error: unknown) => this.#failed(pending, error))
  }

  #applied(pending: PendingSend): void {
    this.#slots.release(pending)
    // Dropped meanwhile: its row may be another's by now.
    if (pending.phase !== 'over' && this.#phase === 'open') {
      seams.at?.('send.acknowledged')
      pending.line.applied(pending)
      this.#ports.applied(pending)
    }
    this.#feed()
  }

  #failed(pending: PendingSend, error: unknown): void {
    this.#slots.release(pending)
    if (pending.phase !== 'over' && this.#phase === 'open') this.#judge(pending, error)
    this.#feed()
  }

  #judge(pending: PendingSend, error: unknown): void {
    const { line, send } = pending
    if (TroupeError.is(error, 'PEER_LOST')) this.#ports.lost(send, error)
    const failuresBefore = pending.failures
    const verdict = judge(pending, error, this.#ports.random.float(), this.#limits)
    const { type, id } = line.sender.address
    const facts = { type, id, send: send.number, target: line.key, method: send.method }
    pending.problem = describe(error)
    if (verdict.kind === 'again') {
      if (pending.failures > failuresBefore) {
        this.#ports.log.warn({ ...facts, failures: pending.failures, attempts: send.attempts }, `a durable send failed; it is tried again: ${pending.problem}`)
      }
      line.again(pending, verdict.delayMs === 0 ? 0 : this.#ports.clock.monotonicMs() + verdict.delayMs)
      if (pending.refusals >= WARN_AFTER && Number.isInteger(Math.log2(pending.refusals))) {
        this.#ports.log.warn({ ...facts, refusals: pending.refusals }, `a durable send is not delivered yet: ${messageOf(error)}`)
      }
      return this.pump(line)
    }
    this.#ports.log.error({ ...facts, attempts: pending.failures }, `a durable send failed for good and is a dead letter: ${verdict.error}`)
    line.dying(pending)
    this.#ports.died(pending, verdict.error)
  }

  #awaitSlot(): void {
    if (this.#freeSlot.wheelSlot < 0) this.#wheel.add(this.#freeSlot, this.#slots.freeAtMs)
  }

  /** In the order they came; one that finds too few slots goes to the end. */
  #feed(): void {
    if (this.starved === 0 || this.#phase === 'closed') return
    const now = this.#ports.clock.monotonicMs()
    while (this.#fed < this.#starved.length && this.#slots.free(now)) {
      const line = this.#starved[this.#fed++]!
      line.starving = false
      this.pump(line)
    }
    if (this.#fed === this.#starved.length) {
      this.#starved = []
      this.#fed = 0
      return
    }
    if (this.#fed >= 1_024 && this.#fed * 2 >= this.#starved.length) {
      this.#starved.splice(0, this.#fed)
      this.#fed = 0
    }
    this.#awaitSlot()
  }
}
