/**
 * Finds out whether a store that was away came back with less than it had acknowledged, as one does whose replica took over
 * before it had got everything, or whose copy of last night was brought back.
 *
 * What a host has in memory would then be ahead of its store: readers would see what no other host will ever see. So when the
 * server may have changed, two kinds of witnesses are looked up: the claim of each shard, and the last acknowledged write of
 * each shard. That is enough. Such a store has lost the end of its history: if anything of a shard is gone, then whatever was
 * acknowledged last in it is gone too. And what a former owner had written, and this host only read, came before this host's claim.
 *
 * Which writes are lost beside the last is told as far as this process remembers them: the latest `REMEMBERED` of all shards.
 *
 * It costs some assignments a write; nothing is asked of the store until its server may have changed.
 */
import type { Clock } from '../core/clock.ts'
import { messageOf } from '../core/errors.ts'
import { showKey } from '../core/ids.ts'
import type { Logger } from '../core/logger.ts'
import type { ActorWrite, Claim, ClaimResult, CommitResult, Regress, ShardKey } from './actor-store.ts'

/** What the store holds of a shard, and of some of its actors, in order; undefined where nothing is. */
export interface Holding {
  readonly claim: { readonly epoch: number; readonly nonce: string } | undefined
  readonly heads: readonly ({ readonly version: number; readonly epoch: number } | undefined)[]
}

/** Asks the store. @throws STORE_UNAVAILABLE */
export type Look = (shards: readonly { readonly key: ShardKey; readonly ids: readonly string[] }[]) => Promise<readonly Holding[]>

interface Acknowledged {
  readonly id: string
  readonly version: number
  readonly epoch: number
}

interface Witness extends Claim {
  /** The last acknowledged write under this claim. */
  last: Acknowledged | undefined
  /** It was seen that the claim was not there any more, though it is again. */
  claimLost?: boolean
}

interface Question {
  readonly witness: Witness
  /** By id. */
  readonly acknowledged: ReadonlyMap<string, Acknowledged>
}

interface Lost extends Acknowledged {
  readonly type: string
  readonly holds: number
}

const REMEMBERED = 1_024
const AGAIN_MS = 500
/** Of those that are lost, so many are named. */
const NAMED = 5

export class RegressCheck {
  readonly #name: string
  readonly #clock: Clock
  readonly #log: Logger
  readonly #look: Look
  readonly #shards = new Map<string, Map<number, Witness>>()
  readonly #latest: (Acknowledged & ShardKey)[] = []
  #next = 0
  readonly #listeners = new Set<{ readonly tell: (regress: Regress) => void }>()
  /** Changes of the server that were told, and those after which the store was looked at. */
  #changes = 0
  #looked = 0
  #why = ''
  #looking = false
  #closed = false

  constructor(options: { readonly name: string; readonly clock: Clock; readonly log: Logger; readonly look: Look }) {
    this.#name = options.name
    this.#clock = options.clock
    this.#log = options.log
    this.#look = options.look
  }

