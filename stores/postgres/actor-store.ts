/**
 * Actor state on PostgreSQL. As durable as the server is set up to be (`synchronous_commit`, `fsync`, standbys).
 *
 * A flush is one round trip and one transaction, whatever number of shards it touches; the fence is in procedures.ts.
 * What has no answer is 'unknown': a procedure that was sent may still run, but after a claim with a higher epoch it
 * changes nothing, which is what resolves the doubt.
 */
import type { Clock } from '../../core/clock.ts'
import { TroupeError } from '../../core/errors.ts'
import {
  NEVER_DUE, type ActorAddress, type ActorPage, type ActorStore, type ActorWrite, type Claim, type ClaimResult, type CommitResult,
  type DuePage, type DueQuery, type DueRow, type EntryPage, type EntryRead, type EntryValues, type Regress, type StoredActor,
} from '../actor-store.ts'
import { NothingWritten } from '../nothing-written.ts'
import { RegressCheck, type Holding, type Look } from '../regress-check.ts'
import { commitParameters } from './commit-request.ts'
import type { PostgresConnection } from './connection.ts'
import { actorStatements, type ActorStatements } from './statements.ts'

const letters: Readonly<Record<string, CommitResult>> = { o: 'ok', d: 'duplicate', f: 'fenced', c: 'conflict' }

export class PostgresActorStore implements ActorStore {
  readonly name: string
  readonly shared = true
  readonly flushAt = 'tick'
  readonly readsAtOnce = false
  readonly #postgres: PostgresConnection
  readonly #statements: ActorStatements
  /** The last commit, while there is one: on connections of their own they could overtake each other. */
  #commits: Promise<unknown> | undefined

  readonly #check: RegressCheck

