/**
 * One sending actor, as the outbox knows it: its lines, and the rows that are to be removed or marked in the store.
 *
 * Rows change by headless writes, many in one: a sender is queued at most once with the group commit, and what it learned
 * until a flush begins goes into that flush. A write that was not 'ok' is repeated after a wait: removing a row twice, or
 * marking it twice, changes nothing. Only the owner of the shard forgets it (`drop`), whatever the fence says.
 */
import type { DeadlineEntry } from '../dispatch/deadlines.ts'
import { NEVER_DUE, type ActorAddress, type ActorWrite, type CommitResult, type EntryChange } from '../../stores/actor-store.ts'
import type { Committable } from '../../stores/group-commit.ts'
import { type PendingSend, SendLine } from './send-line.ts'
import { encodeSend, SEND_DUE, sendEntry, type Send } from './send-row.ts'

export interface RowClaim {
  readonly epoch: number
  readonly nonce: string
}

/** What a sender needs of its outbox. */
export interface SenderPorts {
  claim(sender: ActorAddress): RowClaim | undefined
  enqueue(sender: Committable): void
  /** A write failed `times` in a row, or there is no claim (0): call `resume` after a wait. */
  rest(sender: OutboxSender, times: number, result: CommitResult | undefined): void
  /** So many rows were removed. */
  removed(sender: OutboxSender, rows: number): void
  /** Its row is that of a dead letter now. */
  marked(pending: PendingSend): void
}

/** Rows removed by one write, and marked by one (those carry their arguments): statements and scripts of stores have bounds. */
const MAX_ROWS = 1_000
const MAX_MARKED = 16

interface Dying {
  readonly pending: PendingSend
  readonly dead: Send
}

export class OutboxSender implements Committable, DeadlineEntry {
  /** Place in the wheel of retries. */
  wheelSlot = -1
  wheelIndex = -1
  readonly address: ActorAddress
  /** Sends that are neither applied nor dead. */
  pending = 0
  /** What they take. */
  bytes = 0
  /** What came while its shard is being read: later than all that is found there. */
  held: Send[] | undefined
  /** idle → queued → idle; resting after a failed write. A write may be in flight in any of them. */
  #phase: 'idle' | 'queued' | 'resting' | 'dropped' = 'idle'
  readonly #ports: SenderPorts
  readonly #lines = new Map<string, SendLine>()
  /** The line asked for last: most actors send to one target at a time. */
  #last: SendLine | undefined
  /** Applied: rows to remove. Failed for good: rows to mark. Both also of the write in flight. */
  #applied: number[] = []
  #dying: Dying[] = []
  #removing: number[] | undefined
  #marking: Dying[] = []
  #claim: RowClaim = { epoch: 0, nonce: '' }
  #failures = 0

  constructor(address: ActorAddress, ports: SenderPorts) {
    this.address = address
    this.#ports = ports
  }

  get lines(): ReadonlyMap<string, SendLine> {
    return this.#lines
  }
  get dropped(): boolean {
    return this.#phase === 'dropped'
  }
  /** Nothing pends, nothing is to be written: it may be forgotten. */
  get done(): boolean {
    return this.pending === 0 && this.#applied.length === 0 && this.#removing === undefined
  }

  line(send: Send, window: number): SendLine {
    // A type holds no slash, so no two targets share a key.
    const key = `${send.typeName}/${send.id}`
    if (this.#last?.key === key) return this.#last
    let line = this.#lines.get(key)
    if (line === undefined) this.#lines.set(key, (line = new SendLine(this, key, window)))
    return (this.#last = line)
  }

  leave(line: SendLine): void {
    this.#lines.delete(line.key)
    if (this.#last === line) this.#last = undefined
  }

  /** The row of an applied send goes. */
  remove(number: number): void {
    this.#applied.push(number)
    if (this.#phase === 'idle') this.resume()
  }

  /** A send failed for good: `dead` is what its row is to be. */
  mark(pending: PendingSend, dead: Send): void {
    this.#dying.push({ pending, dead })
    if (this.#phase === 'idle') this.resume()
  }

  /** Queues what is to be written, or rests while the shard has no claim. */
  resume(): void {
    if (this.#phase === 'dropped' || this.#phase === 'queued') return
    this.#phase = 'idle'
    if (this.#applied.length === 0 && this.#dying.length === 0) return
    const claim = this.#ports.claim(this.address)
    if (claim === undefined) return this.#rest(0, undefined)
    this.#claim = claim
    this.#phase = 'queued'
    this.#ports.enqueue(this)
  }

  #rest(times: number, result: CommitResult | undefined): void {
    this.#phase = 'resting'
    this.#ports.rest(this, times, result)
  }

  takeWrite(): ActorWrite {
    if (this.#phase === 'queued') this.#phase = 'idle'
    this.#removing = this.#applied.length <= MAX_ROWS ? this.#applied : this.#applied.slice(0, MAX_ROWS)
    this.#applied = this.#applied.length <= MAX_ROWS ? [] : this.#applied.slice(MAX_ROWS)
    this.#marking = this.#dying.splice(0, MAX_MARKED)
    const entries: EntryChange[] = []
    for (const number of this.#removing) entries.push([sendEntry(number), null, null, SEND_DUE])
    for (const { dead } of this.#marking) entries.push([sendEntry(dead.number), encodeSend(dead), NEVER_DUE, SEND_DUE])
    const { type, shard, id } = this.address
    // Of the claim that holds now, if one does: it may have been raised since this was queued.
    const { epoch, nonce } = (this.#claim = this.#ports.claim(this.address) ?? this.#claim)
    return { type, shard, id, epoch, nonce, previous: 0, head: null, entries }
  }

  writeSettled(result: CommitResult): void {
    const removing = this.#removing ?? []
    const marking = this.#marking
    this.#removing = undefined
    this.#marking = []
    if (result === 'ok' || result === 'duplicate') {
      this.#failures = 0
      for (const { pending } of marking) this.#ports.marked(pending)
      if (this.#phase === 'idle') this.resume()
      this.#ports.removed(this, removing.length)
      return
    }
    if (this.#phase === 'dropped') return
    this.#applied = [...removing, ...this.#applied]
    this.#dying = [...marking, ...this.#dying]
    if (this.#phase === 'idle') this.#rest(++this.#failures, result)
  }

  /** The shard is another's: what was not written stays for whoever reads it. */
  drop(): void {
    this.#phase = 'dropped'
    this.#applied = []
    this.#dying = []
    this.held = undefined
    for (const line of this.#lines.values()) line.forget()
    this.#lines.clear()
    this.#last = undefined
    this.pending = this.bytes = 0
  }
}
