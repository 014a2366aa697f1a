/**
 * Actor state on Redis or Redis Cluster. As durable as the server is set up to be (`appendonly`, `appendfsync`).
 *
 * Writes of one (type, shard) are in one slot and go as one step with their fence, checked once. A single server
 * takes several shards in one script (bounded, since a script stops everybody else); a cluster gets one script a shard.
 * A script that was sent and has no answer leaves its writes 'unknown': it may still run, but never after a claim with a
 * higher epoch, which is what resolves the doubt.
 */
import type { Clock } from '../../core/clock.ts'
import type {
  ActorAddress, ActorPage, ActorStore, ActorWrite, Claim, ClaimResult, CommitResult, DuePage, DueQuery, EntryPage, EntryRead,
  EntryValues, Regress, ShardKey, StoredActor,
} from '../actor-store.ts'
import { HEAD_PREFIX_BYTES, readHead } from '../actor-head.ts'
import { NothingWritten } from '../nothing-written.ts'
import { RegressCheck, type Holding, type Look } from '../regress-check.ts'
import { commitArguments, sizeOf } from './commit-arguments.ts'
import type { RedisConnection } from './connection.ts'
import { dueArguments, duePage } from './due-pages.ts'
import { entryArguments } from './entry-arguments.ts'
import { claimKey, datedKey, dueKey, entriesKey, headsKey, namesKey, type RedisKeys } from './keys.ts'
import { claimScript, commitScript, dueScript, holdingScript, listEntriesScript, loadEntriesScript } from './scripts.ts'

/** Bounds of one script on a single server: about a millisecond of its only thread. */
const MAX_WRITES = 256
const MAX_BYTES = 1024 * 1024
const MAX_CLAIMS = 256
const MAX_QUERIES = 256
const MAX_READS = 256
const MAX_DUE_ROWS = 512

const letters: Readonly<Record<string, CommitResult>> = { o: 'ok', d: 'duplicate', f: 'fenced', c: 'conflict' }

/** Items of one shard (what its keys begin with), and their places in the caller's list. */
interface Group<T> {
  readonly shard: string
  readonly items: T[]
  readonly places: number[]
}

export class RedisActorStore implements ActorStore {
  readonly name: string
  readonly shared = true
  readonly flushAt = 'tick'
  readonly readsAtOnce = false
  readonly inParts: boolean
  readonly #redis: RedisConnection
  readonly #keys: RedisKeys
  /** Shards that `list` finds, as far as this process has put them there: type → shards. */
  readonly #listed = new Map<string, Set<number>>()

  readonly #check: RegressCheck

