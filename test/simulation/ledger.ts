/**
 * The actor of the simulation: it writes down everything that is ever applied to it, in order, once each. What checkers want
 * to know of a run is in these lists.
 */
import { Actor, type Firing } from '../../index.ts'
import type { Violation } from './history.ts'

/** What the actors need of the world they run in. */
export interface LedgerWorld {
  /** Wall time of the process that runs now. */
  wallMs(): number
  /** Lets time pass inside a turn. */
  sleep(ms: number): Promise<void>
  /** A number that no other turn has. */
  unique(): number
  /** Something that must never be. */
  violation(violation: Violation): void
}

export interface LedgerAudit {
  readonly log: readonly string[]
  readonly balance: number
  /** Sends to each other ledger. */
  readonly sent: Readonly<Record<string, number>>
  readonly stored: readonly string[]
}

/** What a turn answers: its place in the log. */
export interface Receipt {
  readonly length: number
  readonly last: string
}

/** What the `number`th send of `from` leaves in a log. */
export const creditEntry = (from: string, number: number): string => `credit ${from} ${number}`

/** A class of its own for each run: runs share nothing. */
export function ledgerClass(world: LedgerWorld, { mailbox = 1_000, turnTimeout = 2_000 }: { mailbox?: number; turnTimeout?: number } = {}) {
  return class Ledger extends Actor {
    log: string[] = []
    balance = 0
    sent: Record<string, number> = {}

    static readonly type = 'Ledger'
    static readonly options = { idleAfter: '4s', turnTimeout, mailbox }
    static readonly methods = { read: { readonly: true }, audit: { readonly: true } }

    add(op: string): Receipt {
      this.log.push(op)
      return this.#receipt()
    }
    async addSlowly(op: string, ms: number): Promise<Receipt> {
      this.log.push(op)
      const { length } = this.log
      await world.sleep(ms)
      if (this.log.length !== length) world.violation({ checker: 'one-turn-at-a-time', what: `${this.log.at(-1)} ran on ${this.ctx.id} within the turn of ${op}` })
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
      this.ctx.send('Ledger', 'nobody').credit!('nobody', 1, 1)
      throw new Error(`${op} fails`)
    }
    /** Longer than a turn may take. */
    async hang(op: string): Promise<void> {
      this.log.push(op)
      await this.ctx.storage.put(op, 1)
      await world.sleep(60_000)
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
      this.ctx.send('Ledger', to).credit!(this.ctx.id, number, cents)
    }
    credit(from: string, number: number, cents: number): void {
      this.log.push(creditEntry(from, number))
      this.balance += cents
    }

    /** Calls another one with what it was before this turn: that must be durable by then (P3). */
    async relay(op: string, to: string): Promise<Receipt> {
      const length = this.log.length
      const last = this.log.at(-1) ?? ''
      this.log.push(op)
      await this.ctx.actor('Ledger', to).relayed!(`${op} relayed ${world.unique()}`, this.ctx.id, length, last)
      return this.#receipt()
    }
    relayed(op: string, from: string, length: number, last: string): Receipt {
      this.log.push(op)
      this.log.push(`seen ${from} ${length} ${last}`)
      return this.#receipt()
    }

    async remind(op: string, afterMs: number): Promise<Receipt> {
      this.log.push(op)
      await this.ctx.reminders.set(op, { at: world.wallMs() + afterMs, retry: { attempts: 1_000, backoff: 200 } }, this._ring, op)
      return this.#receipt()
    }
    async remindEvery(op: string, everyMs: number, times: number): Promise<Receipt> {
      this.log.push(op)
      await this.ctx.reminders.set(op, { every: everyMs, times, missed: 'all', retry: { attempts: 1_000, backoff: 200 } }, this._ring, op)
      return this.#receipt()
    }
    async _ring(op: string, firing: Firing): Promise<void> {
      const nowMs = world.wallMs()
      if (nowMs < firing.due.getTime()) world.violation({ checker: 'reminders-are-never-early', what: `reminder ${op} of ${this.ctx.id} rang ${firing.due.getTime() - nowMs} ms early` })
      this.log.push(`ring ${op} ${firing.count}`)
      if (firing.count % 2 === 0) await world.sleep(3)
      this.#give(this.ctx.id === 'a0' ? 'a1' : 'a0', 1)
    }

    async audit(): Promise<LedgerAudit> {
      const stored = await this.ctx.storage.list()
      return { log: this.log, balance: this.balance, sent: this.sent, stored: [...stored.keys()] }
    }

    #receipt(): Receipt {
      return { length: this.log.length, last: this.log.at(-1) ?? '' }
    }
  }
}