  onRegress(listener: (regress: Regress) => void): () => void {
    // Of its own: the same function may be given twice.
    const entry = { tell: listener }
    this.#listeners.add(entry)
    return () => { this.#listeners.delete(entry) }
  }

  /** The store has this claim only since now. If it was acknowledged before, it has been lost. */
  raised({ type, shard, epoch, nonce }: Claim): void {
    const witness = this.#shards.get(type)?.get(shard)
    if (witness?.epoch !== epoch || witness.nonce !== nonce) return
    witness.claimLost = true
    this.serverChanged('a claim that it had acknowledged was gone')
  }

  claimed(claims: readonly Claim[], results: readonly ClaimResult[]): void {
    for (const [index, { type, shard, epoch, nonce }] of claims.entries()) {
      if (results[index]?.outcome !== 'ok') continue
      let ofType = this.#shards.get(type)
      if (ofType === undefined) this.#shards.set(type, (ofType = new Map()))
      const known = ofType.get(shard)
      if (known === undefined || known.epoch < epoch || (known.epoch === epoch && known.nonce !== nonce)) {
        ofType.set(shard, { type, shard, epoch, nonce, last: undefined })
      }
    }
  }

  committed(writes: readonly ActorWrite[], results: readonly CommitResult[]): void {
    for (let i = 0; i < writes.length; i++) {
      const { type, shard, id, epoch, previous, head } = writes[i]!
      if (head === null || (results[i] !== 'ok' && results[i] !== 'duplicate')) continue
      const witness = this.#shards.get(type)?.get(shard)
      if (witness?.epoch !== epoch) continue
      const acknowledged = { type, shard, id, version: previous + 1, epoch }
      witness.last = acknowledged
      this.#latest[this.#next] = acknowledged
      this.#next = (this.#next + 1) % REMEMBERED
    }
  }

  /** Another server may answer now, or the same one with other data. Looks until there is an answer. */
  serverChanged(why: string): void {
    this.#changes++
    this.#why = why
    if (!this.#looking) void this.#check()
  }

  open(): void {
    this.#closed = false
  }

  close(): void {
    this.#closed = true
  }

  async #check(): Promise<void> {
    this.#looking = true
    while (this.#looked < this.#changes && !this.#closed) {
      const changes = this.#changes
      const asked = this.#questions()
      try {
        const found = asked.length === 0 ? [] : await this.#look(asked.map(({ witness, acknowledged }) => ({ key: witness, ids: [...acknowledged.keys()] })))
        this.#looked = changes
        this.#judge(this.#why, asked, found)
      } catch (error) {
        this.#log.debug({ store: this.#name, reason: messageOf(error) }, 'the store could not be looked at; that is tried again')
        await new Promise<void>(resolve => { this.#clock.after(AGAIN_MS, resolve) })
      }
    }
    this.#looking = false
  }

  /** Each shard with the highest version of each of its actors that is remembered, as far as the claim that holds wrote it. */
  #questions(): Question[] {
    const byWitness = new Map<Witness, Map<string, Acknowledged>>()
    for (const ofType of this.#shards.values()) for (const witness of ofType.values()) byWitness.set(witness, new Map(witness.last && [[witness.last.id, witness.last]]))
    for (const one of this.#latest) {
      const witness = this.#shards.get(one.type)?.get(one.shard)
      if (witness?.epoch !== one.epoch) continue
      const ofShard = byWitness.get(witness)!
      if (one.version > (ofShard.get(one.id)?.version ?? 0)) ofShard.set(one.id, one)
    }
    return [...byWitness].map(([witness, acknowledged]) => ({ witness, acknowledged }))
  }

  #judge(why: string, asked: readonly Question[], found: readonly Holding[]): void {
    const shards: ShardKey[] = []
    const lost: Lost[] = []
    for (const [index, { witness, acknowledged }] of asked.entries()) {
      const { type, shard } = witness
      const standing = standingOf(witness, [...acknowledged.values()], found[index]!)
      if (standing === 'kept') continue
      // Whatever is claimed from now on is a witness of its own.
      const ofType = this.#shards.get(type)
      if (ofType?.get(shard) === witness) ofType.delete(shard)
      if (standing === 'passed on') continue
      shards.push({ type, shard })
      for (const one of standing) lost.push({ ...one, type })
    }
    if (shards.length > 0) this.#tell(why, shards, lost)
    else if (asked.length > 0) this.#log.info({ store: this.#name, why, shards: asked.length }, 'the store holds all that it had acknowledged to this host')
  }

  #tell(why: string, shards: readonly ShardKey[], lost: Lost[]): void {
    lost.sort((a, b) => (b.version - b.holds) - (a.version - a.holds))
    const lostWrites = lost.reduce((sum, { version, holds }) => sum + Math.max(1, version - holds), 0)
    const actors = lost.slice(0, NAMED).map(({ type, id, version, holds }) => `${showKey({ type, id })} (${version} was stored, ${holds} is)`)
    const what = lost.length === 0 ? 'claims alone, as far as this host knows'
      : `at least ${lostWrites} acknowledged writes, of ${actors.join(', ')}${lost.length > NAMED ? ` and ${lost.length - NAMED} more` : ''}`
    const reason = `${why}; lost in ${shards.length} shards of this host: ${what}`
    this.#log.error({ store: this.#name, shards: shards.length, lostWrites, actors }, `the store lost what it had acknowledged: ${reason}`)
    for (const { tell } of [...this.#listeners]) tell({ shards, lostWrites, reason })
  }
}

/** 'passed on': somebody has a newer right to the shard. A list: what is lost; it may be empty, when the claim alone is. */
function standingOf(witness: Witness, acknowledged: readonly Acknowledged[], { claim, heads }: Holding): 'kept' | 'passed on' | (Acknowledged & { holds: number })[] {
  if (claim !== undefined && claim.epoch > witness.epoch) return 'passed on'
  const lost = acknowledged.flatMap((one, index) => {
    const head = heads[index]
    const holds = head?.version ?? 0
    return holds > one.version || (holds === one.version && head!.epoch === one.epoch) ? [] : [{ ...one, holds }]
  })
  const claimKept = witness.claimLost !== true && claim?.epoch === witness.epoch && claim.nonce === witness.nonce
  return lost.length === 0 && claimKept ? 'kept' : lost
}