  constructor(redis: RedisConnection, keys: RedisKeys, clock: Clock) {
    this.name = redis.name
    this.inParts = redis.clustered
    this.#redis = redis
    this.#keys = keys
    const look: Look = shards => Promise.all(shards.map(({ key, ids }) => this.#holding(key, ids)))
    this.#check = new RegressCheck({ name: redis.name, clock, log: redis.log, look })
    redis.onServerChange(why => this.#check.serverChanged(why))
  }

  open(): Promise<void> {
    this.#check.open()
    return this.#redis.open()
  }

  onRegress(listener: (regress: Regress) => void): () => void {
    return this.#check.onRegress(listener)
  }

  close(): Promise<void> {
    this.#check.close()
    return this.#redis.close()
  }

  async claim(claims: readonly Claim[]): Promise<readonly ClaimResult[]> {
    await this.#listShards(claims)
    const results: ClaimResult[] = []
    const size = this.#redis.clustered ? 1 : MAX_CLAIMS
    await Promise.all(slices(claims, size).map(async (slice, at) => {
      const keys = slice.map(claim => claimKey(this.#keys.shard(claim)))
      const replies = await this.#redis.run(claimScript, keys, slice.flatMap(claim => [String(claim.epoch), claim.nonce])) as Buffer[]
      for (const [index, reply] of replies.entries()) {
        results[at * size + index] = claimResult(reply)
        if (String(reply) === '+') this.#check.raised(slice[index]!)
      }
    }))
    this.#check.claimed(claims, results)
    return results
  }

  async load(actors: readonly ActorAddress[]): Promise<readonly (StoredActor | undefined)[]> {
    const results: (StoredActor | undefined)[] = new Array(actors.length).fill(undefined)
    await Promise.all(this.#group(actors, actor => actor).map(async ({ shard, items, places }) => {
      const heads = await this.#redis.command('HMGET', [headsKey(shard), ...items.map(actor => actor.id)]) as (Buffer | null)[]
      for (const [index, bytes] of heads.entries()) if (bytes !== null) results[places[index]!] = readHead(bytes)
    }))
    return results
  }

  loadEntries(reads: readonly EntryRead[]): readonly Promise<EntryValues>[] {
    const results: Promise<EntryValues>[] = new Array(reads.length)
    for (const { items, places } of this.#entryScripts(reads)) {
      const found = this.#loadEntries(items)
      let end = 0
      for (const [index, place] of places.entries()) {
        const start = end
        end += items[index]!.names.length
        results[place] = found.then(values => values.slice(start, start + items[index]!.names.length))
      }
    }
    return results
  }

  async listEntries(actor: ActorAddress, prefix: string, after: string | undefined, limit: number): Promise<EntryPage> {
    const shard = this.#keys.shard(actor)
    const first = Buffer.from(prefix)
    const past = after === undefined ? undefined : Buffer.from(after)
    const from = past !== undefined && Buffer.compare(past, first) >= 0 ? lex('(', past) : lex('[', first)
    const to = lex('(', first, Buffer.from([0xff]))
    const keys = [entriesKey(shard, actor.id), namesKey(shard, actor.id), datedKey(shard)]
    const found = await this.#redis.run(listEntriesScript, keys, [actor.id, from, to, String(limit + 1)]) as Buffer[]
    const entries = slices(found, 2).map(([name, value]) => [name!.toString(), value!] as const)
    return { entries: entries.slice(0, limit), more: entries.length > limit }
  }

  async due(queries: readonly DueQuery[]): Promise<readonly DuePage[]> {
    const pages = await Promise.all(slices(queries, this.#redis.clustered ? 1 : MAX_QUERIES).map(async slice => {
      const done: DuePage[] = []
      while (done.length < slice.length) {
        const rest = slice.slice(done.length)
        const keys = rest.map(query => this.#keys.shard(query)).flatMap(shard => [dueKey(shard), datedKey(shard)])
        const replies = await this.#redis.run(dueScript, keys, [String(MAX_DUE_ROWS), ...rest.flatMap(dueArguments)]) as Buffer[][]
        done.push(...replies.map(duePage))
      }
      return done
    }))
    return pages.flat()
  }

  async commit(writes: readonly ActorWrite[]): Promise<readonly CommitResult[]> {
    const results: CommitResult[] = new Array(writes.length).fill('unknown')
    await Promise.all(this.#scripts(writes).map(async groups => {
      try {
        const reply = String(await this.#redis.run(commitScript, ...commitArguments(groups)))
        const places = groups.flatMap(group => group.places)
        for (const [index, place] of places.entries()) results[place] = letters[reply[index] ?? ''] ?? 'unknown'
      } catch (error) {
        // Else it stays 'unknown'.
        if (error instanceof NothingWritten) for (const { places } of groups) for (const place of places) results[place] = 'unavailable'
      }
    }))
    this.#check.committed(writes, results)
    return results
  }

  /** A page reads the ids of whole shards. */
  async list(type: string, cursor: string | undefined, limit: number): Promise<ActorPage> {
    const [fromShard = '0', fromId] = cursor?.split('.') ?? []
    const after = fromId === undefined ? undefined : Buffer.from(fromId, 'base64url').toString()
    const known = (await this.#redis.command('SMEMBERS', [this.#keys.shardsOfType(type)]) as Iterable<Buffer>)
    const shards = [...known].map(Number).filter(shard => shard >= Number(fromShard)).sort((a, b) => a - b)
    const ids: string[] = []
    let place: string | undefined
    for (const shard of shards) {
      const stored = await this.#redis.command('HKEYS', [headsKey(this.#keys.shard({ type, shard }))]) as Buffer[]
      const rest = stored.map(String).sort().filter(id => after === undefined || shard > Number(fromShard) || id > after)
      for (const id of rest) {
        if (ids.length === limit) return { ids, cursor: place }
        ids.push(id)
        place = `${shard}.${Buffer.from(id).toString('base64url')}`
      }
    }
    return { ids, cursor: undefined }
  }

  async #holding(key: ShardKey, ids: readonly string[]): Promise<Holding> {
    const shard = this.#keys.shard(key)
    const [claim, ...heads] = await this.#redis.run(holdingScript, [claimKey(shard), headsKey(shard)], ids) as Buffer[]
    const held = claimResult(claim!)
    return {
      claim: held.outcome === 'ok' ? undefined : held,
      heads: heads.map(head => head.length < HEAD_PREFIX_BYTES ? undefined : { version: head.readDoubleBE(0), epoch: head.readDoubleBE(8) }),
    }
  }

  /** Makes shards known to `list`, before the first row can be in them. */
  async #listShards(shards: readonly ShardKey[]): Promise<void> {
    const fresh = Map.groupBy(shards.filter(({ type, shard }) => this.#listed.get(type)?.has(shard) !== true), ({ type }) => type)
    await Promise.all([...fresh].map(async ([type, ofType]) => {
      const numbers = ofType.map(({ shard }) => shard)
      await this.#redis.command('SADD', [this.#keys.shardsOfType(type), ...numbers.map(String)])
      this.#listed.set(type, new Set([...this.#listed.get(type) ?? [], ...numbers]))
    }))
  }

  /** Values of all names of all reads, one after another; a script that found much leaves the rest to the next. */
  async #loadEntries(reads: readonly EntryRead[]): Promise<EntryValues> {
    const values: (Uint8Array | undefined)[] = []
    for (const total = reads.reduce((sum, { names }) => sum + names.length, 0); values.length < total;) {
      const found = await this.#redis.run(loadEntriesScript, ...entryArguments(this.#keys, reads, values.length, MAX_BYTES)) as (Buffer | null)[]
      for (const value of found) values.push(value ?? undefined)
    }
    return values
  }

  /** The reads of each script that is to be sent. */
  #entryScripts(reads: readonly EntryRead[]): Omit<Group<EntryRead>, 'shard'>[] {
    const all = { items: [...reads], places: [...reads.keys()] }
    const groups = this.#redis.clustered ? this.#group(reads, ({ actor }) => actor) : [all]
    return groups.flatMap(({ items, places }) => {
      const slicesOfPlaces = slices(places, MAX_READS)
      return slices(items, MAX_READS).map((slice, index) => ({ items: slice, places: slicesOfPlaces[index]! }))
    })
  }

  #group<T>(items: readonly T[], keyOf: (item: T) => ShardKey): Group<T>[] {
    const groups = new Map<string, Group<T>>()
    for (const [place, item] of items.entries()) {
      const shard = this.#keys.shard(keyOf(item))
      let group = groups.get(shard)
      if (group === undefined) groups.set(shard, group = { shard, items: [], places: [] })
      group.items.push(item)
      group.places.push(place)
    }
    return [...groups.values()]
  }

