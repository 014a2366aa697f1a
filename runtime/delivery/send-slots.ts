/**
 * How many deliveries are under way at once. Pure.
 *
 * A delivery that lasts longer than `slowMs` leaves its slot: slow handlers, however many, hold nobody else up. What is
 * slow is bounded by what is pending (ctx.send refuses more). Nothing is scanned: deliveries are looked at in the
 * order in which they left, each once.
 */
import type { PendingSend } from './send-line.ts'

export class SendSlots {
  readonly #max: number
  readonly #slowMs: number
  #quick = 0
  #slow = 0
  /** In the order they left; those before `#first` are done with. */
  #order: PendingSend[] = []
  #first = 0

  constructor(max: number, slowMs: number) {
    this.#max = max
    this.#slowMs = slowMs
  }

  get quick(): number {
    return this.#quick
  }
  get slow(): number {
    return this.#slow
  }

  free(nowMs: number): boolean {
    this.#look(nowMs)
    return this.#quick < this.#max
  }

  /** When a slot becomes free though no delivery ends. */
  get freeAtMs(): number {
    return (this.#order[this.#first]?.startedMs ?? 0) + this.#slowMs
  }

  take(pending: PendingSend, nowMs: number): void {
    pending.slot = 'quick'
    pending.startedMs = nowMs
    this.#quick++
    this.#order.push(pending)
  }

  release(pending: PendingSend): void {
    if (pending.slot === 'quick') this.#quick--
    else if (pending.slot === 'slow') this.#slow--
    pending.slot = 'none'
  }

  #look(nowMs: number): void {
    for (; this.#first < this.#order.length; this.#first++) {
      const oldest = this.#order[this.#first]!
      if (oldest.slot !== 'quick') continue
      if (nowMs - oldest.startedMs < this.#slowMs) break
      oldest.slot = 'slow'
      this.#quick--
      this.#slow++
    }
    if (this.#first === this.#order.length) {
      this.#order = []
      this.#first = 0
    } else if (this.#first >= 1_024 && this.#first * 2 >= this.#order.length) {
      this.#order.splice(0, this.#first)
      this.#first = 0
    }
  }
}
