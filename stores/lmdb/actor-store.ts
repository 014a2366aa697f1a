/**
 * Actor state on LMDB: the embedded default. Several processes of one machine may share the directory.
 *
 * A commit is one block of unconditional puts under one condition (`claims.ts` says why that fences every write in it),
 * applied and synced by lmdb's thread; versions of heads are compared before, in this process. For that, commits of one
 * instance run one after another: the next compares against what the one before has left.
 */
import type { Clock } from '../../core/clock.ts'
import type {
  ActorAddress, ActorPage, ActorStore, ActorWrite, Claim, ClaimResult, CommitResult, DuePage, DueQuery, EntryPage, EntryRead,
  EntryValues, StoredActor,
} from '../actor-store.ts'
import { compareHead, HEAD_PREFIX_BYTES, readHead, writeHead } from '../actor-head.ts'
import { NothingWritten } from '../nothing-written.ts'
import { LmdbClaims } from './claims.ts'
import { byGroup } from './due-index.ts'
import { LmdbEntries } from './entries.ts'
import { queuePut, type LmdbEnvironment, type Put, type Rows } from './environment.ts'
import { actorKey, actorKeyRoom, afterKey, afterPrefix, idOfActorKey, typeKey, writeActorKey } from './keys.ts'

/** Due rows after which others get the thread: a few milliseconds. */
const DUE_ROWS_OF_A_TICK = 1_000

interface Tables {
  readonly heads: Rows
  readonly entries: LmdbEntries
  readonly claims: LmdbClaims
}

export class LmdbActorStore implements ActorStore {
  readonly name: string
  readonly shared = true
  readonly flushAt = 'tick'
  readonly readsAtOnce = true
  readonly #env: LmdbEnvironment
  readonly #clock: Clock
  readonly #commitTimeoutMs: number
  #tables: Tables | undefined
  /** The last commit, while there is one. */
  #commits: Promise<readonly CommitResult[]> | undefined

  /** @param commitTimeoutMs after this a commit that others keep outrunning is given up; 5 s by default */
  constructor(env: LmdbEnvironment, clock: Clock, commitTimeoutMs = 5_000) {
    this.name = env.name
    this.#env = env
    this.#clock = clock
    this.#commitTimeoutMs = commitTimeoutMs
  }

