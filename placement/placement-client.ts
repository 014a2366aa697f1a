/**
 * A host's part in a cluster with a placement service. Decisions over the port `Dial`; gRPC is its adapter.
 *
 * Tries the addresses in turn, for ever, with backoff; comes back with the same incarnation, so that a broken stream or a
 * restarted service moves nothing. The table stays in force meanwhile (P9). Tables and terms that are lower than what was seen are refused.
 * Nothing queues while the service is away: what was released and that the host leaves is remembered and said again.
 */
import type { Clock, Timer } from '../core/clock.ts'
import { messageOf, TroupeError } from '../core/errors.ts'
import type { Logger } from '../core/logger.ts'
import type { Random } from '../core/random.ts'
import { addressProblem } from './addresses.ts'
import { backoffMs } from './backoff.ts'
import type { JoinRequest, Membership, PlacementTable, TableChange } from './membership.ts'
import type { PlacementMessage, Refusal } from './messages.ts'
import type { Dial, PlacementLink } from './placement-link.ts'
import { grpcDial } from './placement-grpc.ts'
import { Releases } from './releases.ts'
import { applyDelta, decodeTable } from './table-codec.ts'
import { TableView } from './table-view.ts'
import { emptyTable } from './table.ts'

/** A host that waits longer for its place says so: nothing else would tell a user what it does. */
const SAY_WAITING_MS = 1_000
/** How long a leaving host goes on alone when its service is away, and how often it looks. */
const LEAVE_ALONE_MS = 1_000
const LEAVE_LOOK_MS = 100

export interface PlacementClientOptions {
  /** HOST:PORT of the placement services, or several in one string with commas; at least one. */
  readonly addresses: string | readonly string[]
  readonly clock: Clock
  readonly random: Random
  readonly log: Logger
  /** log2 of the shards a type has; as the cluster's. 10 by default. */
  readonly shardBits?: number
  /** 500 ms by default. Raising it delays the discovery of a frozen host: the service takes a silence of 2 s for death. */
  readonly heartbeatMs?: number
  /** Silence of the service after which the stream counts as broken; 2.5 s by default. */
  readonly silenceMs?: number
  /** gRPC by default. */
  readonly dial?: Dial
}

export class PlacementClient implements Membership {
  readonly #clock: Clock
  readonly #random: Random
  readonly #log: Logger
  readonly #addresses: readonly string[]
  readonly #heartbeatMs: number
  readonly #silenceMs: number
  readonly #dial: Dial
  readonly #view: TableView
  readonly #releases = new Releases()
  readonly #expelled: ((reason: Error) => void)[] = []
  #self: JoinRequest | undefined
  #joining: { resolve(): void; reject(error: Error): void } | undefined
  #leaving: (() => void) | undefined
  #asksToLeave = false
  #closed = false
  #link: PlacementLink | undefined
  #connected = false
  #heardMs = 0
  #attempts = 0
  #term = 0
  #timer: Timer | undefined
  #lastProblem = 'no answer'

  /** @throws BAD_OPTION naming each address that is not HOST:PORT */
  constructor(options: PlacementClientOptions) {
    this.#clock = options.clock
    this.#random = options.random
    this.#log = options.log
    this.#addresses = checkedAddresses(options.addresses)
    this.#heartbeatMs = options.heartbeatMs ?? 500
    this.#silenceMs = options.silenceMs ?? 2_500
    this.#dial = options.dial ?? grpcDial()
    this.#view = new TableView(options.clock, emptyTable(2 ** (options.shardBits ?? 10)))
  }

  get table(): PlacementTable {
    return this.#view.table
  }

  get connected(): boolean {
    return this.#connected
  }

