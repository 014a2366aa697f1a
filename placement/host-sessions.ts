/**
 * The hosts' streams as the leader uses them: which stream is which member's, and what each has been sent.
 *
 * A stream gets a full table first (when the table has its host, so that joining ends with it) and deltas after. One that
 * does not keep up is sent nothing until it drains, and then one full table: its queue stays bounded (P7).
 */
import type { Member } from './membership.ts'
import type { PlacementMessage, Refusal } from './messages.ts'
import { encodeDelta, encodeTable } from './table-codec.ts'
import { sameIncarnation, type Table } from './table.ts'

/** One host's stream. */
export interface HostSession {
  /** False when the stream is full: the message was taken, but no more should follow until it drains. */
  send(message: PlacementMessage): boolean
  /** Ends the stream after what was sent. */
  end(): void
}

interface Seat {
  readonly member: Member
  /** Version that the stream has; undefined before its first table. */
  sent: number | undefined
  full: boolean
}

export class HostSessions {
  readonly #term: number
  readonly #seats = new Map<HostSession, Seat>()
  readonly #byId = new Map<string, HostSession>()
  #table: Table
  /** The present table's bytes, made when first needed. */
  #bytes: Uint8Array | undefined

  constructor(term: number, table: Table) {
    this.#term = term
    this.#table = table
  }

  idOf(session: HostSession): string | undefined {
    return this.#seats.get(session)?.member.id
  }

  /** The stream is now `member`'s; an older stream of that id ends. */
  add(session: HostSession, member: Member): void {
    this.endOf(member.id)
    this.#seats.set(session, { member, sent: undefined, full: false })
    this.#byId.set(member.id, session)
    this.#catchUp(session)
  }

  /** The id whose stream it was, if it was the present one. */
  remove(session: HostSession): string | undefined {
    const id = this.idOf(session)
    this.#seats.delete(session)
    if (id !== undefined) this.#byId.delete(id)
    return id
  }

  publish(before: Table, after: Table): void {
    this.#table = after
    this.#bytes = undefined
    let delta: Uint8Array | undefined
    for (const [session, seat] of this.#seats) {
      if (seat.full || seat.sent !== before.version) this.#catchUp(session)
      else {
        delta ??= encodeDelta(before, after)
        this.#sendTable(session, seat, { version: after.version, term: this.#term, kind: 'delta', delta })
      }
    }
  }

  drained(session: HostSession): void {
    const seat = this.#seats.get(session)
    if (seat === undefined) return
    seat.full = false
    this.#catchUp(session)
  }

  answerHeartbeat(session: HostSession): void {
    const seat = this.#seats.get(session)
    if (seat !== undefined && !seat.full) this.#send(session, seat, { version: seat.sent ?? 0, term: this.#term, kind: 'heartbeat', heartbeat: {} })
  }

  refuse(session: HostSession, refused: Refusal): void {
    session.send({ version: 0, term: this.#term, kind: 'refused', refused })
    session.end()
  }

  /** The host of this stream is no member and owns nothing. */
  left(session: HostSession): void {
    this.remove(session)
    session.send({ version: this.#table.version, term: this.#term, kind: 'left', left: {} })
    session.end()
  }

  leftOf(id: string): void {
    const session = this.#byId.get(id)
    if (session !== undefined) this.left(session)
  }

  endOf(id: string): void {
    const session = this.#byId.get(id)
    if (session === undefined) return
    this.remove(session)
    session.end()
  }

  endAll(reason: string): void {
    for (const session of [...this.#seats.keys()]) {
      session.send({ version: this.#table.version, term: this.#term, kind: 'notice', notice: { reason } })
      this.remove(session)
      session.end()
    }
  }

  /** The whole table, if the stream does not have it and it has the stream's host. */
  #catchUp(session: HostSession): void {
    const seat = this.#seats.get(session)!
    if (seat.full || seat.sent === this.#table.version || !sameIncarnation(this.#table.members.get(seat.member.id), seat.member)) return
    this.#bytes ??= encodeTable(this.#table)
    this.#sendTable(session, seat, { version: this.#table.version, term: this.#term, kind: 'full', full: this.#bytes })
  }

  #sendTable(session: HostSession, seat: Seat, message: PlacementMessage): void {
    seat.sent = message.version
    this.#send(session, seat, message)
  }

  #send(session: HostSession, seat: Seat, message: PlacementMessage): void {
    if (!session.send(message)) seat.full = true
  }
}
