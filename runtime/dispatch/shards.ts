/**
 * The shards that this host owns, and their coming and going in planned moves.
 *
 * arriving: the table gave it to this host, but the former owner has not released it (or this host's own activations of an
 * older epoch have not ended): calls are parked. serving: activations may begin. leaving: the table took it away; running
 * turns end, then it is released. A shard that nothing was ever asked of has no entry: the table alone speaks for it.
 *
 * Waiting for a release is politeness, for an undisturbed move; safety is the claim and the fence in the store (P4). So
 * when the release does not come in time, the shard is served all the same.
 */
import type { Invocation } from '../../actors/invocation.ts'
import type { Clock } from '../../core/clock.ts'
import type { Logger } from '../../core/logger.ts'
import type { Membership, ShardChange, ShardOwner, TableChange } from '../../placement/membership.ts'
import type { Activation } from '../activation/activation.ts'
import type { Catalog } from '../activation/catalog.ts'

export type ShardPhase = 'arriving' | 'serving' | 'leaving'

export interface Shard {
  readonly type: string
  readonly index: number
  epoch: number
  phase: ShardPhase
  /** Calls that wait for 'serving'. */
  parked: Invocation[]
}

interface ShardsOptions {
  readonly selfId: string
  readonly membership: Membership
  readonly catalog: Catalog
  readonly clock: Clock
  readonly log: Logger
  /** How long running turns of a type may go on when its shard moves. */
  readonly drainMs: (type: string) => number
  /** Calls that waited, or whose shard went away before they started: to be routed anew. */
  readonly reroute: (calls: readonly Invocation[]) => void
}

/** Added to the drain time before a shard is served without its release. */
const RELEASE_GRACE_MS = 3000

export class Shards {
  readonly #options: ShardsOptions
  readonly #owned = new Map<string, (Shard | undefined)[]>()
  #parked = 0

  constructor(options: ShardsOptions) {
    this.#options = options
    options.membership.onChange(change => this.#follow(change))
  }

  get parked(): number {
    return this.#parked
  }

  /** The entry of a shard that the table gives to this host. */
  get(type: string, index: number, owner: ShardOwner): Shard {
    let ofType = this.#owned.get(type)
    if (ofType === undefined) this.#owned.set(type, (ofType = []))
    const known = ofType[index]
    if (known !== undefined && known.phase !== 'leaving') return known
    const shard: Shard = { type, index, epoch: owner.epoch, phase: 'serving', parked: [] }
    if (known !== undefined || owner.from !== undefined) this.#await(shard, this.#options.drainMs(type) + RELEASE_GRACE_MS)
    ofType[index] = shard
    return shard
  }

  park(shard: Shard, call: Invocation): void {
    this.#parked++
    shard.parked.push(call)
  }

  #await(shard: Shard, graceMs: number): void {
    shard.phase = 'arriving'
    this.#options.clock.after(graceMs, () => {
      if (shard.phase === 'arriving' && this.#owned.get(shard.type)?.[shard.index] === shard) {
        this.#options.log.warn({ type: shard.type, shard: shard.index }, 'shard was not released in time, serving it: the fence refuses its former owner')
        this.#serve(shard)
      }
    })
  }

  #serve(shard: Shard): void {
    shard.phase = 'serving'
    const calls = shard.parked
    shard.parked = []
    this.#parked -= calls.length
    if (calls.length > 0) this.#options.reroute(calls)
  }

  #follow(change: TableChange): void {
    const self = this.#options.selfId
    const lost = new Map<string, { shards: Set<number>; release: boolean }>()
    for (const step of change.shards) {
      const had = step.before?.member.id === self
      const has = step.after?.member.id === self
      if (had && has && step.before!.epoch === step.after!.epoch) this.#released(step, step.after!)
      else if (had) {
        // Owned again under a new epoch: activations of the old one could never commit. They end, unreported.
        const key = `${step.type}\u0000${String(has)}`
        const group = lost.get(key) ?? { shards: new Set<number>(), release: !has }
        group.shards.add(step.shard)
        lost.set(key, group)
      } else if (has && step.after!.from !== undefined) this.get(step.type, step.shard, step.after!)
    }
    for (const [key, group] of lost) this.#lose(key.slice(0, key.indexOf('\u0000')), group.shards, group.release)
  }

  #released(step: ShardChange, after: ShardOwner): void {
    const shard = this.#owned.get(step.type)?.[step.shard]
    if (shard?.phase === 'arriving' && after.from === undefined) this.#serve(shard)
  }

  #lose(type: string, indexes: ReadonlySet<number>, release: boolean): void {
    const ofType = this.#owned.get(type)
    const leaving: Shard[] = []
    for (const index of indexes) {
      const shard = ofType?.[index]
      if (shard === undefined) continue
      shard.phase = 'leaving'
      leaving.push(shard)
      const calls = shard.parked
      shard.parked = []
      this.#parked -= calls.length
      if (calls.length > 0) this.#options.reroute(calls)
    }
    void this.drain(this.#options.catalog.inShards(type, indexes), this.#options.drainMs(type)).then(() => {
      for (const shard of leaving) {
        const now = ofType?.[shard.index]
        if (now === shard) ofType![shard.index] = undefined
        // It came back meanwhile: the new entry waited for this end.
        else if (now?.phase === 'arriving' && !release) this.#serve(now)
      }
      if (release) this.#options.membership.released([...indexes].map(shard => ({ type, shard })))
      else for (const index of indexes) this.#serveIfWaiting(type, index)
    })
  }

  #serveIfWaiting(type: string, index: number): void {
    const shard = this.#owned.get(type)?.[index]
    if (shard?.phase === 'arriving') this.#serve(shard)
  }

  /** Lets these activations end, for `deadlineMs` at most; then they are ended. */
  async drain(activations: readonly Activation[], deadlineMs: number, reason: 'moved' | 'stopping' = 'moved'): Promise<void> {
    if (activations.length === 0) return
    let timer
    const deadline = new Promise<void>(resolve => { timer = this.#options.clock.after(deadlineMs, resolve, true) })
    await Promise.race([Promise.all(activations.map(a => a.retire(reason))), deadline])
    ;(timer as { cancel(): void } | undefined)?.cancel()
    for (const activation of activations) activation.end()
  }
}
