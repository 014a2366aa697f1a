/**
 * Calls that take effect once (P6), at the actor that they are for.
 *
 * With an **idempotency key**: the reply is stored with the turn's own commit under `k:KEY`. Before the turn the key is
 * looked up; found → that reply, with other arguments → IDEMPOTENCY_CONFLICT. Repeats that come while the first one runs
 * join it and get its outcome, after it is durable. A turn that throws leaves no reply, and the next repeat runs.
 *
 * A **durable send**: the number of the sender's last applied send is stored under `i:SENDER`, with the turn's commit. It is
 * compared when the turn starts, since earlier sends may wait before it: not higher → answered as done; a gap → SEND_OUT_OF_ORDER.
 */
import { showChain } from '../../actors/call-chain.ts'
import type { EntryTally } from '../../actors/fields.ts'
import type { CallKeeper, Invocation } from '../../actors/invocation.ts'
import { decode, encode, isPrimitive } from '../../core/codec.ts'
import { TroupeError } from '../../core/errors.ts'
import { mechanisms } from '../../core/mechanisms.ts'
import type { ActorAddress, EntryChange } from '../../stores/actor-store.ts'
import type { BatchedLoads } from '../../stores/batched-loads.ts'
import { fullError, isReadonly } from './admission.ts'
import { inboxEntry, replyEntry, SWEEP_ENTRY, type StoredReply } from './once-entries.ts'
import { nameOf, tooLarge, type Held } from './turn.ts'

/** What the activation does for it. */
export interface OnceHost {
  readonly hostId: string
  readonly epoch: number
  readonly address: ActorAddress
  /** Its stored state is loaded: its shard is claimed, and nobody else changes its entries any more. */
  readonly begun: boolean
  /** Nothing of the actor is stored: nothing need be looked up. */
  readonly unstored: boolean
  readonly keepRepliesMs: number
  readonly maxPayloadBytes: number
  /** Calls that may wait in each of the places here, as many as in the mailbox. */
  readonly room: number
  readonly loads: BatchedLoads
  readonly tally: EntryTally
  wallMs(): number
  watch(call: Invocation): void
  find(entry: string): EntryChange | undefined
  write(change: EntryChange): void
  retally(part: Partial<EntryTally>): void
  /** Lets it run when its turn comes. */
  admit(call: Invocation): void
  /** A turn that runs now waits for it: it cannot wait for what comes after that turn. */
  isInsideTurn(call: Invocation): boolean
  /** Lets it go when all that is visible now is durable. */
  answer(held: Held): void
}

/** Senders whose last number is kept in memory; of more, the oldest are read again. */
const MAX_INBOX = 1000

export class OnceCalls {
  readonly #host: OnceHost
  /** Calls that came before the actor's state: what they are compared with could still change. */
  #early: Invocation[] | undefined
  #replies: Map<string, Reply> | undefined
  #inbox: Map<string, number> | undefined
  /** Deliveries of senders whose last number is being read. */
  #asking: Map<string, Invocation[]> | undefined

  constructor(host: OnceHost) {
    this.#host = host
  }

