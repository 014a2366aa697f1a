/**
 * A subscription that bills itself: durable reminders with cron and time zone, a trial that ends, dunning, a dead letter.
 *
 * What must happen once is stored with the reminder's advance, in one commit. What leaves the actor (the charge of a card)
 * may be tried more than once, so it carries an idempotency key that is the same for every try of one invoice. Two kinds of
 * failure are kept apart: a card that declines is business, and becomes state and a rhythm of its own (dunning); a provider
 * that is away is trouble, so the turn throws, the runtime tries again, and in the end a person sees a dead letter.
 *
 * Run: node subscription.ts (it shortens months to seconds)
 */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { Actor, ActorError, createHost, type Firing, type MethodOptions, type ReminderSchedule } from 'troupe'

export class ProviderAway extends ActorError<{ card: string }> {
  static readonly code = 'PROVIDER_AWAY'
  static readonly status = 503
}

export interface Terms {
  readonly card: string
  readonly cents: number
  readonly tz: string
}

/** When things happen; the demonstration below gives a quicker one. */
export interface Rhythm {
  readonly trial: string
  readonly billing: ReminderSchedule
  readonly dunning: ReminderSchedule
}

const months = (tz: string): Rhythm => ({
  trial: 'P14D',
  // Nine in the morning of the first of each month, by the customer's clock. A month that nobody was there to bill is billed later.
  billing: { cron: '0 9 1 * *', tz, missed: 'all', retry: { attempts: 12, backoff: '10m' } },
  dunning: { every: 'P3D', times: 4, tz },
})

export class Subscription extends Actor {
  phase: 'new' | 'trial' | 'active' | 'past due' | 'cancelled' = 'new'
  terms: Terms = { card: '', cents: 0, tz: 'UTC' }
  rhythm: Rhythm = months('UTC')
  paid: string[] = []
  owed: string[] = []

  async start(terms: Terms, rhythm: Rhythm = months(terms.tz)): Promise<string> {
    if (this.phase !== 'new') return this.phase
    this.phase = 'trial'
    this.terms = terms
    this.rhythm = rhythm
    await this.ctx.reminders.set('trial-end', { in: rhythm.trial }, this._endTrial)
    return this.phase
  }

  async cancel(): Promise<void> {
    this.phase = 'cancelled'
    for (const { name } of await this.ctx.reminders.list()) await this.ctx.reminders.delete(name)
  }

  status(): { phase: string; paid: number; owed: number } {
    return { phase: this.phase, paid: this.paid.length, owed: this.owed.length }
  }

  async _endTrial(): Promise<void> {
    this.phase = 'active'
    await this.ctx.reminders.set('bill', this.rhythm.billing, this._bill)
  }

  /** One month. Its invoice is named by when it was due: a retry has the due time of the first try. */
  async _bill(occurrence: Firing): Promise<void> {
    const invoice = `${this.ctx.id} ${occurrence.due.toISOString()}`
    if (this.phase === 'active' && await this._charge(invoice, invoice)) return
    this.owed.push(invoice)
    if (this.phase === 'past due') return
    this.phase = 'past due'
    await this.ctx.reminders.set('dunning', this.rhythm.dunning, this._dun)
  }

  /** Asks again for all that is owed; after the last time the subscription is over. */
  async _dun(occurrence: Firing): Promise<void> {
    for (const invoice of [...this.owed]) {
      if (await this._charge(invoice, `${invoice}, reminder ${occurrence.count}`)) this.owed = this.owed.filter(each => each !== invoice)
    }
    if (this.owed.length === 0) {
      this.phase = 'active'
      occurrence.cancel()
    } else if ('times' in this.rhythm.dunning && occurrence.count === this.rhythm.dunning.times) await this.cancel()
  }

  /** The card is another actor, with a commit of its own: should this turn fail later on, its next try finds the charge made. */
  async _charge(invoice: string, idempotencyKey: string): Promise<boolean> {
    const done = await this.ctx.actor(Card, this.terms.card).with({ idempotencyKey }).charge(this.terms.cents)
    if (done) this.paid.push(invoice)
    return done
  }

  static readonly methods = { status: { readonly: true } } satisfies MethodOptions<Subscription>
}

/** Stands for the payment provider. */
export class Card extends Actor {
  cents = 0
  away = false

  topUp(cents: number): void {
    this.cents += cents
  }

  goAway(away: boolean): void {
    this.away = away
  }

  charge(cents: number): boolean {
    if (this.away) throw new ProviderAway({ card: this.ctx.id })
    if (cents > this.cents) return false
    this.cents -= cents
    return true
  }
}

// Imported by a host, this file only defines the actors; run by itself, it shows them.
if (import.meta.main) {
  const folder = await mkdtemp(join(tmpdir(), 'troupe-subscription-'))
  const host = await createHost({ actors: [Subscription, Card], store: `lmdb:${folder}` })
  const ada = host.actor(Subscription, 'ada')
  const card = host.actor(Card, 'visa-1')
  const { reminders } = ada.manage
  const until = async <T>(what: string, find: () => Promise<T | false | undefined>): Promise<T> => {
    for (const giveUpAt = Date.now() + 15_000; Date.now() < giveUpAt; await sleep(20)) {
      const found = await find()
      if (found) {
        console.log(what, await ada.status())
        return found
      }
    }
    throw new Error(`waited in vain: ${what}`)
  }
  const phaseIs = (phase: string) => async () => (await ada.status()).phase === phase
  try {
    await card.topUp(1_000)
    const terms = { card: 'visa-1', cents: 500, tz: 'Europe/Berlin' }

    await host.actor(Subscription, 'real').start(terms)
    const [trialEnd] = await host.actor(Subscription, 'real').manage.reminders.list()
    console.log('in real life the trial ends', trialEnd?.due?.toISOString())

    // A month is a second here, a reminder of dunning comes after 200 ms.
    await ada.start(terms, {
      trial: '300ms',
      billing: { cron: '* * * * * *', tz: terms.tz, missed: 'all', retry: { attempts: 3, backoff: '50ms' } },
      dunning: { every: '200ms', times: 50 },
    })
    await until('the trial is over', phaseIs('active'))
    await until('two months are paid, the card is empty: the third is declined', phaseIs('past due'))
    await card.topUp(100_000)
    await until('the card is full again, dunning got the money', phaseIs('active'))

    await card.goAway(true)
    const dead = await until('the provider is away: a month is a dead letter', async () => (await reminders.list()).find(each => each.dead !== undefined))
    console.log(`  ${dead.name}: ${dead.dead?.error} (${dead.failures} tries)`)
    await card.goAway(false)
    const { paid } = await ada.status()
    await reminders.retry(dead.name)
    await until('somebody retried it, and it is paid', async () =>
      (await ada.status()).paid > paid && !(await reminders.list()).some(each => each.dead !== undefined))

    await ada.cancel()
    await until('cancelled: no reminder is left', async () => (await reminders.list()).length === 0)
  } finally {
    await host.stop()
    await rm(folder, { recursive: true, force: true })
  }
}
