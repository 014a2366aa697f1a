/**
 * Where a call goes: the activation here, a shard on its way here, or the peer that owns it.
 *
 * Only the router sends a call again, and only when it is proved that it did not run (P6): it never left, the address
 * refused the connection, or the peer answered MOVED. A call with an idempotency key may be sent again whatever became of it.
 * Between tries it waits for a newer table, or a moment; the call's own deadline bounds it all, and the last reason is what
 * the caller is told then.
 */
import { shardOfActor, type ActorType, methodOf } from '../../actors/actor-type.ts'
import { argumentsOf } from '../../actors/call-body.ts'
import type { Invocation } from '../../actors/invocation.ts'
import type { Clock, Timer } from '../../core/clock.ts'
import { TroupeError, messageOf } from '../../core/errors.ts'
import { hash32, shardOf } from '../../core/ids.ts'
import type { Logger } from '../../core/logger.ts'
import { mechanisms } from '../../core/mechanisms.ts'
import type { Membership, Member, ShardOwner } from '../../placement/membership.ts'
import type { Activation } from '../activation/activation.ts'
import { managementMethod } from '../activation/management-methods.ts'
import { fingerprintOf } from '../activation/once-entries.ts'
import { isThenable } from '../activation/turn.ts'
import type { Catalog } from '../activation/catalog.ts'
import type { Transport } from '../transport/transport.ts'
import type { Authorizer } from './authorizer.ts'
import type { Outgoing } from './outgoing.ts'
import type { Shards } from './shards.ts'

interface RouterOptions {
  readonly selfId: string
  readonly types: ReadonlyMap<string, ActorType>
  readonly catalog: Catalog
  readonly membership: Membership
  readonly shardBits: number
  readonly maxParked: number
  readonly clock: Clock
  readonly log: Logger
  readonly watch: (call: Invocation) => number
  /** Absent: everybody may do everything. */
  readonly authorizer?: Authorizer | undefined
  /** Begins an activation. */
  readonly activate: (type: ActorType, id: string, shard: number, epoch: number) => Activation
}

/** How long a call waits for an owner to appear: no living host runs the type, or the claim is another's. */
const NO_OWNER_WAIT_MS = 5000
const CONNECT_TIMEOUT_MS = 2000
const CATCH_UP_MS = 2000
const RETRY_MS = 50

export class Router {
  readonly #options: RouterOptions
  #shards!: Shards
  #outgoing: Outgoing | undefined
  #transport: Transport | undefined
  /** Calls that wait for a newer table or a moment. */
  #waiting: Invocation[] = []
  #retry: Timer | undefined
  #phase: 'open' | 'closed' = 'open'
  /** The router of the host's next life: calls that begin or have not started go on there. */
  #next: Router | undefined
  readonly #since = new WeakMap<Invocation, number>()
  /** Arguments as they came, of calls whose schema converted them: whoever runs the call in the end checks them afresh. */
  readonly #given = new WeakMap<Invocation, readonly unknown[]>()
  readonly #seeds = new Map<string, number>()

