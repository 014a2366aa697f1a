/**
 * Stored work that may be what ended its host: a reminder or a send whose turn kills the process would be found by the next owner
 * of its shard, kill that one too, and so end one host after the other. After three deaths it is quarantined: a dead letter.
 *
 * In normal operation nothing is written for this. When a shard comes without a planned hand-over, its former owner may have
 * died of whatever was due there then: those rows are suspects, with one death to be counted. Before a suspect runs, a *mark* is
 * stored beside it, `m:` and the row's name: how much is held against it if its host dies now. After the run the mark goes. So a
 * mark that is found says: its row was running when its host died.
 *
 * The innocent: whatever ran beside the culprit is marked with it. So suspects run one at a time, in an order of chance, and only a row
 * whose host died twice while it was the one is taken for the culprit (mark 3). Where there are many at once, those that nothing is known
 * against yet run beside each other (mark 1), or one crash would slow down everything that was due; a culprit among those costs one
 * death more. What remains: a run that is under way, alone of all suspects, at two deaths in a row that something else caused.
 *
 * Marks are due at 0, and their names come before those of sends: who reads a shard meets the mark before its row. They carry the
 * due time of the row they were made for: a reminder that has moved on since is another occurrence.
 */
import { decode, encode } from '../../core/codec.ts'
import { TroupeError } from '../../core/errors.ts'
import { showKey } from '../../core/ids.ts'
import type { Random } from '../../core/random.ts'
import type { ActorAddress, DueRow, EntryChange, ShardKey } from '../../stores/actor-store.ts'
import { writeRows, type RowPorts } from './row-write.ts'

export interface SuspectPorts extends RowPorts {
  readonly random: Random
  wallMs(): number
  /** Whether the store holds this entry. Rejects when it cannot say. */
  isStored(actor: ActorAddress, name: string): Promise<boolean>
}

/** A row that may have been running when its host died. */
export interface Suspect {
  readonly address: ActorAddress
  readonly name: string
  readonly due: number
  /** Its mark, 0: none. The first death of a host is not marked. */
  readonly marked: number
}

interface Mark {
  readonly deaths: number
  readonly due: number
}

/** What is suspected in one shard of this host. */
interface Tenure {
  readonly sends: Set<string>
  readonly marks: Map<string, Mark>
  /** Those that have run to their end here. */
  readonly cleared: Set<string>
  /** Running now, by what their mark was before. */
  readonly running: Map<string, number>
  /** Marks on their way out of the store. */
  readonly clearing: Map<string, Promise<unknown>>
}

export const MARK_PREFIX = 'm:'
const MARK_DUE = 0
/** What a mark says: it ran beside others; it ran alone; it ran alone once more, and that is enough. */
const BESIDE_OTHERS = 1
const MOST_MARKED = 3
export const MOST_DEATHS = 3
/** So many that nothing is known against wait to run alone; more run beside each other. */
const FEW = 4
/** By so much the former owner's wall clock may have been ahead. */
const SKEW_MS = 2_000

const markOf = (name: string): string => MARK_PREFIX + name
const keyOf = (id: string, name: string): string => `${id}/${name}`

/** The entry that a quarantined row's mark leaves. */
export const withoutMark = (name: string): EntryChange => [markOf(name), null, null]

export const isCulprit = (suspect: Suspect): boolean => suspect.marked >= MOST_MARKED

export const quarantined = (what: string): TroupeError =>
  new TroupeError('QUARANTINED', `${what} was running in ${MOST_DEATHS} hosts when they died; it is not run again before somebody has looked and retries it`)

export class Suspects {
  readonly #ports: SuspectPorts
  /** By type and shard: rows that were due by then, when the shard came, may have been running; 0: none was. */
  readonly #until = new Map<string, number[]>()
  /** Shards that came without a hand-over, and were not read a second time. */
  readonly #unread = new Set<string>()
  readonly #tenures = new Map<string, Map<number, Tenure>>()
  /** Those that run one at a time. */
  readonly #line: { readonly actor: string; run(): Promise<unknown> }[] = []
  #alone = false
  #phase: 'open' | 'closed' = 'open'

