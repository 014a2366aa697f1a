/**
 * Durable sends on their way: every send of an actor of this host's shards, from its commit to the removal of its row.
 *
 * Promises:
 * - Each send is delivered until its target has it durable (send-deliveries.ts); in order for each pair of sender and target
 *   (send-line.ts); one target's trouble delays no other.
 * - A row goes only after its send was applied, or stays for good as a dead letter (send-verdict.ts), which delays none.
 * - What is forgotten (a crash, `drop`) is found again in the store by the shard's next owner; the target knows by their numbers
 *   those that it has applied.
 *
 * A shard is first read (`take`, `found` …), and only then open (`scanned`): sends committed meanwhile wait, since the target
 * would take an older one, found after them, for a repeat. Sends of a shard that is not taken are left to the reading that
 * follows its `take`. Given `load`, the outbox reads by itself (outbox-reader.ts). Attempts are counted in memory: a new owner
 * counts anew.
 */
import { messageOf } from '../../core/errors.ts'
import { showKey } from '../../core/ids.ts'
import { mechanisms } from '../../core/mechanisms.ts'
import { seams } from '../../core/seams.ts'
import { NEVER_DUE, type ActorAddress, type CommitResult, type DueRow, type ShardKey } from '../../stores/actor-store.ts'
import { Deadlines } from '../dispatch/deadlines.ts'
import type { OutboxLimits, OutboxPorts } from './outbox-ports.ts'
import { OutboxReader } from './outbox-reader.ts'
import { OutboxSender, type SenderPorts } from './outbox-sender.ts'
import { SendDeliveries } from './send-deliveries.ts'
import type { PendingSend } from './send-line.ts'
import { decodeSend, sendNumber, type Send } from './send-row.ts'
import { MARK_PREFIX } from './suspects.ts'

export type { OutboxLimits, OutboxPorts } from './outbox-ports.ts'

interface SendShard {
  phase: 'reading' | 'open'
  readonly senders: Map<string, OutboxSender>
  /** Gives up its reading. */
  readonly leave: (() => void) | undefined
}

const REST_MS = 100
const MAX_REST_MS = 5_000
const QUIET_MS = 5_000

export class Outbox {
  readonly #ports: OutboxPorts
  readonly #window: number
  readonly #shards = new Map<string, Map<number, SendShard>>()
  readonly #deliveries: SendDeliveries
  /** Senders whose write failed. */
  readonly #resting: Deadlines<OutboxSender>
  readonly #senderPorts: SenderPorts
  readonly #reader: OutboxReader | undefined
  readonly #maxRead: number
  readonly #maxReadBytes: number
  #size = 0
  #bytes = 0
  /** Of those, sends whose shard is still being read. */
  #held = 0
  #heldBytes = 0
  #delivered = 0
  #dead = 0
  #removed = 0
  #quietUntilMs = 0
  #phase: 'open' | 'closed' = 'open'