  async open(): Promise<void> {
    this.#env.open()
    const claims = new LmdbClaims(this.#env)
    this.#tables = { heads: this.#env.rows('heads', false), entries: new LmdbEntries(this.#env), claims }
    await claims.open()
  }

  async close(): Promise<void> {
    const tables = this.#tables
    if (tables === undefined) return
    this.#tables = undefined
    await this.#commits
    await tables.claims.close().catch(() => undefined)
    await this.#env.close()
  }

  async claim(claims: readonly Claim[]): Promise<readonly ClaimResult[]> {
    return this.#read(tables => tables.claims).claim(claims)
  }

  async load(actors: readonly ActorAddress[]): Promise<readonly (StoredActor | undefined)[]> {
    return this.#read(({ heads }) => actors.map(actor => {
      const bytes = heads.getBinary(actorKey(actor))
      return bytes && readHead(bytes)
    }))
  }

  loadEntries(reads: readonly EntryRead[]): readonly Promise<EntryValues>[] {
    return reads.map(async read => this.#read(({ entries }) => entries.load(read)))
  }

  async listEntries(actor: ActorAddress, prefix: string, after: string | undefined, limit: number): Promise<EntryPage> {
    return this.#read(({ entries }) => entries.list(actor, prefix, after, limit))
  }

  async due(queries: readonly DueQuery[]): Promise<readonly DuePage[]> {
    const pages: DuePage[] = new Array(queries.length)
    let rows = 0
    for (const places of byGroup(queries)) {
      if (rows > DUE_ROWS_OF_A_TICK) {
        await new Promise<void>(resolve => { this.#clock.soon(resolve) })
        rows = 0
      }
      const found = this.#read(({ entries }) => entries.due(places.map(place => queries[place]!)))
      for (const [index, page] of found.entries()) {
        pages[places[index]!] = page
        rows += page.rows.length
      }
    }
    return pages
  }

  async list(type: string, cursor: string | undefined, limit: number): Promise<ActorPage> {
    const prefix = typeKey(type)
    const start = cursor === undefined ? prefix : afterKey(Buffer.concat([prefix, Buffer.from(cursor, 'base64url')]))
    const end = afterPrefix(prefix)
    return this.#read(({ heads }) => {
      const keys = [...heads.getKeys({ start, end, limit: limit + 1 })].map(key => Buffer.from(key))
      const page = keys.slice(0, limit)
      return {
        ids: page.map(key => idOfActorKey(key, prefix.length)),
        cursor: keys.length > limit ? page.at(-1)!.toString('base64url', prefix.length) : undefined,
      }
    })
  }

  async commit(writes: readonly ActorWrite[]): Promise<readonly CommitResult[]> {
    const before = this.#commits
    const done = before === undefined ? this.#commit(writes) : before.then(() => this.#commit(writes))
    this.#commits = done
    const results = await done
    if (this.#commits === done) this.#commits = undefined
    return results
  }

  /** Never rejects. */
  async #commit(writes: readonly ActorWrite[]): Promise<readonly CommitResult[]> {
    const giveUpAt = this.#clock.monotonicMs() + this.#commitTimeoutMs
    try {
      do {
        const results = await this.#tryCommit(this.#read(tables => tables), writes)
        if (results !== undefined) return results
      } while (this.#clock.monotonicMs() < giveUpAt)
    } catch (error) {
      // No answer in time: unless it was not sent, the writes may still be applied.
      return writes.map(() => error instanceof NothingWritten ? 'unavailable' : 'unknown')
    }
    // Outrun each time: nothing was written.
    return writes.map(() => 'unavailable')
  }

  /** Undefined: nothing was written, because claims of this instance have changed; judge again. */
  async #tryCommit(tables: Tables, writes: readonly ActorWrite[]): Promise<readonly CommitResult[] | undefined> {
    const { claims } = tables
    claims.refresh()
    const others = writes.filter(write => claims.holds(write, write.epoch, write.nonce) === 'other')
    if (others.length > 0) {
      await claims.claim(others)
      return undefined
    }
    const puts: Put[] = []
    const results = this.#judge(tables, writes, puts)
    // With nothing to write the guard is only looked at: 'conflict' must not be said of a claim that is another's by now.
    if (puts.length === 0 ? claims.unmoved() : await claims.guarded(() => { for (const put of puts) queuePut(put) })) return results
    claims.forget()
    return undefined
  }

  /** What becomes of each write if the guard holds; the rows of those that are 'ok' are added to `puts`. */
  #judge({ heads, entries, claims }: Tables, writes: readonly ActorWrite[], puts: Put[]): CommitResult[] {
    let room = 0
    for (const write of writes) if (write.head !== null) room += actorKeyRoom(write) + HEAD_PREFIX_BYTES + write.head.length
    // One buffer for all keys and heads of a flush: lmdb asks each buffer for its address once.
    const arena = Buffer.allocUnsafeSlow(room)
    let at = 0
    return writes.map(write => {
      if (claims.holds(write, write.epoch, write.nonce) !== 'yes') return 'fenced'
      if (write.head !== null) {
        const headAt = writeActorKey(arena, at, write)
        const key = arena.subarray(at, headAt)
        const standing = compareHead(heads.getBinaryFast(key), write)
        if (standing !== 'free') return standing
        at = writeHead(arena, headAt, write, write.head)
        puts.push({ rows: heads, key, value: arena.subarray(headAt, at) })
      }
      if (write.entries !== undefined && write.entries.length > 0) entries.change(write, puts)
      return 'ok'
    })
  }

  #read<T>(run: (tables: Tables) => T): T {
    this.#env.snapshot()
    return this.#env.read(() => {
      if (this.#tables === undefined) throw new Error('this store is not open')
      return run(this.#tables)
    })
  }
}
