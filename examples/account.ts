/**
 * A small bank: accounts, and transfers that survive anything by being repeatable.
 *
 * Two accounts are two actors, and a turn is a transaction of one actor. So a transfer is an actor of its own, and each
 * account remembers what it answered to which transfer: whoever drives it may repeat `run(from, to, cents)`, with the
 * same terms, after any failure until it succeeds, and the money is moved exactly once.
 */
import { Actor, ActorError, type ActorOptions, type MethodOptions } from 'troupe'

export class Insufficient extends ActorError<{ missing: number }> {
  static readonly code = 'INSUFFICIENT'
  static readonly status = 409
}

export class InvalidAmount extends ActorError<{ given: unknown }> {
  static readonly code = 'INVALID_AMOUNT'
  static readonly status = 400
}

export class InvalidTransfer extends ActorError<{ reason: string }> {
  static readonly code = 'INVALID_TRANSFER'
  static readonly status = 400
}

/**
 * How many steps an account remembers. A transfer ends long before that many others passed through the same account; one
 * repeated even later would be applied again, so a real bank would keep them in `ctx.storage`.
 */
const REMEMBERED = 256

/** Callers may be in any language: a type annotation stops none of them. */
function checkCents(cents: number): void {
  if (!Number.isSafeInteger(cents) || cents <= 0) throw new InvalidAmount({ given: cents })
}

export class Account extends Actor {
  balance = 0
  /** What was answered to the latest steps of transfers, oldest first. */
  answers = new Map<string, boolean>()

  /** Money from outside of the bank. */
  deposit(cents: number): number {
    checkCents(cents)
    this.balance += cents
    return this.balance
  }

  /** Money to outside of the bank; a throw rolls the turn back, and the caller gets it typed. */
  withdraw(cents: number): number {
    checkCents(cents)
    if (cents > this.balance) throw new Insufficient({ missing: cents - this.balance })
    this.balance -= cents
    return this.balance
  }

  /**
   * One step of a transfer: takes `cents`, or refuses. The refusal is remembered like the rest, so that a late repeat of
   * this very step cannot take the money of a transfer that counts as refused.
   */
  send(transferId: string, cents: number): boolean {
    checkCents(cents)
    return this._once(`out:${transferId}`, () => {
      if (cents > this.balance) return false
      this.balance -= cents
      return true
    })
  }

  /** The other step: gives `cents`. */
  receive(transferId: string, cents: number): boolean {
    checkCents(cents)
    return this._once(`in:${transferId}`, () => {
      this.balance += cents
      return true
    })
  }

  total(): number {
    return this.balance
  }

  _once(step: string, run: () => boolean): boolean {
    const known = this.answers.get(step)
    if (known !== undefined) return known
    const answer = run()
    this.answers.set(step, answer)
    for (const oldest of this.answers.keys()) {
      if (this.answers.size <= REMEMBERED) break
      this.answers.delete(oldest)
    }
    return answer
  }

  static readonly methods = { total: { readonly: true } } satisfies MethodOptions<Account>
}

export type TransferPhase = 'open' | 'done' | 'refused'

export class Transfer extends Actor {
  phase: TransferPhase = 'open'
  terms = ''

  /**
   * Moves the money, unless this transfer has ended before. A run that fails on its way leaves nothing behind here, and the
   * accounts know what they did: the next run goes through the same steps, and those already taken do nothing.
   */
  async run(from: string, to: string, cents: number): Promise<TransferPhase> {
    this._check(from, to, cents)
    if (this.phase !== 'open') return this.phase
    const taken = await this.ctx.actor(Account, from).send(this.ctx.id, cents)
    if (taken) await this.ctx.actor(Account, to).receive(this.ctx.id, cents)
    this.phase = taken ? 'done' : 'refused'
    return this.phase
  }

  status(): TransferPhase {
    return this.phase
  }

  _check(from: string, to: string, cents: number): void {
    checkCents(cents)
    if (from === to) throw new InvalidTransfer({ reason: 'both accounts are the same' })
    const terms = JSON.stringify([from, to, cents])
    if (this.terms !== '' && this.terms !== terms) throw new InvalidTransfer({ reason: `${this.ctx.id} was made with other terms` })
    this.terms = terms
  }

  static readonly options: ActorOptions = { idleAfter: '1m' }
  static readonly methods = { status: { readonly: true } } satisfies MethodOptions<Transfer>
}