  accept(call: Invocation): void {
    if (!this.#host.begun) {
      if (this.#isFull(call, this.#early?.length)) return
      (this.#early ??= []).push(call)
      this.#host.watch(call)
      return
    }
    // A stored reply is answered by this host, too.
    call.host = this.#host.hostId
    call.epoch = this.#host.epoch
    const { key, delivery } = call.once!
    if (call.method?.stream === true) {
      return call.fail(new TroupeError('BAD_REQUEST', `${nameOf(call)} is a stream: it cannot be stored as a reply; call it without an idempotency key`))
    }
    if (delivery !== undefined) return this.#acceptDelivery(call, delivery.sender)
    if (isReadonly(call)) return this.#host.admit(call)
    const running = this.#replies?.get(key!)
    if (running !== undefined) {
      if (!this.#isFull(call, running.waiting)) running.join(call)
      return
    }
    if (this.#isFull(call, this.#replies?.size)) return
    const reply = new Reply(this.#host, call, () => this.#replies!.delete(key!));
    (this.#replies ??= new Map()).set(key!, reply)
    reply.start()
  }

  /** The first of the calls that wait for the actor's state. */
  get firstEarly(): Invocation | undefined {
    return this.#early?.find(call => !call.settled)
  }

  /** The actor's state is loaded. */
  begin(): void {
    const early = this.#early
    this.#early = undefined
    for (const call of early ?? []) if (!call.settled) this.accept(call)
  }

  /** At the start of its turn: true when it needs none any more and was answered. */
  refuses(call: Invocation): boolean {
    const delivery = call.once!.delivery
    if (delivery === undefined) return false
    const last = this.#last(delivery.sender)
    if (last !== undefined && delivery.number <= last && !mechanisms.off?.has('send-once')) {
      call.turnPhase = 'over'
      call.outcome = undefined
      this.#host.answer(call)
      return true
    }
    if (last !== undefined && (delivery.previous === undefined || delivery.previous <= last || mechanisms.off?.has('send-order'))) return false
    call.fail(new TroupeError('SEND_OUT_OF_ORDER', `${nameOf(call)}: send ${delivery.number} of ${delivery.sender} came before send ${delivery.previous ?? '?'}; it is sent again in order`))
    return true
  }

  /** Its method has returned: what must be stored with what it changed. */
  record(call: Invocation): void {
    const { key, delivery } = call.once!
    const host = this.#host
    const now = host.wallMs()
    if (delivery !== undefined) {
      host.write([inboxEntry(delivery.sender), encode([delivery.number, now], 'inbox')])
    } else {
      if (isReadonly(call)) return
      const reply = this.#replies?.get(key!)
      const { outcome } = call
      const value = call.form === 'encoded' && !isPrimitive(outcome) ? outcome as Uint8Array : encode(outcome, 'result', 'RESULT_NOT_ENCODABLE')
      // Of a caller on this host nobody has asked yet; a repeat may come from another.
      if (value.length > host.maxPayloadBytes) throw tooLarge(call, value.length, host.maxPayloadBytes)
      if (reply !== undefined) reply.value = value
      host.write([replyEntry(key!), encode([call.once!.fingerprint, now, value] satisfies StoredReply, 'reply')])
    }
    if (host.tally.sweepAt === 0) {
      const sweepAt = Math.ceil(now + host.keepRepliesMs)
      host.write([SWEEP_ENTRY, new Uint8Array(0), sweepAt])
      host.retally({ sweepAt })
    }
  }

  /** Its turn is over, its outcome is set and its changes are captured or taken back. */
  finished(call: Invocation): void {
    const { key, delivery } = call.once!
    if (delivery !== undefined) {
      if (!call.failed) this.#remember(delivery.sender, delivery.number)
      return
    }
    const reply = this.#replies?.get(key!)
    if (reply?.first === call) {
      reply.failure = call.failed ? { error: call.outcome } : undefined
      this.#host.answer(reply)
    }
  }

  /** The activation has ended. @returns the calls that did not run; those that waited for a running one got `why` */
  end(why: TroupeError): Invocation[] {
    const waiting: Invocation[] = this.#early ?? []
    for (const reply of this.#replies?.values() ?? []) waiting.push(...reply.end(why))
    for (const calls of this.#asking?.values() ?? []) waiting.push(...calls)
    this.#early = this.#replies = this.#asking = this.#inbox = undefined
    return waiting.filter(call => !call.settled)
  }

  /** True when no more may wait there: the call has failed. The first one always finds a place. */
  #isFull(call: Invocation, waiting = 0): boolean {
    if (waiting === 0 || waiting < this.#host.room) return false
    call.fail(fullError(call, waiting))
    return true
  }

  #acceptDelivery(call: Invocation, sender: string): void {
    const asking = this.#asking?.get(sender)
    if (asking !== undefined) {
      if (!this.#isFull(call, asking.length)) asking.push(call)
      return
    }
    const known = this.#last(sender)
    if (known !== undefined) {
      // It may be told otherwise by nothing but memory when its turn comes: the actor may be stored by then.
      if (this.#inbox?.has(sender) !== true) this.#remember(sender, known)
      return this.#host.admit(call)
    }
    const entry = inboxEntry(sender)
    const calls = [call];
    (this.#asking ??= new Map()).set(sender, calls)
    this.#host.watch(call)
    this.#host.loads.entries({ actor: this.#host.address, names: [entry], dated: false }).then(([bytes]) => {
      if (this.#asking?.get(sender) !== calls) return
      // A send that was applied since the store was asked is newer than its answer.
      if (this.#last(sender) === undefined) this.#remember(sender, bytes === undefined ? 0 : (decode(bytes, entry, 'STATE_UNREADABLE') as [number])[0])
      this.#asking.delete(sender)
      for (const each of calls) if (!each.settled) this.#host.admit(each)
    }).catch((error: unknown) => {
      // After the activation's end they wait at the next one: what this look-up came to is none of theirs.
      if (this.#asking?.get(sender) !== calls) return
      this.#asking.delete(sender)
      for (const each of calls) each.fail(error)
    })
  }

  /** As the running turn sees it; undefined when the store must be asked. */
  #last(sender: string): number | undefined {
    const known = this.#inbox?.get(sender)
    if (known !== undefined) return known
    const changed = this.#host.find(inboxEntry(sender))?.[1]
    if (changed !== undefined && changed !== null) return (decode(changed, sender, 'STATE_UNREADABLE') as [number])[0]
    return this.#host.unstored ? 0 : undefined
  }

  #remember(sender: string, number: number): void {
    const inbox = (this.#inbox ??= new Map())
    inbox.delete(sender)
    inbox.set(sender, number)
    if (inbox.size > MAX_INBOX) inbox.delete(inbox.keys().next().value!)
  }
}

/** The calls of one key, from the first one's arrival until its outcome is durable. */
class Reply implements Held, CallKeeper {
  first: Invocation
  /** What its turn returned, encoded. */
  value: Uint8Array | undefined
  failure: { readonly error: unknown } | undefined
  readonly #host: OnceHost
  readonly #over: () => void
  #joined: Invocation[] = []
  #replacing = false
  #phase: 'looking' | 'admitted' | 'over' = 'looking'

  constructor(host: OnceHost, first: Invocation, over: () => void) {
    this.#host = host
    this.first = first
    this.#over = over
  }

  start(): void {
    const { first } = this
    first.once!.onNotStarted = () => this.#firstIsGone()
    const entry = replyEntry(first.once!.key!)
    if (this.#host.unstored || mechanisms.off?.has('stored-replies')) return this.#admit()
    first.keeper = this
    this.#host.watch(first)
    this.#host.loads.entries({ actor: this.#host.address, names: [entry], dated: false }).then(
      ([bytes]) => {
        if (this.#phase !== 'looking') return
        const stored = bytes === undefined ? undefined : decode(bytes, entry, 'STATE_UNREADABLE') as StoredReply
        if (stored === undefined || stored[1] + this.#host.keepRepliesMs <= this.#host.wallMs()) this.#admit()
        else this.#replay(stored)
      },
    ).catch((error: unknown) => {
      // After the activation's end they wait at the next one: what this look-up came to is none of theirs.
      if (this.#phase !== 'looking') return
      this.#close()
      for (const call of this.#calls()) call.fail(error)
    })
  }

  join(call: Invocation): void {
    if (!sameBytes(call.once!.fingerprint, this.first.once!.fingerprint)) return call.fail(conflict(call))
    if (this.#host.isInsideTurn(call)) return call.fail(cycle(call))
    this.#joined.push(call)
    call.keeper = this
    this.#host.watch(call)
  }

  get waiting(): number {
    return this.#joined.length
  }

  /** Whoever joined shares the first one's turn. */
  get hasStarted(): boolean {
    return this.first.turnPhase !== 'waiting'
  }

  /** A caller gave up. */
  abandoned(call: Invocation): void {
    this.#joined = this.#joined.filter(each => each !== call)
  }

  /** The first one's outcome is durable. */
  release(): void {
    this.#close()
    for (const call of this.#joined) {
      if (this.failure !== undefined) call.fail(this.failure.error)
      else succeed(call, this.value)
    }
  }

  fail(error: unknown): void {
    this.#close()
    for (const call of this.#joined) call.fail(error)
  }

  end(why: TroupeError): Invocation[] {
    const running = this.hasStarted
    // One that waits in the mailbox goes back to the router from there.
    const looking = this.#phase === 'looking'
    this.#close()
    if (running) {
      for (const call of this.#joined) call.fail(why)
      return []
    }
    return looking ? [this.first, ...this.#joined] : this.#joined
  }

  #calls(): Invocation[] {
    return [this.first, ...this.#joined]
  }

  #admit(): void {
    this.#phase = 'admitted'
    this.#host.admit(this.first)
  }

  #replay([fingerprint, , value]: StoredReply): void {
    this.#close()
    for (const call of this.#calls()) {
      if (sameBytes(call.once!.fingerprint, fingerprint)) succeed(call, value)
      else call.fail(conflict(call))
    }
  }

  /** It failed before its turn began (its caller gave up, the mailbox is full): the next one takes its place. */
  #firstIsGone(): void {
    if (this.#replacing) return
    this.#replacing = true
    // One loop: what refused the first one may refuse a thousand others at once, and they must not nest.
    while (this.#phase !== 'over' && this.first.settled && this.first.turnPhase === 'waiting') {
      const next = this.#joined.shift()
      if (next === undefined) this.#close()
      else {
        this.first = next
        next.once!.onNotStarted = () => this.#firstIsGone()
        if (this.#phase === 'admitted') this.#host.admit(next)
      }
    }
    this.#replacing = false
  }

  #close(): void {
    if (this.#phase === 'over') return
    this.#phase = 'over'
    this.first.once!.onNotStarted = undefined
    for (const call of this.#calls()) if (call.keeper === this) call.keeper = undefined
    this.#over()
  }
}

function succeed(call: Invocation, value: Uint8Array | undefined): void {
  call.succeed(value === undefined ? undefined : call.form === 'encoded' ? value : decode(value, 'reply', 'STATE_UNREADABLE'))
}

const conflict = (call: Invocation): TroupeError => new TroupeError('IDEMPOTENCY_CONFLICT',
  `${nameOf(call)}: the idempotency key ${JSON.stringify(call.once!.key)} was used for another method or other arguments; use a fresh key for another call`)

const cycle = (call: Invocation): TroupeError => {
  const chain = showChain(call.parent, call.typeName, call.id)
  return new TroupeError('CALL_CYCLE', `${nameOf(call)}: the call with its idempotency key ${JSON.stringify(call.once!.key)} cannot end before this one does: ${chain.join(' → ')}; use a key of its own for each call`, { data: { chain } })
}

const sameBytes = (a: Uint8Array | undefined, b: Uint8Array | undefined): boolean =>
  a !== undefined && b !== undefined && a.length === b.length && Buffer.compare(a, b) === 0
