/** An actor of another package: callers import its type alone. */
import { Actor } from 'troupe'

export class Account extends Actor {
  balance = 0n
  deposit(cents: bigint) {
    this.balance += cents
    return this.balance
  }
  async *watch() {
    yield String(this.balance)
  }
}