  constructor(options: RouterOptions) {
    this.#options = options
    options.membership.onChange(() => this.#retryNow())
  }

  attach(shards: Shards): void {
    this.#shards = shards
  }

  attachPeers(transport: Transport, outgoing: Outgoing): void {
    this.#transport = transport
    this.#outgoing = outgoing
  }

  get waiting(): number {
    return this.#waiting.length
  }

  /** A call that begins on this host. */
  route(call: Invocation): void {
    if (call.settled) return
    if (this.#next !== undefined) return this.#goOn(this.#next, call)
    const type = this.#options.types.get(call.typeName)
    // A turn that an application is to end must be able to: it reads and stores its state until then.
    if (this.#phase === 'closed' && (type?.app === undefined || (call.kind !== 'manage' && call.kind !== 'read'))) return call.fail(stopping())
    if (type !== undefined) {
      const activation = this.#options.catalog.find(call.typeName, call.id)
      if (activation !== undefined) return this.#deliver(activation, type, call)
    }
    if (this.#phase === 'closed') return call.fail(stopping())
    const shard = this.shardOf(type, call.typeName, call.id)
    const owner = this.#options.membership.table.owner(call.typeName, shard)
    if (owner === undefined) return this.#noOwner(call)
    if (owner.member.id === this.#options.selfId) return this.#begin(type, shard, owner, call)
    this.#forward(owner.member, call, type === undefined)
  }

  /** A call that a peer sent here, by its table of `senderVersion`. */
  routeIncoming(call: Invocation, senderVersion: number, untyped: boolean): void {
    if (call.settled) return
    const { membership, types, catalog, selfId } = this.#options
    if (this.#next !== undefined) return call.fail(this.#movedError(call))
    if (this.#phase === 'closed') return call.fail(stopping())
    const type = types.get(call.typeName)
    const activation = type === undefined ? undefined : catalog.find(call.typeName, call.id)
    if (activation !== undefined) return this.#deliver(activation, type!, call)
    const shard = this.shardOf(type, call.typeName, call.id)
    const owner = membership.table.owner(call.typeName, shard)
    if (owner?.member.id === selfId) return this.#begin(type, shard, owner, call)
    if (membership.table.version < senderVersion) {
      // The side that is behind catches up before it answers.
      void membership.waitFor(senderVersion, CATCH_UP_MS).then(reached => {
        if (reached) this.routeIncoming(call, 0, untyped)
        else this.#moved(call)
      })
      return
    }
    // The sender does not know the type's placement key: this host does, and sends the call on, once.
    if (untyped && type?.placementKey !== undefined && owner !== undefined) return this.#forward(owner.member, call, false)
    this.#moved(call)
  }

  /** Calls that were here and did not run: an activation ended, a shard arrived or left. */
  reroute(calls: readonly Invocation[]): void {
    for (const call of calls) {
      call.turnPhase = 'waiting'
      call.keeper = undefined
      const given = this.#given.get(call)
      if (given !== undefined) {
        call.args = given
        call.method = undefined
      }
      if (call.form === 'encoded') this.routeIncoming(call, 0, false)
      else this.route(call)
    }
  }

  shardOf(type: ActorType | undefined, typeName: string, id: string): number {
    if (type !== undefined) return shardOfActor(type, id, this.#options.shardBits)
    let seed = this.#seeds.get(typeName)
    if (seed === undefined) {
      if (this.#seeds.size > 10_000) this.#seeds.clear()
      this.#seeds.set(typeName, (seed = hash32(typeName)))
    }
    return shardOf(seed, id, this.#options.shardBits)
  }

  /** A peer answered that the actor is not with it. */
  retryMoved(call: Invocation, error: TroupeError): void {
    if (this.#next !== undefined) this.#next.retryMoved(call, error)
    else this.#waitAndRetry(call, error)
  }

  /** This host's place in the cluster is lost, it takes another: what waits here waits there. */
  succeededBy(next: Router): void {
    this.#next = next
    this.#retryNow()
  }

  /** Turns of the runtime itself rest on what their life knew of a shard: the next one has read it anew, and runs its own. */
  #goOn(next: Router, call: Invocation): void {
    if (call.kind === 'internal') call.fail(this.#movedError(call))
    else next.route(call)
  }

  /** The claim of a shard was refused: the table here is older than the owner's. */
  retryFenced(calls: readonly Invocation[], name: string): void {
    const what = `${name}: the store holds a newer claim to its shard than host ${this.#options.selfId}, and no table says whose`
    const error = new TroupeError('FENCED', `${what}; do placement and hosts use one store?`, { executed: 'no' })
    for (const call of calls) {
      call.keeper = undefined
      if (call.form === 'encoded') call.fail(new TroupeError('MOVED', what))
      else if (this.#waitedMs(call) >= NO_OWNER_WAIT_MS) call.fail(error)
      else this.#waitAndRetry(call, error)
    }
  }

  close(): void {
    this.#phase = 'closed'
    this.#retry?.cancel()
    const waiting = this.#waiting
    this.#waiting = []
    for (const call of waiting) call.fail(call.problem ?? stopping())
  }

  #deliver(activation: Activation, type: ActorType, call: Invocation): void {
    if (this.#options.authorizer?.admits(call) === false) return
    if (call.kind === 'read') call.appReply = type.app !== undefined
    else if (call.method === undefined) {
      const method = call.kind === 'manage' ? undefined : type.methods.get(call.methodName)
      try {
        if (call.kind === 'body') this.#openBody(type, call)
        if (isStrangersWrite(type, call)) throw notActive(call)
        call.method = method ?? (call.kind === 'manage' ? managementMethod(call.methodName) : methodOf(type, call.methodName))
        if (call.once?.key !== undefined) call.once.fingerprint ??= call.appReply ? fingerprintOf(call.methodName, ['body', call.args[0]]) : fingerprintOf(call.methodName, call.args)
      } catch (error) {
        return call.fail(error)
      }
      if (method?.input !== undefined) return this.#validate(activation, call)
    }
    activation.accept(call)
  }

  /** What came in by a door: an application gets it as it is, everybody else the arguments in it. @throws MALFORMED_BODY */
  #openBody(type: ActorType, call: Invocation): void {
    const [bytes, codec] = bodyOf(call)
    call.appReply = type.app !== undefined && !codec
    if (call.appReply) return
    this.#given.set(call, call.args)
    call.args = argumentsOf(bytes, codec)
  }

  /** Input schemas run before the call takes a place in the mailbox; a slow one counts against the call's time. */
  #validate(activation: Activation, call: Invocation): void {
    const settle = (result: { value?: unknown; issues?: readonly { message: string; path?: unknown }[] | undefined }): void => {
      if (result.issues !== undefined) {
        const text = result.issues.slice(0, 5).map(i => [showPath(i.path), i.message].filter(part => part !== '').join(': ')).join('; ')
        return call.fail(new TroupeError('INVALID_ARGUMENT', `${call.typeName}.${call.methodName}: invalid arguments: ${text}`, {
          data: { issues: result.issues.map(i => ({ message: i.message, path: showPath(i.path) })) } }))
      }
      if (!Array.isArray(result.value)) return call.fail(new TroupeError('INVALID_ARGUMENT', `${call.typeName}.${call.methodName}: its input schema must give an argument list, an array`))
      if (!this.#given.has(call)) this.#given.set(call, call.args)
      call.args = result.value
      activation.accept(call)
    }
    const failed = (error: unknown): void =>
      call.fail(new TroupeError('INVALID_ARGUMENT', `${call.typeName}.${call.methodName}: its input schema threw: ${messageOf(error)}`, { cause: error }))
    try {
      const result = call.method!.input!['~standard'].validate(call.args)
      if (!isThenable(result)) return settle(result)
      this.#options.watch(call)
      result.then(checked => {
        // Its caller may have given up and was told that it did not run; its activation may have ended.
        if (call.settled) return
        if (this.#options.catalog.find(call.typeName, call.id) === activation) settle(checked)
        else {
          call.method = undefined
          this.reroute([call])
        }
      }, failed)
    } catch (error) {
      failed(error)
    }
  }

  #begin(type: ActorType | undefined, index: number, owner: ShardOwner, call: Invocation): void {
    if (type === undefined) return this.#moved(call)
    // First: whoever may not call hears nothing of what could be called.
    if (this.#options.authorizer?.admits(call) === false) return
    if (isStrangersWrite(type, call) || (isStateWrite(call) && type.app !== undefined)) return call.fail(notActive(call))
    if ((call.kind === 'method' || call.kind === 'body') && type.app === undefined && !type.methods.has(call.methodName)) return call.fail(thrownBy(() => methodOf(type, call.methodName)))
    const shard = this.#shards.get(type.name, index, owner)
    if (shard.phase === 'serving') {
      return this.#deliver(this.#options.activate(type, call.id, index, shard.epoch), type, call)
    }
    if (this.#shards.parked >= this.#options.maxParked && !mechanisms.off?.has('parked-bound')) return call.fail(overloaded('calls wait for shards on their way to this host', this.#options.maxParked))
    this.#options.watch(call)
    this.#shards.park(shard, call)
  }

  #forward(member: Member, call: Invocation, untyped: boolean): void {
    if (call.kind === 'internal') return call.fail(this.#movedError(call))
    const link = this.#transport?.link(member.id)
    if (link !== undefined) return this.#send(link, member, call, untyped)
    if (this.#transport === undefined) return this.#moved(call)
    this.#options.watch(call)
    this.#transport.connect(member.id, member.address, CONNECT_TIMEOUT_MS).then(
      opened => {
        if (!call.settled) this.#send(opened, member, call, untyped)
      },
      (error: unknown) => {
        this.#options.membership.suspect(member.id)
        this.#waitAndRetry(call, TroupeError.is(error) ? error : new TroupeError('PEER_UNREACHABLE', messageOf(error), { cause: error }))
      },
    )
  }

  #send(link: Parameters<Outgoing['send']>[0], member: Member, call: Invocation, untyped: boolean): void {
    try {
      if (this.#outgoing!.send(link, call, untyped)) return
    } catch (error) {
      return call.fail(error)
    }
    this.#waitAndRetry(call, overloaded(`bytes wait for host ${member.id}`, 0))
  }

  #noOwner(call: Invocation): void {
    const { table } = this.#options.membership
    if (call.kind === 'internal') return call.fail(this.#movedError(call))
    if (table.version > 0 && !table.types.has(call.typeName)) {
      return call.fail(new TroupeError('UNKNOWN_TYPE', `did not find address for actor '${call.typeName}/${call.id}': no host of this cluster runs the type; it knows ${[...table.types].sort().slice(0, 20).join(', ') || 'none'}`))
    }
    const waitedMs = this.#waitedMs(call)
    const error = new TroupeError('NO_HOST', `did not find address for actor '${call.typeName}/${call.id}': no living host runs the type now`)
    if (table.version > 0 && waitedMs >= NO_OWNER_WAIT_MS) call.fail(error)
    else this.#waitAndRetry(call, error)
  }

  /** Since the call first found no owner. */
  #waitedMs(call: Invocation): number {
    const now = this.#options.clock.monotonicMs()
    const since = this.#since.get(call) ?? now
    this.#since.set(call, since)
    return now - since
  }

  #moved(call: Invocation): void {
    const error = this.#movedError(call)
    if (call.form === 'encoded') call.fail(error)
    else this.#waitAndRetry(call, error)
  }

  #movedError(call: Invocation): TroupeError {
    return new TroupeError('MOVED', `host ${this.#options.selfId} does not own ${call.typeName}/${call.id} at table version ${this.#options.membership.table.version}`)
  }

  #waitAndRetry(call: Invocation, problem: TroupeError): void {
    if (call.settled) return
    if (this.#waiting.length >= this.#options.maxParked && !mechanisms.off?.has('parked-bound')) return call.fail(overloaded('calls wait for a place', this.#options.maxParked))
    call.problem = problem
    call.attempts++
    this.#options.watch(call)
    this.#waiting.push(call)
    this.#retry ??= this.#options.clock.after(RETRY_MS, () => this.#retryNow())
  }

  #retryNow(): void {
    this.#retry?.cancel()
    this.#retry = undefined
    const calls = this.#waiting
    this.#waiting = []
    for (const call of calls) if (!call.settled) this.reroute([call])
  }
}

const isStateWrite = (call: Invocation): boolean => call.kind === 'manage' && call.methodName === 'state.transact'

/** Only the host that runs an application's actor takes its state: whoever writes elsewhere is a handler that its host has given up. */
const isStrangersWrite = (type: ActorType, call: Invocation): boolean => type.app !== undefined && call.form === 'encoded' && isStateWrite(call)

export const notActive = (call: { readonly typeName: string; readonly id: string }): TroupeError =>
  new TroupeError('NOT_ACTIVE', 'actor instance is missing', { data: { type: call.typeName, id: call.id } })

/** @throws PROTOCOL for what no host of this version sends */
function bodyOf({ args, typeName, id }: Invocation): readonly [bytes: Uint8Array, codec: boolean] {
  const [bytes, codec, query, headers] = args
  if (bytes instanceof Uint8Array && typeof query === 'string' && Array.isArray(headers) && headers.every(part => typeof part === 'string')) return [bytes, codec === true]
  throw new TroupeError('PROTOCOL', `${typeName}/${id}: a body travelled in another form than this version knows`, { executed: 'no' })
}

const stopping = (): TroupeError => new TroupeError('HOST_STOPPING', 'this host stops; call another')

const overloaded = (what: string, limit: number): TroupeError =>
  new TroupeError('OVERLOADED', limit > 0 ? `more than ${limit} ${what}; call later` : `too many ${what}; call later`, { retryAfterMs: 200 })

function thrownBy(run: () => unknown): unknown {
  try {
    run()
  } catch (error) {
    return error
  }
  return new TroupeError('INTERNAL', 'expected a failure')
}

const showPath = (path: unknown): string => (Array.isArray(path) ? path : [])
  .map(p => String(typeof p === 'object' && p !== null && 'key' in p ? (p as { key: unknown }).key : p)).join('.')
