/**
 * An order as a saga: order → payment → stock → shipping, each step a durable send, undone when one refuses.
 *
 * No step waits for another. Each is one turn of one actor: what it changed and what it sends next are one commit, and each
 * send is applied exactly once at its target, whoever crashes in between. So there is no coordinator, no lock and no
 * "was it done already?": only the door needs a key, because a caller whose answer got lost will ask again.
 *
 * Run: node order-saga.ts (it stops its host in the middle of 20 orders, cuts running turns off, and starts it again)
 */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { Actor, createHost, type Host, type MethodOptions } from 'troupe'

export interface Cart {
  readonly customer: string
  readonly item: string
  readonly cents: number
}

export type OrderPhase = 'new' | 'paying' | 'picking' | 'shipping' | 'shipped' | 'refused'

export class Order extends Actor {
  phase: OrderPhase = 'new'
  cart: Cart = { customer: '', item: '', cents: 0 }
  note = ''

  /** Returns at once: the order is on its way, and will end whatever happens. */
  place(cart: Cart): string {
    this.phase = 'paying'
    this.cart = cart
    this.ctx.send(Wallet, cart.customer).pay(this.ctx.id, cart.cents)
    return `${this.ctx.id} is being worked on`
  }

  paid(): void {
    this.phase = 'picking'
    this.ctx.send(Shelf, this.cart.item).take(this.ctx.id)
  }

  picked(): void {
    this.phase = 'shipping'
    this.ctx.send(Parcels, 'all').ship(this.ctx.id)
  }

  shipped(tracking: string): void {
    this.phase = 'shipped'
    this.note = tracking
  }

  /** Undoes what was done so far: a refund cannot be refused, so it needs no answer. */
  refused(why: string): void {
    if (this.phase === 'picking') this.ctx.send(Wallet, this.cart.customer).refund(this.cart.cents)
    this.phase = 'refused'
    this.note = why
  }

  status(): { phase: OrderPhase; note: string } {
    return { phase: this.phase, note: this.note }
  }

  static readonly methods = { status: { readonly: true } } satisfies MethodOptions<Order>
}

export class Wallet extends Actor {
  cents = 0

  topUp(cents: number): void {
    this.cents += cents
  }

  pay(order: string, cents: number): void {
    const enough = cents <= this.cents
    if (enough) this.cents -= cents
    const answer = this.ctx.send(Order, order)
    if (enough) answer.paid()
    else answer.refused('not enough money')
  }

  refund(cents: number): void {
    this.cents += cents
  }

  balance(): number {
    return this.cents
  }

  static readonly methods = { balance: { readonly: true } } satisfies MethodOptions<Wallet>
}

export class Shelf extends Actor {
  pieces = 0
  taken: string[] = []

  fill(pieces: number): void {
    this.pieces += pieces
  }

  /** Somebody walks there: a turn that is cut off here has taken nothing, and is delivered again. */
  async take(order: string): Promise<void> {
    await sleep(50, undefined, { signal: this.ctx.signal })
    const answer = this.ctx.send(Order, order)
    if (this.pieces === 0) return answer.refused('sold out')
    this.pieces--
    this.taken.push(order)
    answer.picked()
  }

  report(): { pieces: number; taken: readonly string[] } {
    return { pieces: this.pieces, taken: this.taken }
  }

  static readonly methods = { report: { readonly: true } } satisfies MethodOptions<Shelf>
}

export class Parcels extends Actor {
  sent: string[] = []

  ship(order: string): void {
    this.sent.push(order)
    this.ctx.send(Order, order).shipped(`parcel ${this.sent.length}`)
  }

  list(): readonly string[] {
    return this.sent
  }

  static readonly methods = { list: { readonly: true } } satisfies MethodOptions<Parcels>
}

// Imported by a host, this file only defines the actors; run by itself, it shows them.
if (import.meta.main) {
  const folder = await mkdtemp(join(tmpdir(), 'troupe-order-saga-'))
  // Running turns get a millisecond when the host stops: as good as a kill for what they were doing.
  const start = (): Promise<Host> => createHost({ actors: [Order, Wallet, Shelf, Parcels], store: `lmdb:${folder}`, drainTimeout: 1 })
  const orders = Array.from({ length: 20 }, (_, i) => `order-${i + 1}`)
  let host = await start()
  try {
    await host.actor(Wallet, 'ada').topUp(1_700)
    await host.actor(Shelf, 'book').fill(15)
    const place = (order: string): Promise<string> =>
      host.actor(Order, order).with({ idempotencyKey: `checkout ${order}` }).place({ customer: 'ada', item: 'book', cents: 100 })
    await Promise.all(orders.map(place))

    const phases = async (): Promise<OrderPhase[]> => Promise.all(orders.map(async order => (await host.actor(Order, order).status()).phase))
    const until = async (what: string, reached: (phases: readonly OrderPhase[]) => boolean): Promise<void> => {
      for (const giveUpAt = Date.now() + 15_000; Date.now() < giveUpAt; await sleep(5)) {
        const found = await phases()
        if (reached(found)) return console.log(what, Object.fromEntries([...new Set(found)].sort().map(phase => [phase, found.filter(each => each === phase).length])))
      }
      throw new Error(`waited in vain: ${what}`)
    }
    await until('in the middle:', found => found.includes('shipped') && found.includes('picking'))
    await host.stop()
    console.log('the host is gone')

    host = await start()
    // Whoever placed an order cannot know what became of it, and places it again: the stored reply comes back, nothing runs twice.
    console.log(await place('order-1'))
    await Promise.all(orders.map(place))
    await until('at the end:', found => found.every(phase => phase === 'shipped' || phase === 'refused'))

    const parcels = await host.actor(Parcels, 'all').list()
    const { pieces, taken } = await host.actor(Shelf, 'book').report()
    const balance = (): Promise<number> => host.actor(Wallet, 'ada').balance()
    const owed = 1_700 - parcels.length * 100
    // Refunds of the last refused orders may still be on their way.
    for (const giveUpAt = Date.now() + 5_000; await balance() !== owed && Date.now() < giveUpAt;) await sleep(5)
    console.log(`${parcels.length} parcels for ${new Set(parcels).size} orders, ${pieces} of 15 books left, ada has ${await balance()} of 1700 cents`)
    if (new Set(parcels).size !== 15 || parcels.length !== 15 || taken.length !== 15 || await balance() !== owed) throw new Error('an effect was lost, or happened twice')
    console.log('each effect happened once')
  } finally {
    await host.stop()
    await rm(folder, { recursive: true, force: true })
  }
}