  constructor(ports: SuspectPorts) {
    this.#ports = ports
  }

  /** The shard is this host's from now on, and about to be read. `planned`: its former owner handed it over. */
  take({ type, shard }: ShardKey, planned: boolean): void {
    this.#unread.delete(`${type}/${shard}`)
    if (planned) return
    this.#unread.add(`${type}/${shard}`)
    let ofType = this.#until.get(type)
    if (ofType === undefined) this.#until.set(type, (ofType = []))
    ofType[shard] = this.#ports.wallMs() + SKEW_MS
    const before = this.#tenures.get(type)?.get(shard)
    for (const known of [before?.sends, before?.marks, before?.cleared]) known?.clear()
  }

  /** A send was found when the shard was read. Those that are found when it is read again are this host's own. */
  foundSend(shard: ShardKey, id: string, name: string): void {
    if (!this.#unread.has(`${shard.type}/${shard.shard}`)) return
    const tenure = this.#tenure(shard)
    if (!tenure.cleared.has(keyOf(id, name))) tenure.sends.add(keyOf(id, name))
  }

  /** A mark was read; its row follows. */
  foundMark(shard: ShardKey, row: DueRow): void {
    const mark = readMark(row)
    const key = keyOf(row.id, row.name.slice(MARK_PREFIX.length))
    const tenure = this.#tenure(shard)
    if (mark === undefined || tenure.running.has(key) || tenure.clearing.has(key)) return
    // Handed over by an owner who lives: the death that the mark was made for has not come.
    const deaths = this.#unread.has(`${shard.type}/${shard.shard}`) ? mark.deaths : Math.max(0, mark.deaths - 1)
    tenure.marks.set(key, { deaths, due: mark.due })
  }

  /** Removes a mark whose row is gone. Rejects when the store cannot say whether it is. */
  async sweep({ type, shard }: ShardKey, row: DueRow): Promise<void> {
    const name = row.name.slice(MARK_PREFIX.length)
    const address = { type, shard, id: row.id }
    if (await this.#ports.isStored(address, name)) return
    const tenure = this.#tenure(address)
    const key = keyOf(row.id, name)
    tenure.marks.delete(key)
    if (!tenure.running.has(key) && !tenure.clearing.has(key)) await writeRows(this.#ports, address, [withoutMark(name)])
  }

  /** What is known against a row that is to run; undefined: nothing. */
  of(shard: ShardKey, id: string, name: string, due: number): Suspect | undefined {
    const tenure = this.#find(shard)
    const untilMs = this.#untilOf(shard)
    if (tenure === undefined && (due === MARK_DUE || due > untilMs)) return undefined
    const key = keyOf(id, name)
    const mark = tenure?.marks.get(key)
    // While it runs here its own mark says nothing yet.
    const marked = tenure?.running.get(key) ?? (mark?.due === due ? mark.deaths : undefined)
    const wasNear = due === MARK_DUE ? tenure?.sends.has(key) === true : due <= untilMs && tenure?.cleared.has(key) !== true
    if (marked === undefined && !wasNear) return undefined
    return { address: { type: shard.type, shard: shard.shard, id }, name, due, marked: marked ?? 0 }
  }

  /** A turn of this host wrote the row: nobody has died of what it is now. */
  wrote(address: ActorAddress, name: string, due: number | null): void {
    const untilMs = this.#untilOf(address)
    if (due !== null && untilMs > 0 && due <= untilMs) this.#tenure(address).cleared.add(keyOf(address.id, name))
  }

  /** True when no send of the shard is suspected. */
  noSends(shard: ShardKey): boolean {
    return this.#find(shard) === undefined
  }

  /**
   * Runs the row under its mark. `isOver`: by what the run gave, whether the row has done its work.
   * @throws what the run throws · STORE_UNAVAILABLE when the mark cannot be stored: then nothing ran
   */
  async run<Result>(suspect: Suspect, run: () => Promise<Result>, isOver: (result: Result) => boolean): Promise<Result> {
    if (suspect.marked === 0 && this.#line.length >= FEW) return this.#run(suspect, BESIDE_OTHERS, run, isOver)
    const mark = Math.max(suspect.marked, BESIDE_OTHERS) + 1
    return new Promise((resolve, reject) => {
      this.#line.push({ actor: showKey(suspect.address), run: () => this.#run(suspect, mark, run, isOver).then(resolve, reject) })
      if (!this.#alone) void this.#runLine()
    })
  }

  async #runLine(): Promise<void> {
    this.#alone = true
    while (this.#line.length > 0) {
      const picked = this.#line[Math.floor(this.#ports.random.float() * this.#line.length)]!
      // Sends of one actor keep their order.
      const at = this.#line.findIndex(({ actor }) => actor === picked.actor)
      await this.#line.splice(at, 1)[0]!.run()
    }
    this.#alone = false
  }

  /** Nothing more is marked: what a host does not run any more must not look as if it had died of it. */
  close(): void {
    this.#phase = 'closed'
  }

  /** It was quarantined, and its mark is gone. */
  forget({ address, name }: Suspect): void {
    const tenure = this.#find(address)
    tenure?.marks.delete(keyOf(address.id, name))
    tenure?.sends.delete(keyOf(address.id, name))
  }

  async #run<Result>(suspect: Suspect, mark: number, run: () => Promise<Result>, isOver: (result: Result) => boolean): Promise<Result> {
    const { address, name, due, marked } = suspect
    const tenure = this.#tenure(address)
    const key = keyOf(address.id, name)
    await tenure.clearing.get(key)
    if (this.#phase === 'closed') throw new TroupeError('HOST_STOPPING', `${showKey(address)}: ${name} waits for another host; this one stops`)
    tenure.running.set(key, marked)
    let over = false
    try {
      const value = encode([mark, due], 'mark')
      const stored = await writeRows(this.#ports, address, [[markOf(name), value, MARK_DUE]])
      if (stored !== 'ok') throw new TroupeError('STORE_UNAVAILABLE', `${showKey(address)}: ${name} may have ended its host, and that it runs again could not be stored (${stored})`)
      const result = await run()
      over = isOver(result)
      return result
    } finally {
      tenure.running.delete(key)
      if (over) {
        tenure.cleared.add(key)
        tenure.sends.delete(key)
        tenure.marks.delete(key)
      } else if (marked > 0) tenure.marks.set(key, { deaths: marked, due })
      this.#unmark(tenure, suspect, key, over)
    }
  }

  /** It does not run any more. What was known before stays known, until the row has done its work. */
  #unmark(tenure: Tenure, { address, name, due, marked }: Suspect, key: string, over: boolean): void {
    const change: EntryChange = over || marked === 0 ? withoutMark(name) : [markOf(name), encode([marked, due], 'mark'), MARK_DUE]
    const written = writeRows(this.#ports, address, [change]).then(() => tenure.clearing.delete(key))
    tenure.clearing.set(key, written)
  }

  #untilOf({ type, shard }: ShardKey): number {
    return this.#until.get(type)?.[shard] ?? 0
  }

  #find({ type, shard }: ShardKey): Tenure | undefined {
    return this.#tenures.get(type)?.get(shard)
  }

  #tenure({ type, shard }: ShardKey): Tenure {
    let ofType = this.#tenures.get(type)
    if (ofType === undefined) this.#tenures.set(type, (ofType = new Map()))
    let tenure = ofType.get(shard)
    if (tenure === undefined) {
      tenure = { sends: new Set(), marks: new Map(), cleared: new Set(), running: new Map(), clearing: new Map() }
      ofType.set(shard, tenure)
    }
    return tenure
  }
}

/** Undefined: of a form that this version does not know. */
function readMark(row: DueRow): Mark | undefined {
  try {
    const [deaths, due] = decode(row.value, 'mark') as readonly unknown[]
    return typeof deaths === 'number' && typeof due === 'number' ? { deaths, due } : undefined
  } catch {
    return undefined
  }
}
