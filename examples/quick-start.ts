/** The README's first example: an actor, a host in this process, typed calls and a typed error. Run: node quick-start.ts */
import { Actor, ActorError, createHost } from 'troupe'

class Insufficient extends ActorError<{ missing: number }> {}

class Account extends Actor {
  balance = 0 // a public field is durable state

  deposit(cents: number) {
    this.balance += cents
    return this.balance // leaves when the change is durable
  }

  withdraw(cents: number) {
    if (cents > this.balance) throw new Insufficient({ missing: cents - this.balance }) // rolled back, typed at the caller
    this.balance -= cents
    return this.balance
  }
}

const host = await createHost({ actors: [Account], store: 'lmdb:./.troupe' })
const alice = host.actor(Account, 'alice')

console.log('alice has', await alice.deposit(500))
console.log('after lunch', await alice.withdraw(120))
await alice.withdraw(1_000_000).catch((error: unknown) => {
  if (Insufficient.is(error)) console.log('not enough, missing', error.data.missing)
})
await host.stop()
