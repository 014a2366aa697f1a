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
import { mechanisms } from '../../core/mechanisms.ts'
import { TroupeError } from '../../core/errors.ts'
import type { Logger } from '../../core/logger.ts'
import type { Membership, ShardOwner, TableChange } from '../../placement/membership.ts'
import type { Activation } from '../activation/activation.ts'
import type { Catalog } from '../activation/catalog.ts'

export type ShardPhase = 'arriving' | 'serving' | 'leaving'

export interface Shard {
  readonly type: string
  readonly index: number
  epoch: number
  phase: ShardPhase
  /** Its former owner hands it over, or is this host. */
  planned: boolean
  /** What an arriving shard waits for: its former owner's release, the end of this host's own activations of an older epoch. */
  readonly waitsFor: Set<'release' | 'drain'>
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
  /** From now on activations may begin in the shard, under this epoch. `planned`: nobody died who had it. */
  readonly onServing: (type: string, index: number, epoch: number, planned: boolean) => void
  /** The shard is not served any more; `onServing` may come again. */
  readonly onLost: (type: string, index: number) => void
}

/** Added to the drain time before a shard is served without its release. */
const RELEASE_GRACE_MS = 3000
/** What a doubt adds to an epoch. Epochs of tables are whole numbers, so the next owner's is higher all the same. */
const DOUBT_STEP = 2 ** -20

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
    const shard: Shard = { type, index, epoch: owner.epoch, phase: 'serving', planned: owner.from !== undefined, waitsFor: new Set(), parked: [] }
    if (owner.from !== undefined) shard.waitsFor.add('release')
    if (known !== undefined) shard.waitsFor.add('drain')
    if (shard.waitsFor.size > 0) this.#await(shard, mechanisms.off?.has('release-wait') ? 0 : this.#options.drainMs(type) + RELEASE_GRACE_MS)
    ofType[index] = shard
    return shard
  }

  /**
   * A commit made under `epoch` may still land. From now on the shard is claimed with a higher epoch before anything is
   * loaded: then what is late is refused, and what was in time is seen. Idle activations of the old claim end, busy ones
   * when they are done.
   */
  doubt(type: string, index: number, epoch: number): void {
    const shard = this.#owned.get(type)?.[index]
    // One flush that fails may hold many commits of a shard: one higher epoch settles them all.
    if (shard?.phase !== 'serving' || shard.epoch !== epoch || mechanisms.off?.has('doubt')) return
    shard.epoch += DOUBT_STEP
    this.#options.onLost(type, index)
    const others = this.#options.catalog.inShards(type, new Set([index])).filter(activation => activation.phase === 'active')
    void this.drain(others, this.#options.drainMs(type)).then(() => {
      if (shard.phase === 'serving' && this.#owned.get(type)?.[index] === shard) this.#options.onServing(type, index, shard.epoch, true)
    })
  }

  /**
   * The store holds less of these shards than it had acknowledged: memory is ahead of it, and the claims may be gone. Everything
   * there ends at once, and is loaded again under a higher epoch.
   */
  regressed(shards: readonly { readonly type: string; readonly shard: number }[], reason: string): void {
    for (const { type, shard: index } of shards) {
      const owner = this.#options.membership.table.owner(type, index)
      if (owner?.member.id !== this.#options.selfId) continue
      const shard = this.get(type, index, owner)
      const serving = shard.phase === 'serving'
      shard.epoch += DOUBT_STEP
      if (serving) this.#options.onLost(type, index)
      for (const activation of this.#options.catalog.inShards(type, new Set([index]))) {
        activation.end(new TroupeError('STORE_CONFLICT', `${activation.name}: ${reason}; the actor is loaded afresh`))
      }
      if (serving) this.#options.onServing(type, index, shard.epoch, true)
    }
  }

  /** Nothing is this host's any more: what is parked goes back to the router. */
  abandon(): void {
    for (const ofType of this.#owned.values()) {
      for (const shard of ofType) {
        if (shard === undefined) continue
        shard.phase = 'leaving'
        const calls = shard.parked
        shard.parked = []
        this.#options.reroute(calls)
      }
    }
    this.#owned.clear()
    this.#parked = 0
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
        shard.planned = false
        this.#serve(shard)
      }
    })
  }

  #arrived(type: string, index: number, what: 'release' | 'drain'): void {
    const shard = this.#owned.get(type)?.[index]
    if (shard?.phase !== 'arriving') return
    shard.waitsFor.delete(what)
    if (shard.waitsFor.size === 0) this.#serve(shard)
  }

  #serve(shard: Shard): void {
    shard.phase = 'serving'
    const calls = shard.parked
    shard.parked = []
    this.#parked -= calls.length
    this.#options.onServing(shard.type, shard.index, shard.epoch, shard.planned)
    if (calls.length > 0 && !mechanisms.off?.has('parked-go-on')) this.#options.reroute(calls)
  }

  #follow(change: TableChange): void {
    const self = this.#options.selfId
    const lost = new Map<string, Set<number>>()
    const renewed = new Map<string, Set<number>>()
    for (const step of change.shards) {
      const had = step.before?.member.id === self
      const has = step.after?.member.id === self
      if (had && has && step.before!.epoch === step.after!.epoch) {
        if (step.after!.from === undefined) this.#arrived(step.type, step.shard, 'release')
      } else if (had) {
        // Owned again under a new epoch: activations of the old one could never commit, so they end all the same.
        const group = has ? renewed : lost
        const indexes = group.get(step.type)
        if (indexes === undefined) group.set(step.type, new Set([step.shard]))
        else indexes.add(step.shard)
      } else if (has) {
        const known = this.#owned.get(step.type)?.[step.shard]
        // A call that waited for this table may have come before this news of it: then it is served already, and nobody was told.
        if (step.after!.from === undefined && (known === undefined || known.phase === 'serving')) this.#options.onServing(step.type, step.shard, step.after!.epoch, false)
        else this.get(step.type, step.shard, step.after!)
      }
    }
    for (const [type, indexes] of renewed) this.#lose(type, indexes, false)
    for (const [type, indexes] of lost) this.#lose(type, indexes, true)
  }

  #lose(type: string, indexes: ReadonlySet<number>, release: boolean): void {
    const ofType = this.#owned.get(type)
    const leaving: Shard[] = []
    for (const index of indexes) {
      this.#options.onLost(type, index)
      const shard = ofType?.[index]
      if (shard === undefined) continue
      shard.phase = 'leaving'
      leaving.push(shard)
      const calls = shard.parked
      shard.parked = []
      this.#parked -= calls.length
      if (calls.length > 0) this.#options.reroute(calls)
    }
    void this.drain(this.#options.catalog.inShards(type, indexes), mechanisms.off?.has('drain') ? 0 : this.#options.drainMs(type)).then(() => {
      for (const shard of leaving) if (ofType?.[shard.index] === shard) ofType[shard.index] = undefined
      // One that came back meanwhile waited for this end.
      for (const index of indexes) {
        this.#arrived(type, index, 'drain')
        if (!release) this.#serveRenewed(type, index)
      }
      if (release) this.#options.membership.released([...indexes].map(shard => ({ type, shard })))
    })
  }

  /** The same host under a new epoch; nobody has asked for the shard meanwhile. */
  #serveRenewed(type: string, index: number): void {
    const owner = this.#options.membership.table.owner(type, index)
    if (owner?.member.id !== this.#options.selfId || this.#owned.get(type)?.[index] !== undefined) return
    if (owner.from === undefined) this.#options.onServing(type, index, owner.epoch, true)
    else this.get(type, index, owner)
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
