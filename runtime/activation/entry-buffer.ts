/**
 * Entries that an activation changed and the store does not hold yet (storage keys, reminders, sends, replies), in three
 * layers: of the running turn, of completed turns that wait for a flush, of the flush in flight. A read sees the newest; a
 * rollback drops the first. The tally in the head goes with them. Pure.
 */
import { noEntries, type EntryTally } from '../../actors/fields.ts'
import { mechanisms } from '../../core/mechanisms.ts'
import type { EntryChange } from '../../stores/actor-store.ts'
import type { Send } from '../delivery/send-row.ts'

type Layer = Map<string, EntryChange>

/** What a flush has made durable. */
export interface Flushed {
  readonly entries: ReadonlyMap<string, EntryChange>
  /** Sends among them, in the order in which they were made. */
  readonly sends: readonly Send[] | undefined
}

export interface EntrySavepoint {
  readonly entries: ReadonlyMap<string, EntryChange> | undefined
  readonly tally: EntryTally | undefined
  readonly sends: readonly Send[] | undefined
}

export class EntryBuffer {
  #turn: Layer | undefined
  #queued: Layer | undefined
  #inFlight: Layer | undefined
  #turnTally: EntryTally | undefined
  #tally: EntryTally
  #turnSends: Send[] | undefined
  #turnSendBytes = 0
  #queuedSends: Send[] | undefined
  #sendsInFlight: Send[] | undefined
  #watched: { readonly name: string; captured: EntryChange | undefined } | undefined

  constructor(tally: EntryTally = noEntries) {
    this.#tally = tally
  }

  /** The newest change; undefined when the store knows best. */
  find(name: string): EntryChange | undefined {
    return this.#turn?.get(name) ?? this.#queued?.get(name) ?? this.#inFlight?.get(name)
  }

  /** From here on `takeWatched` will tell what became of the entry. One at a time: the running turn's. */
  watch(name: string): void {
    this.#watched = { name, captured: undefined }
  }

  /**
   * The newest change of the watched entry since, by the running turn or by one inside it that was captured (its flush
   * may have ended by now, so no layer need know it any more). Ends the watch.
   */
  takeWatched(): EntryChange | undefined {
    const watched = this.#watched
    this.#watched = undefined
    return watched && (this.#turn?.get(watched.name) ?? watched.captured)
  }

  write(change: EntryChange): void {
    lay((this.#turn ??= new Map()), change)
  }

  /** As the running turn sees it. */
  get tally(): EntryTally {
    return this.#turnTally ?? this.#tally
  }

  /** Takes effect with the turn. */
  retally(part: Partial<EntryTally>): void {
    this.#turnTally = { ...this.tally, ...part }
  }

  /** The turn sends; the row is written beside. */
  addSend(send: Send): void {
    (this.#turnSends ??= []).push(send)
    this.#turnSendBytes += send.bytes ?? 0
  }

  /** Of the sends of the running turn. */
  get turnSendBytes(): number {
    return this.#turnSendBytes
  }

  /** Sends that no flush has taken to the store yet. */
  get unsent(): number {
    return (this.#turnSends?.length ?? 0) + (this.#queuedSends?.length ?? 0) + (this.#sendsInFlight?.length ?? 0)
  }

  /** Entries with a prefix that any layer changed, with the newest change. */
  changed(prefix: string): Layer {
    const all: Layer = new Map()
    for (const layer of [this.#inFlight, this.#queued, this.#turn]) {
      if (layer !== undefined) for (const [name, change] of layer) if (name.startsWith(prefix)) all.set(name, change)
    }
    return all
  }

  /** What the running turn changed so far: to come back to with `rollback`. */
  savepoint(): EntrySavepoint | undefined {
    if (this.#turn === undefined && this.#turnTally === undefined) return undefined
    return { entries: this.#turn && new Map(this.#turn), tally: this.#turnTally, sends: this.#turnSends?.slice() }
  }

  rollback(savepoint?: EntrySavepoint): void {
    if (mechanisms.off?.has('rollback')) return
    this.#turn = savepoint?.entries && new Map(savepoint.entries)
    this.#turnTally = savepoint?.tally
    this.#turnSends = savepoint?.sends?.slice()
    this.#turnSendBytes = this.#turnSends?.reduce((sum, { bytes = 0 }) => sum + bytes, 0) ?? 0
  }

  /** The turn is complete: true when it changed anything. */
  complete(): boolean {
    if (this.#turn === undefined) return false
    if (this.#watched !== undefined) this.#watched.captured = this.#turn.get(this.#watched.name) ?? this.#watched.captured
    if (this.#queued === undefined) this.#queued = this.#turn
    else for (const change of this.#turn.values()) lay(this.#queued, change)
    if (this.#turnSends !== undefined) {
      if (this.#queuedSends === undefined) this.#queuedSends = this.#turnSends
      else this.#queuedSends.push(...this.#turnSends)
    }
    this.#tally = this.tally
    this.#turn = this.#turnTally = this.#turnSends = undefined
    this.#turnSendBytes = 0
    return true
  }

  /** A flush begins: what it has to write. The tally belongs into the head. */
  take(): { readonly changes: IterableIterator<EntryChange> | undefined; readonly tally: EntryTally } {
    this.#inFlight = this.#queued
    this.#sendsInFlight = this.#queuedSends
    this.#queued = this.#queuedSends = undefined
    return { changes: this.#inFlight?.values(), tally: this.#tally }
  }

  /** The flush is durable. */
  flushed(): Flushed | undefined {
    const entries = this.#inFlight
    const sends = this.#sendsInFlight
    this.#inFlight = this.#sendsInFlight = undefined
    return entries && { entries, sends }
  }
}

/** Over a change of the same layer: what both replace in the store is what the first one said. */
function lay(layer: Layer, change: EntryChange): void {
  const below = layer.get(change[0])
  layer.set(change[0], below === undefined ? change : [change[0], change[1], change[2], below[3]] as unknown as EntryChange)
}
