/**
 * Deliveries of sends that may end whoever runs them (suspects.ts).
 *
 * The turn of a send runs at its target's host. When that is this one, what is known is in the marks beside the row. When it is
 * another, this host lives on and counts the deaths itself: of hosts whose link broke while they had the send, and that are
 * members no more.
 */
import type { TroupeError } from '../../core/errors.ts'
import { showKey } from '../../core/ids.ts'
import type { ActorAddress } from '../../stores/actor-store.ts'
import { lostLife, type HostLives, type LostLife } from '../dispatch/host-lives.ts'
import { SEND_DUE, sendEntry, type Send } from './send-row.ts'
import { isCulprit, MOST_DEATHS, quarantined, type Suspects } from './suspects.ts'

type Deliver = (sender: ActorAddress, send: Send, previous: number | undefined) => Promise<void>

interface Losses {
  deaths: number
  last: LostLife | undefined
}

export class GuardedSends {
  readonly #suspects: Suspects
  readonly #lives: HostLives
  readonly #deliver: Deliver
  /** Of sends whose link broke. */
  readonly #losses = new WeakMap<Send, Losses>()

  constructor(suspects: Suspects, lives: HostLives, deliver: Deliver) {
    this.#suspects = suspects
    this.#lives = lives
    this.#deliver = deliver
  }

  deliver(sender: ActorAddress, send: Send, previous: number | undefined): Promise<void> {
    if (this.#deathsOf(send) >= MOST_DEATHS) return Promise.reject(this.#refusal(sender, send))
    if (this.#suspects.noSends(sender)) return this.#deliver(sender, send, previous)
    const suspect = this.#suspects.of(sender, sender.id, sendEntry(send.number), SEND_DUE)
    if (suspect === undefined) return this.#deliver(sender, send, previous)
    if (isCulprit(suspect)) return Promise.reject(this.#refusal(sender, send))
    if (!this.#lives.isHere(send.typeName, send.id)) return this.#deliver(sender, send, previous)
    return this.#suspects.run(suspect, () => this.#deliver(sender, send, previous), () => true)
  }

  /** A delivery failed because its link broke. */
  lost(send: Send, error: TroupeError): void {
    const last = lostLife(error)
    if (last === undefined) return
    const losses = this.#losses.get(send)
    if (losses === undefined) this.#losses.set(send, { deaths: 0, last })
    else losses.last = last
  }

  #deathsOf(send: Send): number {
    const losses = this.#losses.get(send)
    if (losses === undefined) return 0
    // One that is not known to be over yet may be the next time.
    if (losses.last !== undefined && this.#lives.isOver(losses.last)) {
      losses.deaths++
      losses.last = undefined
    }
    return losses.deaths
  }

  #refusal(sender: ActorAddress, send: Send): TroupeError {
    return quarantined(`send ${send.number} of ${showKey(sender)} to ${send.typeName}/${send.id}.${send.method}`)
  }
}
