/**
 * Durable sends on their way: every send of an actor of this host's shards, from its commit to the removal of its row.
 *
 * Promises:
 * - Each send is delivered until its target has it durable; in order for each pair of sender and target (send-line.ts);
 *   one target's trouble delays no other.
 * - A row goes only after its send was applied, or stays for good as a dead letter (send-verdict.ts), which delays none.
 * - What is forgotten (a crash, `drop`) is found again in the store by the shard's next owner; the target knows by their numbers
 *   those that it has applied.
 *
 * A shard is first read (`take`, `found` …), and only then open (`scanned`): sends committed meanwhile wait, since the target
 * would take an older one, found after them, for a repeat. Sends of a shard that is not taken are left to the reading that
 * follows its `take`. Given `load`, the outbox reads by itself (outbox-reader.ts). Attempts are counted in memory: a new owner
 * counts anew.
 *
 * One wheel for all waits. Per send: no timer, no promise besides the delivery's own.
 */
import { messageOf } from '../../core/errors.ts'
import { showKey } from '../../core/ids.ts'
import { seams } from '../../core/seams.ts'
import { NEVER_DUE, type ActorAddress, type CommitResult, type DueRow, type ShardKey } from '../../stores/actor-store.ts'
import { Deadlines } from '../dispatch/deadlines.ts'
import type { OutboxLimits, OutboxPorts } from './outbox-ports.ts'
import { OutboxReader } from './outbox-reader.ts'
import { OutboxSender, type SenderPorts } from './outbox-sender.ts'
import { type PendingSend, SendLine } from './send-line.ts'
import { decodeSend, sendNumber, type Send } from './send-row.ts'
import { SendSlots } from './send-slots.ts'
import { judge } from './send-verdict.ts'

export type { OutboxLimits, OutboxPorts } from './outbox-ports.ts'

interface SendShard {
  phase: 'reading' | 'open'
  readonly senders: Map<string, OutboxSender>
  /** Gives up its reading. */
  readonly leave: (() => void) | undefined
}

const REST_MS = 100
const MAX_REST_MS = 5_000
/** Refusals in a row after which, and after each doubling of which, a send is worth a warning. */
const WARN_AFTER = 8

/** The wheel's entry for "look for a free slot". */
class StarvedAlarm {
  wheelSlot = -1
  wheelIndex = -1
}

export class Outbox {
  readonly #ports: OutboxPorts
  readonly #window: number
  readonly #backoff: { readonly maxBackoffMs: number; readonly maxRefusedMs: number }
  readonly #shards = new Map<string, Map<number, SendShard>>()
  readonly #slots: SendSlots
  readonly #wheel: Deadlines<SendLine | OutboxSender | StarvedAlarm>
  readonly #senderPorts: SenderPorts
  readonly #reader: OutboxReader | undefined
  readonly #maxRead: number
  /** Lines that wait for a slot, from `#fed` on, and when to look for one though nothing ends. */
  #starved: SendLine[] = []
  #fed = 0
  readonly #alarm = new StarvedAlarm()
  #size = 0
  /** Of those, sends whose shard is still being read. */
  #held = 0
  #delivered = 0
  #dead = 0
  #removed = 0
  #phase: 'open' | 'closed' = 'open'