  join(self: JoinRequest, timeoutMs: number): Promise<void> {
    if (this.#self !== undefined) return Promise.reject(new TroupeError('INTERNAL', 'placement: this client has joined before; make a new one for another membership'))
    this.#self = self
    return new Promise((resolve, reject) => {
      const timer = this.#clock.after(timeoutMs, () => this.#joining?.reject(new TroupeError('PLACEMENT_UNREACHABLE',
        `no placement service at ${this.#addresses.join(', ')} took this host in within ${timeoutMs} ms (${this.#lastProblem}); is it running there?`,
        { data: { addresses: this.#addresses } })), true)
      const notice = this.#clock.after(SAY_WAITING_MS, () => this.#log.info({ placement: this.#addresses, reason: this.#lastProblem }, 'waiting for placement'), true)
      const settle = (): void => {
        timer.cancel()
        notice.cancel()
        this.#joining = undefined
      }
      this.#joining = {
        resolve: () => { settle(); resolve() },
        reject: error => { settle(); this.#end(); reject(error) },
      }
      this.#connect()
    })
  }

  onChange(listener: (change: TableChange) => void): void {
    this.#view.onChange(listener)
  }

  onExpelled(listener: (reason: Error) => void): void {
    this.#expelled.push(listener)
  }

  waitFor(version: number, timeoutMs: number): Promise<boolean> {
    return this.#closed ? Promise.resolve(this.#view.table.version >= version) : this.#view.waitFor(version, timeoutMs)
  }

  released(shards: readonly { type: string; shard: number }[]): void {
    this.#releases.add(shards)
    this.#sayReleased()
  }

  suspect(memberId: string): void {
    if (this.#connected) this.#link?.send({ version: this.#view.table.version, kind: 'suspect', suspect: { id: memberId } })
  }

  leave(timeoutMs: number): Promise<void> {
    if (this.#closed || this.#self === undefined) return Promise.resolve()
    this.#asksToLeave = true
    return new Promise(resolve => {
      const done = (): void => {
        timer.cancel()
        this.#leaving = undefined
        resolve()
      }
      const timer = this.#clock.after(timeoutMs, done, true)
      this.#leaving = done
      this.#watchLeave(done)
      if (this.#connected) this.#link?.send({ version: this.#view.table.version, kind: 'leave', leave: {} })
    })
  }

  /** Without the service nothing can be moved: a leave that hears nothing of it for a while ends. */
  #watchLeave(done: () => void): void {
    let silentMs = 0
    const look = (): void => {
      if (this.#leaving !== done || this.#closed) return
      silentMs = this.#connected ? 0 : silentMs + LEAVE_LOOK_MS
      if (silentMs >= LEAVE_ALONE_MS) done()
      else this.#clock.after(LEAVE_LOOK_MS, look, true)
    }
    look()
  }

  async close(): Promise<void> {
    this.#joining?.reject(new TroupeError('PLACEMENT_UNREACHABLE', 'the membership was closed before the host was taken in'))
    this.#end()
  }

  #end(): void {
    this.#closed = true
    this.#timer?.cancel()
    this.#link?.close()
    this.#link = undefined
    this.#connected = false
    this.#leaving?.()
    this.#view.close()
  }

  #connect(): void {
    const address = this.#addresses[this.#attempts % this.#addresses.length]!
    this.#heardMs = this.#clock.monotonicMs()
    const link: PlacementLink = this.#dial(address, {
      message: message => this.#link === link && this.#receive(message),
      closed: reason => { if (this.#link === link) this.#broke(`${address}: ${messageOf(reason)}`) },
    })
    this.#link = link
    const { version } = this.#view.table
    link.send({ version, kind: 'join', join: { ...this.#self!, leaving: this.#asksToLeave } })
    this.#beat()
  }

  /** Heartbeats, and the notice that nothing is heard any more. While joining the service may be silent: it waits for a verdict. */
  #beat(): void {
    this.#timer?.cancel()
    this.#timer = this.#clock.after(this.#heartbeatMs, () => {
      const silentMs = this.#clock.monotonicMs() - this.#heardMs
      if (silentMs >= (this.#connected ? this.#silenceMs : 4 * this.#silenceMs)) return this.#broke(`silent for ${Math.round(silentMs)} ms`)
      if (this.#connected) this.#link?.send({ version: this.#view.table.version, kind: 'heartbeat', heartbeat: {} })
      this.#beat()
    })
  }

  #broke(reason: string): void {
    const link = this.#link
    this.#link = undefined
    this.#lastProblem = reason
    if (this.#connected) this.#log.warn({ reason }, 'the stream to placement broke; the table stays in force')
    this.#connected = false
    link?.close()
    if (this.#closed) return
    this.#attempts++
    const rounds = Math.floor(this.#attempts / this.#addresses.length)
    this.#timer?.cancel()
    this.#timer = this.#clock.after(backoffMs(rounds, 25, 1_000, this.#random), () => this.#connect())
  }

  #receive(message: PlacementMessage): void {
    this.#heardMs = this.#clock.monotonicMs()
    if (message.kind === 'refused') return this.#refused(message.refused)
    if (message.kind === 'notice') return this.#broke(message.notice.reason)
    if (message.term < this.#term) return this.#broke(`its term ${message.term} is over, ${this.#term} was seen`)
    this.#term = message.term
    if (message.kind === 'left') return this.#left()
    if (message.kind === 'full' || message.kind === 'delta') this.#tableCame(message)
  }

  #tableCame(message: Extract<PlacementMessage, { kind: 'full' | 'delta' }>): void {
    const { table } = this.#view
    try {
      if (message.kind === 'delta') this.#view.advance(applyDelta(table, message.delta))
      else if (message.version > table.version) this.#view.advance(decodeTable(message.full, table.shards))
    } catch (error) {
      this.#log.error({ err: messageOf(error) }, 'a placement table could not be taken')
      // The next stream starts with a full table.
      return this.#broke(messageOf(error))
    }
    this.#releases.forget(this.#view.table, this.#self!.id)
    // A listener may have closed this membership.
    if (this.#closed || this.#connected) return
    this.#connected = true
    this.#attempts = this.#attempts % this.#addresses.length
    this.#sayReleased()
    if (this.#asksToLeave) this.#link?.send({ version: this.#view.table.version, kind: 'leave', leave: {} })
    this.#joining?.resolve()
  }

  #sayReleased(): void {
    const sets = this.#releases.sets()
    if (this.#connected && sets.length > 0) this.#link?.send({ version: this.#view.table.version, kind: 'released', released: { sets } })
  }

  #refused(refusal: Refusal): void {
    if (refusal.retry) return this.#broke(refusal.message)
    const error = new TroupeError(refusal.code, refusal.message, { data: parsed(refusal.data) })
    if (this.#joining !== undefined) return this.#joining.reject(error)
    this.#end()
    for (const listener of this.#expelled) listener(error)
  }

  #left(): void {
    this.#asksToLeave = true
    this.#end()
  }
}

/** Facts for programs; a service of another version may write what this one cannot read. */
function parsed(data: string): unknown {
  try {
    return JSON.parse(data)
  } catch {
    return undefined
  }
}

function checkedAddresses(given: string | readonly string[]): readonly string[] {
  const addresses = (typeof given === 'string' ? given.split(',') : given).map(address => address.trim()).filter(address => address !== '')
  const problems = addresses.flatMap(address => (addressProblem(address) === undefined ? [] : [JSON.stringify(address)]))
  if (addresses.length === 0) throw new TroupeError('BAD_OPTION', 'placement: no address was given; write HOST:PORT, several with commas')
  if (problems.length > 0) throw new TroupeError('BAD_OPTION', `placement: ${problems.join(' and ')} is no address; write HOST:PORT, several with commas`)
  return addresses
}
