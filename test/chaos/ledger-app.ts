/**
 * The app that hosts run under chaos: ledgers that write down everything that is ever applied to them, in order, once each, in
 * the form that the checkers of the simulation read (test/simulation/ledger.ts), and a plain counter of steady loads.
 */
import { Actor, type Firing } from 'troupe'

interface Receipt {
  readonly length: number
  readonly last: string
}

export class Ledger extends Actor {
  log: string[] = []
  balance = 0
  sent: Record<string, number> = {}
  violations: string[] = []

  static readonly options = { idleAfter: '20s', turnTimeout: '5s' }
  static readonly methods = { read: { readonly: true }, audit: { readonly: true } }

  add(op: string): Receipt {
    this.log.push(op)
    return this.#receipt()
  }
  async addSlowly(op: string, ms: number): Promise<Receipt> {
    this.log.push(op)
    await new Promise(resolve => { setTimeout(resolve, ms) })
    return this.#receipt()
  }
  async store(op: string): Promise<Receipt> {
    this.log.push(op)
    await this.ctx.storage.put(op, this.log.length)
    return this.#receipt()
  }
  /** Throws after it has changed everything. */
  async fail(op: string): Promise<void> {
    this.log.push(op)
    this.balance += 1_000
    await this.ctx.storage.put(op, 1)
    await this.ctx.reminders.set(op, { in: 100 }, this._ring, op)
    this.ctx.send(Ledger, 'nobody').credit('nobody', 1, 1)
    throw new Error(`${op} fails`)
  }
  read(): Receipt {
    return this.#receipt()
  }

  transfer(op: string, to: string, cents: number): Receipt {
    this.log.push(op)
    this.#give(to, cents)
    return this.#receipt()
  }
  #give(to: string, cents: number): void {
    const number = (this.sent[to] ?? 0) + 1
    this.sent[to] = number
    this.balance -= cents
    this.ctx.send(Ledger, to).credit(this.ctx.id, number, cents)
  }
  credit(from: string, number: number, cents: number): void {
    this.log.push(`credit ${from} ${number}`)
    this.balance += cents
  }

  /** Calls another one with what it was before this turn: that must be durable by then (P3). */
  async relay(op: string, to: string): Promise<Receipt> {
    const length = this.log.length
    const last = this.log.at(-1) ?? ''
    this.log.push(op)
    // The name must differ from run to run of this turn: one that was taken back may still have reached the other.
    await this.ctx.actor(Ledger, to).relayed(`${op} relayed ${crypto.randomUUID()}`, this.ctx.id, length, last)
    return this.#receipt()
  }
  relayed(op: string, from: string, length: number, last: string): Receipt {
    this.log.push(op)
    this.log.push(`seen ${from} ${length} ${last}`)
    return this.#receipt()
  }

  async remind(op: string, afterMs: number): Promise<Receipt> {
    this.log.push(op)
    await this.ctx.reminders.set(op, { in: afterMs, retry: { attempts: 1_000, backoff: 200 } }, this._ring, op)
    return this.#receipt()
  }
  async remindEvery(op: string, everyMs: number, times: number): Promise<Receipt> {
    this.log.push(op)
    await this.ctx.reminders.set(op, { every: everyMs, times, missed: 'all', retry: { attempts: 1_000, backoff: 200 } }, this._ring, op)
    return this.#receipt()
  }
  _ring(op: string, firing: Firing): void {
    const earlyMs = firing.due.getTime() - Date.now()
    if (earlyMs > 0) this.violations.push(`reminder ${op} of ${this.ctx.id} rang ${earlyMs} ms early`)
    this.log.push(`ring ${op} ${firing.count}`)
    this.#give(this.ctx.id === 'a0' ? 'a1' : 'a0', 1)
  }

  async audit() {
    const stored = await this.ctx.storage.list()
    return { log: this.log, balance: this.balance, sent: this.sent, stored: [...stored.keys()], violations: this.violations }
  }

  #receipt(): Receipt {
    return { length: this.log.length, last: this.log.at(-1) ?? '' }
  }
}

export class Counter extends Actor {
  value = 0
  increment(): number {
    return ++this.value
  }
  get(): number {
    return this.value
  }
  static readonly methods = { get: { readonly: true } }
}