  constructor(postgres: PostgresConnection, clock: Clock) {
    this.name = postgres.name
    this.#postgres = postgres
    this.#statements = actorStatements(postgres.schema)
    this.#check = new RegressCheck({ name: postgres.name, clock, log: postgres.log, look: shards => this.#holdings(shards) })
    postgres.onServerChange(why => this.#check.serverChanged(why))
  }

  open(): Promise<void> {
    this.#check.open()
    return this.#postgres.open()
  }

  onRegress(listener: (regress: Regress) => void): () => void {
    return this.#check.onRegress(listener)
  }

  close(): Promise<void> {
    this.#check.close()
    return this.#postgres.close()
  }

  async claim(claims: readonly Claim[]): Promise<readonly ClaimResult[]> {
    if (claims.length === 0) return []
    const [row] = await this.#postgres.run(this.#statements.claim, [
      claims.map(({ type }) => type), claims.map(({ shard }) => shard), claims.map(({ epoch }) => epoch), claims.map(({ nonce }) => nonce),
    ]) as [[epochs: (number | null)[], nonces: (string | null)[]]]
    const results = claims.map((_, index): ClaimResult => {
      const epoch = row[0][index]
      return epoch == null ? { outcome: 'ok' } : { outcome: 'refused', epoch, nonce: row[1][index]! }
    })
    this.#check.claimed(claims, results)
    return results
  }

  async load(actors: readonly ActorAddress[]): Promise<readonly (StoredActor | undefined)[]> {
    const results: (StoredActor | undefined)[] = new Array(actors.length).fill(undefined)
    if (actors.length === 0) return results
    const rows = await this.#postgres.run(this.#statements.load, [actors.map(({ type }) => type), actors.map(({ id }) => id)])
    for (const [n, version, head] of rows as [number, number, Buffer][]) results[n - 1] = { version, head }
    return results
  }

  loadEntries(reads: readonly EntryRead[]): readonly Promise<EntryValues>[] {
    const found = this.#loadEntries(reads)
    let end = 0
    return reads.map(read => {
      const start = end
      end += read.names.length
      return found.then(values => values.slice(start, start + read.names.length), (error: unknown) => {
        // One that cannot be asked for is no harm to the others: each is tried without them.
        if (reads.length > 1 && TroupeError.is(error) && !error.retryable) return this.#loadEntries([read])
        throw error
      })
    })
  }

  async listEntries(actor: ActorAddress, prefix: string, after: string | undefined, limit: number): Promise<EntryPage> {
    const first = Buffer.from(prefix)
    const past = after === undefined ? undefined : Buffer.from(after)
    // The name after `past` is the least one that is greater: one with a zero byte more.
    const from = past === undefined || Buffer.compare(past, first) < 0 ? first : Buffer.concat([past, Buffer.from([0])])
    // No byte of UTF-8 is 0xff.
    const to = Buffer.concat([first, Buffer.from([0xff])])
    const rows = await this.#postgres.run(this.#statements.listEntries, [actor.type, actor.id, from, to, limit + 1]) as [Buffer, Buffer][]
    return { entries: rows.slice(0, limit).map(([name, value]) => [name.toString(), value] as const), more: rows.length > limit }
  }

  async due(queries: readonly DueQuery[]): Promise<readonly DuePage[]> {
    const pages = queries.map(({ limit }) => ({ limit, rows: [] as DueRow[], next: undefined as number | undefined }))
    if (queries.length === 0) return pages
    const found = await this.#postgres.run(this.#statements.due, [
      queries.map(({ type }) => type), queries.map(({ shard }) => shard),
      queries.map(({ after }) => wholeTime(after?.due ?? -1)), queries.map(({ after }) => after?.id ?? ''), queries.map(({ after }) => Buffer.from(after?.name ?? '')),
      queries.map(({ until }) => wholeTime(until)), queries.map(({ limit }) => limit),
    ])
    for (const [n, due, id, name, value] of found as [number, number, string, Buffer | null, Buffer][]) {
      const page = pages[n - 1]!
      // What follows the page, within its time or (without a name) after it.
      if (name === null || page.rows.length === page.limit) page.next ??= due
      else page.rows.push({ due, id, name: name.toString(), value })
    }
    return pages.map(({ rows, next }) => ({ rows, next }))
  }

  async commit(writes: readonly ActorWrite[]): Promise<readonly CommitResult[]> {
    if (writes.length === 0) return []
    const before = this.#commits
    const done = before === undefined ? this.#commit(writes) : before.then(() => this.#commit(writes))
    this.#commits = done
    const results = await done
    if (this.#commits === done) this.#commits = undefined
    this.#check.committed(writes, results)
    return results
  }

  async list(type: string, cursor: string | undefined, limit: number): Promise<ActorPage> {
    const rows = await this.#postgres.run(this.#statements.list, [type, cursor ?? '', limit + 1]) as [string][]
    const ids = rows.slice(0, limit).map(([id]) => id)
    return { ids, cursor: rows.length > limit ? ids.at(-1) : undefined }
  }

  /** Values of all names of all reads, one after another. */
  async #loadEntries(reads: readonly EntryRead[]): Promise<EntryValues> {
    const wanted = reads.flatMap(({ actor: { type, id }, names }) => names.map(name => ({ type, id, name: Buffer.from(name) })))
    const values: (Uint8Array | undefined)[] = new Array(wanted.length).fill(undefined)
    if (wanted.length === 0) return values
    const rows = await this.#postgres.run(this.#statements.loadEntries, [
      wanted.map(({ type }) => type), wanted.map(({ id }) => id), wanted.map(({ name }) => name),
    ])
    for (const [n, value] of rows as [number, Buffer][]) values[n - 1] = value
    return values
  }

  async #holdings(shards: Parameters<Look>[0]): Promise<readonly Holding[]> {
    const actors = shards.flatMap(({ key, ids }) => ids.map(id => ({ type: key.type, id })))
    const claims = await this.#postgres.run(this.#statements.claims, [shards.map(({ key }) => key.type), shards.map(({ key }) => key.shard)])
    const versions = await this.#postgres.run(this.#statements.versions, [actors.map(({ type }) => type), actors.map(({ id }) => id)])
    const claimOf = new Map((claims as [number, number, string][]).map(([n, epoch, nonce]) => [n, { epoch, nonce }]))
    const headOf = new Map((versions as [number, number, number][]).map(([n, version, epoch]) => [n, { version, epoch }]))
    let actor = 0
    return shards.map(({ ids }, index) => ({ claim: claimOf.get(index + 1), heads: ids.map(() => headOf.get(++actor)) }))
  }

  /** Never rejects. */
  async #commit(writes: readonly ActorWrite[]): Promise<readonly CommitResult[]> {
    try {
      const [row] = await this.#postgres.run(this.#statements.commit, commitParameters(writes)) as [[string]]
      return Array.from(row[0], letter => letters[letter]!)
    } catch (error) {
      // One write that cannot be stored is no harm to the others: they are tried without it.
      if (writes.length > 1 && TroupeError.is(error) && !error.retryable) {
        const middle = writes.length >> 1
        return [...await this.#commit(writes.slice(0, middle)), ...await this.#commit(writes.slice(middle))]
      }
      return writes.map(() => error instanceof NothingWritten ? 'unavailable' : 'unknown')
    }
  }
}

/** The last due time that is not after `ms`, which may be infinite; -1 when there is none. */
const wholeTime = (ms: number): number => Math.floor(Math.max(-1, Math.min(ms, NEVER_DUE)))
