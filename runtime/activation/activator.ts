/**
 * Brings an actor to life: claim of its shard, load of its state, construction, migration, `onActivate`.
 *
 * Nothing of a failed try stays: its waiting calls get the error (they did not run) and the id is free. A refused claim
 * means that the table here is old: the calls go back to the router, which waits for a newer one.
 */
import { construct, type ActorHooks } from '../../actors/actor.ts'
import type { Method } from '../../actors/actor-type.ts'
import { isActorError } from '../../actors/errors.ts'
import { adopt, fieldEntry, Fields, readHead, type StoredState } from '../../actors/fields.ts'
import { LocalCall, type Invocation } from '../../actors/invocation.ts'
import { decode } from '../../core/codec.ts'
import { messageOf, TroupeError } from '../../core/errors.ts'
import { mechanisms } from '../../core/mechanisms.ts'
import type { StoredActor } from '../../stores/actor-store.ts'
import type { BatchedLoads } from '../../stores/batched-loads.ts'
import type { ShardClaims } from '../dispatch/shard-claims.ts'
import type { Activation } from './activation.ts'
import { noLeaseError } from './admission.ts'
import type { HeldUp } from './held-up.ts'

export class Activator {
  readonly #loads: BatchedLoads
  /** Field names of each type's last instance: activations share one list. */
  readonly #names = new Map<string, readonly string[]>()
  readonly #claims: ShardClaims
  readonly #heldUp: HeldUp

  constructor(loads: BatchedLoads, claims: ShardClaims, heldUp: HeldUp) {
    this.#loads = loads
    this.#claims = claims
    this.#heldUp = heldUp
  }

  /** `onFenced` when the claim is refused: another host has a newer right to the shard. */
  activate(activation: Activation, onFenced: (activation: Activation) => void): void {
    const { type, shard, id, epoch } = activation
    if (!this.#claims.has(type.name, shard, epoch) && !mechanisms.off?.has('claim-before-load')) return this.#claim(activation, onFenced)
    this.#loads.load({ type: type.name, shard, id }).then(
      stored => this.#loaded(activation, stored),
      (error: unknown) => activation.failActivation(error),
    )
  }

  /** No load before the claim is in the store: the former owner could still commit after it. */
  #claim(activation: Activation, onFenced: (activation: Activation) => void): void {
    const { type, shard, epoch } = activation
    this.#claims.claim(type.name, shard, epoch).then(
      result => {
        if (activation.phase !== 'activating') return
        // A newer claim of this host's own shuts out an older one: its calls find the shard's present epoch.
        if (result.outcome === 'refused' || !this.#claims.has(type.name, shard, epoch)) return onFenced(activation)
        this.activate(activation, onFenced)
      },
      (error: unknown) => activation.failActivation(error),
    )
  }

  #loaded(activation: Activation, stored: StoredActor | undefined): void {
    if (activation.phase !== 'activating') return
    try {
      const state = stored === undefined ? undefined : readHead(stored.head, activation.name)
      if (state === undefined || state.spilled.length === 0) this.#fill(activation, stored, state)
      else this.#fillSpilled(activation, stored!, state)
    } catch (error) {
      this.#fail(activation, error)
    }
  }

  #fillSpilled(activation: Activation, stored: StoredActor, state: StoredState): void {
    const { type, shard, id } = activation
    this.#loads.entries({ actor: { type: type.name, shard, id }, names: state.spilled.map(fieldEntry), dated: false }).then(values => {
      if (activation.phase !== 'activating') return
      state.spilled.forEach((name, i) => {
        const bytes = values[i]
        if (bytes === undefined) throw new TroupeError('STATE_UNREADABLE', `${activation.name}: the stored field ${name} is missing`)
        Object.defineProperty(state.values, name, { value: decode(bytes, name, 'STATE_UNREADABLE'), writable: true, enumerable: true, configurable: true })
      })
      this.#fill(activation, stored, state)
    }).catch((error: unknown) => this.#fail(activation, error))
  }

  #fill(activation: Activation, stored: StoredActor | undefined, state: StoredState | undefined): void {
    const { type } = activation
    const instance = construct(type.actorClass, activation)
    const migrated = state !== undefined && adopt(instance, state, type.version, type.migrate, activation.name)
    const fields = new Fields(instance, this.#names.get(type.name))
    this.#names.set(type.name, fields.names)
    if (state !== undefined) {
      if (migrated) fields.storedOtherwise(state.spilled)
      else fields.stored(state.spilled)
    }
    activation.begin(instance, fields, stored?.version ?? 0, state?.tally)
    if (type.onActivate) this.#runOnActivate(activation, (instance as ActorHooks).onActivate!)
    else activation.open()
  }

  #runOnActivate(activation: Activation, hook: NonNullable<ActorHooks['onActivate']>): void {
    const method: Method = { name: 'onActivate', readonly: false, stream: false, input: undefined, run: hook as unknown as Method['run'] }
    const call = new LocalCall(
      { typeName: activation.type.name, id: activation.id, methodName: 'onActivate', args: [], timeoutMs: activation.type.turnTimeoutMs, parent: activation.broughtBy },
      () => activation.open(),
      error => this.#fail(activation, error),
    )
    call.method = method
    this.#startFirst(activation, call)
  }

  /** A turn like others: not while the lease has run out. */
  #startFirst(activation: Activation, call: Invocation): void {
    if (activation.phase !== 'activating') return
    const resume = (tooLong: boolean): void => (tooLong ? this.#fail(activation, noLeaseError(call)) : this.#startFirst(activation, call))
    if (this.#heldUp.mayStart({ resume })) activation.runApart(call)
  }

  #fail(activation: Activation, error: unknown): void {
    if (activation.phase !== 'activating') return
    activation.failActivation(isActorError(error) || (TroupeError.is(error) && error.code !== 'METHOD_FAILED' && error.executed === 'no') ? error
      : new TroupeError('ACTIVATION_FAILED', `${activation.name} could not be activated: ${messageOf(error)}`, { cause: error }))
  }
}
