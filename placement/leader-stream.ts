/**
 * A host's one stream to whoever leads placement: finds it, keeps it, and notices when it is gone. What is said on it is another's matter.
 *
 * Looks for ever, with backoff, and follows a renewal that names a later leader at once. A stream counts as connected when its first
 * table was taken; one that says nothing for too long counts as broken. Nothing queues: what cannot be said now is not taken.
 */
import type { Clock, Timer } from '../core/clock.ts'
import { messageOf } from '../core/errors.ts'
import type { Logger } from '../core/logger.ts'
import type { Random } from '../core/random.ts'
import type { LeaderRow } from '../stores/cluster-store.ts'
import { addressProblem } from './addresses.ts'
import { backoffMs } from './backoff.ts'
import { LeaderSearch } from './leader-search.ts'
import type { HostMessage, PlacementMessage } from './messages.ts'
import type { Dial, PlacementLink } from './placement-link.ts'

export interface LeaderStreamParts {
  readonly clock: Clock
  readonly random: Random
  readonly log: Logger
  readonly dial: Dial
  /** Known from the start; may be none. */
  readonly addresses: readonly string[]
  readonly heartbeatMs: number
  /**
   * Silence after which a stream counts as broken. Of a service that was reached and has not taken this host in yet four times as long: it
   * may wait for a verdict on an older host of that id.
   */
  readonly silenceMs: number
  /** The table version of this host, which every message carries. */
  readonly version: () => number
  /** What each stream begins with. */
  readonly hello: () => HostMessage
  readonly received: (message: PlacementMessage) => void
  /** Who leads is not known, or not any more: whoever can look should look. */
  readonly searching: () => void
}

export class LeaderStream {
  readonly #parts: LeaderStreamParts
  readonly #search: LeaderSearch
  readonly #lost: (() => void)[] = []
  #seeks = false
  #link: PlacementLink | undefined
  #dialed: string | undefined
  #connected = false
  #heardMs = 0
  /** The term that the present link has told of. */
  #term = 0
  #timer: Timer | undefined
  #problem = 'no answer'

  constructor(parts: LeaderStreamParts) {
    this.#parts = parts
    this.#search = new LeaderSearch(parts.addresses)
  }

  get connected(): boolean {
    return this.#connected
  }

  /** Where it looks. */
  get addresses(): readonly string[] {
    return this.#search.addresses
  }

  /** Why the last attempt failed. */
  get problem(): string {
    return this.#problem
  }

  /** Called when a connected stream breaks. */
  onLost(listener: () => void): void {
    this.#lost.push(listener)
  }

  start(): void {
    this.#seeks = true
    this.#connect()
  }

  stop(): void {
    this.#seeks = false
    this.#timer?.cancel()
    this.#connected = false
    this.#link?.close()
    this.#link = undefined
  }

  /** Whether it was sent: only while connected. */
  send(message: HostMessage): boolean {
    return this.#connected && this.#link?.send(message) === true
  }

  /** The service has taken this host in on the present stream. */
  welcomed(): void {
    this.#connected = true
    this.#search.succeeded()
  }

  /** A renewal named the leader. */
  leads(row: LeaderRow): void {
    if (!this.#search.saw(row) || !this.#seeks) return
    if (this.#link !== undefined && this.#dialed === row.address) return
    // The stream may have told of this term, or a later one, before the renewal did.
    if (this.#connected && this.#term >= row.term) return
    this.#redial(`placement is led from ${row.address} now`)
  }

  /** Somebody on this host has seen who leads. That one may be behind, so a connected stream stays until a renewal tells the term. */
  mayBe(address: string | undefined): void {
    if (!this.#search.heard(address) || !this.#seeks || address === this.#dialed) return
    if (this.#connected) this.#parts.searching()
    else this.#redial(`the leader may be at ${address}`)
  }

  /** A service that does not lead says who does; goes there next, in its turn. */
  sentOn(reason: string, address: unknown): void {
    this.broke(reason)
    if (typeof address === 'string' && addressProblem(address) === undefined) this.#search.pointedTo(address)
  }

  /** The present stream is worth nothing: looks for the next. */
  broke(reason: string): void {
    const was = this.#connected
    this.#drop(reason)
    this.#search.failed()
    this.#retry(reason)
    if (was) for (const listener of this.#lost) listener()
  }

  #connect(): void {
    this.#timer?.cancel()
    const { clock, dial, hello } = this.#parts
    const address = this.#search.next
    if (address === undefined) return this.#retry('no leader row in the cluster store')
    this.#heardMs = clock.monotonicMs()
    this.#dialed = address
    this.#term = 0
    const link: PlacementLink = dial(address, {
      message: message => { if (this.#link === link) this.#hear(message) },
      closed: reason => { if (this.#link === link) this.broke(`${address}: ${messageOf(reason)}`) },
    })
    this.#link = link
    link.send(hello())
    this.#beat()
  }

  #hear(message: PlacementMessage): void {
    this.#heardMs = this.#parts.clock.monotonicMs()
    this.#term = Math.max(this.#term, message.term)
    this.#parts.received(message)
  }

  #beat(): void {
    const { clock, heartbeatMs, silenceMs, version } = this.#parts
    this.#timer?.cancel()
    this.#timer = clock.after(heartbeatMs, () => {
      const silentMs = clock.monotonicMs() - this.#heardMs
      const waits = !this.#connected && this.#link?.reached?.() !== false
      if (silentMs >= (waits ? 4 * silenceMs : silenceMs)) return this.broke(`silent for ${Math.round(silentMs)} ms`)
      this.send({ version: version(), kind: 'heartbeat', heartbeat: {} })
      this.#beat()
    })
  }

  #retry(reason: string): void {
    const { clock, random, searching } = this.#parts
    this.#problem = reason
    if (!this.#seeks) return
    searching()
    this.#timer?.cancel()
    this.#timer = clock.after(backoffMs(this.#search.rounds, 25, 1_000, random), () => this.#connect())
  }

  #redial(reason: string): void {
    this.#drop(reason)
    this.#connect()
  }

  #drop(reason: string): void {
    const link = this.#link
    this.#link = undefined
    if (this.#connected) this.#parts.log.warn({ reason }, 'the stream to placement ended; the table stays in force')
    this.#connected = false
    link?.close()
  }
}