  constructor(ports: OutboxPorts, limits: OutboxLimits = {}) {
    this.#ports = ports
    this.#window = limits.window ?? 64
    this.#deliveries = new SendDeliveries({
      clock: ports.clock, random: ports.random, log: ports.log,
      deliver: (sender, send, previous) => ports.deliver(sender, send, previous),
      lost: (send, error) => ports.lost?.(send, error),
      applied: pending => this.#applied(pending),
      died: (pending, error) => this.#died(pending, error),
    }, {
      maxUnderWay: limits.maxUnderWay ?? 16_384, slowMs: limits.slowMs ?? 250,
      maxBackoffMs: limits.maxBackoffMs ?? 60_000, maxRefusedMs: limits.maxRefusedMs ?? 5_000,
    })
    this.#resting = new Deadlines(ports.clock, sender => sender.resume())
    this.#maxRead = limits.maxRead ?? 100_000
    this.#maxReadBytes = limits.maxReadBytes ?? 128 * 1024 * 1024
    this.#reader = this.#readerOf(ports, limits.pageRows ?? 256)
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
      hasRoom: () => this.#size - this.#held < this.#maxRead && this.#bytes - this.#heldBytes < this.#maxReadBytes,
    })
  }

  /** Sends of this host that are neither applied nor dead. */
  get size(): number {
    return this.#size
  }

  /** What they take. */
  get bytes(): number {
    return this.#bytes
  }

  pendingOf(sender: ActorAddress): number {
    return this.#shardOf(sender)?.senders.get(sender.id)?.pending ?? 0
  }

  /** What became so far of a send that is under way; undefined when this host knows of none. */
  progressOf(sender: ActorAddress, number: number): { readonly failures: number; readonly problem: string | undefined } | undefined {
    for (const line of this.#shardOf(sender)?.senders.get(sender.id)?.lines.values() ?? []) {
      const pending = line.find(number)
      if (pending !== undefined) return pending
    }
    return undefined
  }

  stats(): { pending: number; underWay: number; slow: number; starved: number; delivered: number; dead: number; removed: number } {
    return {
      pending: this.#size, underWay: this.#deliveries.underWay, slow: this.#deliveries.slow, starved: this.#deliveries.starved,
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
        for (const send of held) this.#hold(sender, send, -1)
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
      for (const line of sender.lines.values()) this.#deliveries.forget(line)
      this.#resting.remove(sender)
      for (const send of sender.held ?? []) this.#hold(sender, send, -1)
      this.#size -= sender.pending
      this.#bytes -= sender.bytes
      sender.drop()
    }
    this.#reader?.resume()
  }

  /** Nothing leaves any more; rows stay for the next owner. */
  close(): void {
    this.#phase = 'closed'
    this.#deliveries.close()
    this.#resting.close()
    this.#reader?.close()
  }

  #shardOf(shard: ShardKey): SendShard | undefined {
    return this.#shards.get(shard.type)?.get(shard.shard)
  }

  // ---- sends come -------------------------------------------------------------------------------------------------

  /** Sends of a turn that just became durable, in order. */
  committed(address: ActorAddress, sends: readonly Send[]): void {
    const shard = this.#shardOf(address)
    if (shard === undefined || sends.length === 0 || this.#phase === 'closed') return
    const sender = this.#senderOf(shard, address)
    if (shard.phase === 'open' || mechanisms.off?.has('outbox-order')) {
      for (const send of sends) this.#add(sender, send)
      return
    }
    for (const send of sends) {
      (sender.held ??= []).push(send)
      this.#hold(sender, send, 1)
    }
  }

  #hold(sender: OutboxSender, send: Send, by: 1 | -1): void {
    this.#count(sender, send, by)
    this.#held += by
    this.#heldBytes += by * (send.bytes ?? 0)
  }

  #count(sender: OutboxSender, send: Send, by: 1 | -1): void {
    const bytes = by * (send.bytes ?? 0)
    sender.pending += by
    sender.bytes += bytes
    this.#size += by
    this.#bytes += bytes
  }

  /** A row found in the store at take-over (rows come in order of numbers per sender; a row known already is ignored). */
  found(address: ActorAddress, row: DueRow): void {
    const shard = this.#shardOf(address)
    if (shard !== undefined && row.name.startsWith(MARK_PREFIX)) return this.#ports.mark?.(address, row)
    if (shard === undefined || row.due === NEVER_DUE || sendNumber(row.name) === undefined || this.#phase === 'closed') return
    let send: Send
    try {
      send = { ...decodeSend(row.name, row.value, showKey(address)), bytes: row.value.length }
    } catch (error) {
      this.#ports.log.error({ type: address.type, id: address.id, row: row.name }, `a stored send cannot be read and is not delivered: ${messageOf(error)}`)
      return
    }
    if (send.dead !== undefined) return
    const sender = this.#senderOf(shard, address)
    // Both in order: what came by its commit and is now found is the first of those held.
    if (sender.held?.[0]?.number === send.number) {
      this.#hold(sender, sender.held.shift()!, -1)
    } else if (shard.phase === 'reading') this.#ports.foundSend?.(address, row.id, row.name)
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
    this.#count(sender, send, 1)
    this.#deliveries.pump(line)
  }

  // ---- sends end --------------------------------------------------------------------------------------------------

  #applied(pending: PendingSend): void {
    this.#delivered++
    this.#leave(pending)
    pending.line.sender.remove(pending.send.number)
  }

  #died(pending: PendingSend, error: string): void {
    this.#dead++
    pending.line.sender.mark(pending, { ...pending.send, dead: { error, at: this.#ports.clock.wallMs() } })
  }

  /** The row of a dead letter is written: those behind it go on. */
  #marked(pending: PendingSend): void {
    if (pending.phase !== 'dying') return
    pending.line.marked(pending)
    this.#leave(pending)
  }

  #leave({ line, send }: PendingSend): void {
    const { sender } = line
    this.#count(sender, send, -1)
    this.#reader?.resume()
    if (line.empty) {
      this.#deliveries.forget(line)
      sender.leave(line)
    } else this.#deliveries.pump(line)
  }

  // ---- rows -------------------------------------------------------------------------------------------------------

  #removedRows(sender: OutboxSender, rows: number): void {
    this.#removed += rows
    if (rows > 0) seams.at?.('send.removed')
    this.#tidy(sender)
  }

  #tidy(sender: OutboxSender): void {
    if (!sender.done || sender.dropped) return
    this.#resting.remove(sender)
    this.#shardOf(sender.address)?.senders.delete(sender.address.id)
  }

  #rest(sender: OutboxSender, times: number, result: CommitResult | undefined): void {
    if (this.#phase === 'closed') return
    const now = this.#ports.clock.monotonicMs()
    // A store that is away fails the writes of all senders: one of them says so.
    if (result !== undefined && now >= this.#quietUntilMs) {
      this.#quietUntilMs = now + QUIET_MS
      this.#ports.log.warn({ actor: showKey(sender.address), result, times }, 'rows of delivered sends were not removed; that is tried again')
    }
    this.#resting.add(sender, now + Math.min(MAX_REST_MS, REST_MS * 2 ** Math.max(0, times - 1)))
  }
}