  /** The groups of each script that is to be sent. A group has one claim: writes under another one make another group. */
  #scripts(writes: readonly ActorWrite[]): Group<ActorWrite>[][] {
    const scripts: Group<ActorWrite>[][] = []
    let room = { writes: 0, bytes: 0 }
    for (const group of this.#group(writes, write => write).flatMap(byClaim)) {
      const bytes = group.items.reduce((sum, write) => sum + sizeOf(write), 0)
      if (this.#redis.clustered || room.writes < group.items.length || room.bytes < bytes) {
        scripts.push([])
        room = { writes: MAX_WRITES, bytes: MAX_BYTES }
      }
      scripts.at(-1)!.push(group)
      room = { writes: room.writes - group.items.length, bytes: room.bytes - bytes }
    }
    return scripts
  }
}

function byClaim(group: Group<ActorWrite>): Group<ActorWrite>[] {
  const first = group.items[0]!
  if (group.items.every(write => write.epoch === first.epoch && write.nonce === first.nonce)) return [group]
  return group.items.map((write, index) => ({ shard: group.shard, items: [write], places: [group.places[index]!] }))
}

function claimResult(reply: Buffer): ClaimResult {
  if (reply.length < 2) return { outcome: 'ok' }
  const text = reply.toString()
  const space = text.indexOf(' ')
  return { outcome: 'refused', epoch: Number(text.slice(0, space)), nonce: text.slice(space + 1) }
}

const lex = (...parts: (string | Buffer)[]): Buffer => Buffer.concat(parts.map(part => Buffer.from(part as Buffer)))
const slices = <T>(items: readonly T[], size: number): T[][] =>
  Array.from({ length: Math.ceil(items.length / size) }, (_, index) => items.slice(index * size, (index + 1) * size))