  constructor(ports: OutboxPorts, limits: OutboxLimits = {}) {
    this.#ports = ports
    this.#window = limits.window ?? 64
    this.#backoff = { maxBackoffMs: limits.maxBackoffMs ?? 60_000, maxRefusedMs: limits.maxRefusedMs ?? 5_000 }
    this.#slots = new SendSlots(limits.maxUnderWay ?? 16_384, limits.slowMs ?? 250)
    this.#maxRead = limits.maxRead ?? 100_000
    this.#reader = this.#readerOf(ports, limits.pageRows ?? 256)
    this.#wheel = new Deadlines(ports.clock, entry => this.#wake(entry))
    this.#senderPorts = {
      claim: sender => this.#phase === 'open' ? ports.claim(sender) : undefined,
      enqueue: sender => ports.commits.enqueue(sender),
      rest: (sender, times, result) => this.#rest(sender, times, result),
      removed: (sender, rows) => this.#removedRows(sender, rows),
      marked: pending => this.#marked(pending),
    }
  }

  #readerOf(ports: OutboxPorts, pageRows: number): OutboxReader | undefined {
    const { load } = ports
    return load && new OutboxReader({
      clock: ports.clock, log: ports.log, pageRows, load: queries => load.call(ports, queries),
      found: (shard, row) => this.found({ type: shard.type, shard: shard.shard, id: row.id }, row),
      scanned: shard => this.scanned(shard),
      // Those that are held wait for this very reading.
      hasRoom: () => this.#size - this.#held < this.#maxRead,
    })
  }

  /** Sends of this host that are neither applied nor dead. */
  get size(): number {
    return this.#size
  }

  pendingOf(sender: ActorAddress): number {
    return this.#shardOf(sender)?.senders.get(sender.id)?.pending ?? 0
  }

  stats(): { pending: number; underWay: number; slow: number; starved: number; delivered: number; dead: number; removed: number } {
    return {
      pending: this.#size, underWay: this.#slots.quick, slow: this.#slots.slow, starved: this.#starved.length - this.#fed,
      delivered: this.#delivered, dead: this.#dead, removed: this.#removed,
    }
  }

  // ---- shards -----------------------------------------------------------------------------------------------------

  /** This host owns and has claimed the shard: its rows are about to be read from the store. A shard taken before is dropped first. */
  take(shard: ShardKey): void {
    this.drop(shard)
    let ofType = this.#shards.get(shard.type)
    if (ofType === undefined) this.#shards.set(shard.type, (ofType = new Map()))
    ofType.set(shard.shard, { phase: 'reading', senders: new Map(), leave: this.#reader?.read(shard) })
  }

  /** Every send that the store held at `take` was handed to `found`. */
  scanned(shard: ShardKey): void {
    const known = this.#shardOf(shard)
    if (known === undefined || known.phase === 'open') return
    known.phase = 'open'
    for (const sender of known.senders.values()) {
      const { held } = sender
      sender.held = undefined
      if (held !== undefined) {
        this.#unhold(sender, held.length)
        for (const send of held) this.#add(sender, send)
      }
      this.#tidy(sender)
    }
  }

  /** The shard is another's (or will be read again): forgets its sends; late acknowledgements change nothing. */
  drop(shard: ShardKey): void {
    const known = this.#shardOf(shard)
    if (known === undefined) return
    this.#shards.get(shard.type)!.delete(shard.shard)
    known.leave?.()
    for (const sender of known.senders.values()) {
      for (const line of sender.lines.values()) this.#wheel.remove(line)
      this.#wheel.remove(sender)
      this.#unhold(sender, sender.held?.length ?? 0)
      this.#size -= sender.drop()
    }
    this.#reader?.resume()
  }

  /** Nothing leaves any more; rows stay for the next owner. */
  close(): void {
    this.#phase = 'closed'
    this.#wheel.close()
    this.#reader?.close()
  }

  #shardOf(shard: ShardKey): SendShard | undefined {
    return this.#shards.get(shard.type)?.get(shard.shard)
  }

  // ---- sends come -------------------------------------------------------------------------------------------------

  /** Sends of a turn that just became durable, in order. */
  committed(address: ActorAddress, sends: readonly Send[]): void {
    const shard = this.#shardOf(address)
    if (shard === undefined || this.#phase === 'closed') return
    const sender = this.#senderOf(shard, address)
    if (shard.phase === 'open') {
      for (const send of sends) this.#add(sender, send)
      return
    }
    (sender.held ??= []).push(...sends)
    this.#unhold(sender, -sends.length)
  }

  #unhold(sender: OutboxSender, sends: number): void {
    sender.pending -= sends
    this.#size -= sends
    this.#held -= sends
  }

  /** A row found in the store at take-over (rows come in order of numbers per sender; a row known already is ignored). */
  found(address: ActorAddress, row: DueRow): void {
    const shard = this.#shardOf(address)
    if (shard === undefined || row.due === NEVER_DUE || sendNumber(row.name) === undefined || this.#phase === 'closed') return
    let send: Send
    try {
      send = decodeSend(row.name, row.value, showKey(address))
    } catch (error) {
      this.#ports.log.error({ type: address.type, id: address.id, row: row.name }, `a stored send cannot be read and is not delivered: ${messageOf(error)}`)
      return
    }
    if (send.dead !== undefined) return
    const sender = this.#senderOf(shard, address)
    // Both in order: what came by its commit and is now found is the first of those held.
    if (sender.held?.[0]?.number === send.number) {
      sender.held.shift()
      this.#unhold(sender, 1)
    }
    this.#add(sender, send)
  }

  #senderOf(shard: SendShard, address: ActorAddress): OutboxSender {
    let sender = shard.senders.get(address.id)
    if (sender === undefined) {
      // Of its own: what is given may hold an activation alive.
      const { type, shard: index, id } = address
      shard.senders.set(id, (sender = new OutboxSender({ type, shard: index, id }, this.#senderPorts)))
    }
    return sender
  }

  #add(sender: OutboxSender, send: Send): void {
    const line = sender.line(send, this.#window)
    if (!line.add(send)) return
    sender.pending++
    this.#size++
    this.#pump(line)
  }

  // ---- sends leave ------------------------------------------------------------------------------------------------

  /** Lets everything leave that may: now, or when a slot is free, or when its wait is over. */
  #pump(line: SendLine): void {
    if (this.#phase === 'closed' || line.starving) return
    const now = this.#ports.clock.monotonicMs()
    while (this.#slots.free(now)) {
      const pending = line.next(now)
      if (pending === undefined) {
        const { wakeAt } = line
        if (wakeAt !== undefined) this.#wheel.add(line, wakeAt)
        return
      }
      this.#deliver(pending, now)
    }
    if (line.ready(now)) this.#starve(line)
    else if (line.wakeAt !== undefined) this.#wheel.add(line, line.wakeAt)
  }

  #deliver(pending: PendingSend, now: number): void {
    this.#slots.take(pending, now)
    seams.at?.('send.deliver')
    let delivery: Promise<void>
    try {
      delivery = this.#ports.deliver(pending.line.sender.address, pending.send, pending.previous)
    } catch (error) {
      delivery = Promise.reject(error as Error)
    }
    delivery.then(() => this.#applied(pending), (error: unknown) => this.#failed(pending, error))
  }

  #starve(line: SendLine): void {
    line.starving = true
    this.#starved.push(line)
    if (this.#alarm.wheelSlot < 0) this.#wheel.add(this.#alarm, this.#slots.freeAtMs)
  }

  /** In the order they came; one that finds too few slots goes to the end. */
  #feed(): void {
    const now = this.#ports.clock.monotonicMs()
    while (this.#fed < this.#starved.length && this.#slots.free(now)) {
      const line = this.#starved[this.#fed++]!
      line.starving = false
      this.#pump(line)
    }
    if (this.#fed === this.#starved.length) {
      this.#starved = []
      this.#fed = 0
    } else {
      if (this.#fed >= 1_024 && this.#fed * 2 >= this.#starved.length) {
        this.#starved.splice(0, this.#fed)
        this.#fed = 0
      }
      if (this.#alarm.wheelSlot < 0) this.#wheel.add(this.#alarm, this.#slots.freeAtMs)
    }
  }

  // ---- answers ----------------------------------------------------------------------------------------------------

  #applied(pending: PendingSend): void {
    this.#slots.release(pending)
    // Dropped meanwhile: its row may be another's by now.
    if (pending.phase !== 'over' && this.#phase === 'open') {
      seams.at?.('send.acknowledged')
      this.#delivered++
      pending.line.applied(pending)
      this.#leave(pending)
      pending.line.sender.remove(pending.send.number)
    }
    if (this.#starved.length > this.#fed) this.#feed()
  }

  #failed(pending: PendingSend, error: unknown): void {
    this.#slots.release(pending)
    if (pending.phase !== 'over' && this.#phase === 'open') this.#judge(pending, error)
    if (this.#starved.length > this.#fed) this.#feed()
  }

  #judge(pending: PendingSend, error: unknown): void {
    const { line, send } = pending
    const verdict = judge(pending, error, this.#ports.random.float(), this.#backoff)
    const facts = { type: line.sender.address.type, id: line.sender.address.id, send: send.number, target: line.key, method: send.method }
    if (verdict.kind === 'again') {
      line.again(pending, verdict.delayMs === 0 ? 0 : this.#ports.clock.monotonicMs() + verdict.delayMs)
      if (pending.refusals >= WARN_AFTER && Number.isInteger(Math.log2(pending.refusals))) {
        this.#ports.log.warn({ ...facts, refusals: pending.refusals }, `a durable send is not delivered yet: ${messageOf(error)}`)
      }
      return this.#pump(line)
    }
    this.#dead++
    this.#ports.log.error({ ...facts, attempts: pending.failures }, `a durable send failed for good and is a dead letter: ${verdict.error}`)
    line.dying(pending)
    line.sender.mark(pending, { ...send, dead: { error: verdict.error, at: this.#ports.clock.wallMs() } })
  }

  /** The row of a dead letter is written: those behind it go on. */
  #marked(pending: PendingSend): void {
    if (pending.phase !== 'dying') return
    pending.line.marked(pending)
    this.#leave(pending)
  }

  #leave(pending: PendingSend): void {
    const { line } = pending
    const { sender } = line
    sender.pending--
    this.#size--
    this.#reader?.resume()
    if (line.empty) {
      this.#wheel.remove(line)
      sender.leave(line)
    } else this.#pump(line)
  }

  // ---- rows -------------------------------------------------------------------------------------------------------

  #removedRows(sender: OutboxSender, rows: number): void {
    this.#removed += rows
    if (rows > 0) seams.at?.('send.removed')
    this.#tidy(sender)
  }

  #tidy(sender: OutboxSender): void {
    if (!sender.done || sender.dropped) return
    this.#wheel.remove(sender)
    this.#shardOf(sender.address)?.senders.delete(sender.address.id)
  }

  #rest(sender: OutboxSender, times: number, result: CommitResult | undefined): void {
    if (this.#phase === 'closed') return
    if (result !== undefined) {
      const { type, id } = sender.address
      this.#ports.log.warn({ type, id, result, times }, 'rows of acknowledged sends were not removed; that is tried again')
    }
    const waitMs = Math.min(MAX_REST_MS, REST_MS * 2 ** Math.max(0, times - 1))
    this.#wheel.add(sender, this.#ports.clock.monotonicMs() + waitMs)
  }

  #wake(entry: SendLine | OutboxSender | StarvedAlarm): void {
    if (this.#phase === 'closed') return
    if (entry instanceof SendLine) this.#pump(entry)
    else if (entry instanceof OutboxSender) entry.resume()
    else this.#feed()
  }
}
