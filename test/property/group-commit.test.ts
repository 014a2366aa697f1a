/**
 * GroupCommit under random schedules against what anyone can check by eye: a store that logs its calls, and actors that
 * log theirs. Steps: an actor changes, the store answers the oldest flush (or one that was given up), time passes.
 */
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { ManualClock } from '../../core/clock.ts'
import type { ActorWrite, CommitResult } from '../../stores/actor-store.ts'
import { GroupCommit, type Committable } from '../../stores/group-commit.ts'
import { MemoryActorStore } from '../../stores/memory/actor-store.ts'

const TIMEOUT_MS = 1_000
const MAX_WRITES = 3
const results: CommitResult[] = ['ok', 'duplicate', 'fenced', 'conflict', 'unavailable', 'unknown']

interface Flush {
  readonly writes: readonly ActorWrite[]
  readonly answer: (results: readonly CommitResult[]) => void
  readonly fail: (error: Error) => void
  readonly startedMs: number
}

/** A store whose answers are given by hand. */
class HandStore extends MemoryActorStore {
  override readonly flushAt: 'jobs'
  readonly flushes: Flush[] = []
  readonly #clock: ManualClock

  constructor(flushAt: 'jobs' | 'tick', clock: ManualClock) {
    super()
    this.flushAt = flushAt as 'jobs'
    this.#clock = clock
  }
  override commit(writes: readonly ActorWrite[]): Promise<readonly CommitResult[]> {
    return new Promise((answer, fail) => { this.flushes.push({ writes, answer, fail, startedMs: this.#clock.monotonicMs() }) })
  }
}

class ModelActor implements Committable {
  readonly id: string
  /** Its writes change entries alone. */
  readonly headless: boolean
  readonly #group: () => GroupCommit
  changes = 0
  queued = false
  /** Changes that each write took, and what it settled with. */
  readonly taken: number[] = []
  readonly settled: CommitResult[] = []
  throwNext = false

  constructor(id: string, headless: boolean, group: () => GroupCommit) {
    this.id = id
    this.headless = headless
    this.#group = group
  }
  change(): void {
    this.changes++
    if (this.queued) return
    this.queued = true
    this.#group().enqueue(this)
  }
  takeWrite(): ActorWrite {
    expect(this.queued).toBe(true)
    // The former write is settled: one write of an actor at a time.
    expect(this.settled.length).toBe(this.taken.length)
    this.queued = false
    if (this.throwNext) {
      this.throwNext = false
      this.taken.push(this.changes)
      throw new Error(`${this.id} cannot be encoded`)
    }
    const bytes = Buffer.from(String(this.changes))
    this.taken.push(this.changes)
    const content = this.headless ? { head: null, entries: [['x', bytes]] as const } : { head: bytes }
    return { type: 'T', shard: 0, id: this.id, epoch: 1, nonce: 'n', previous: this.taken.length - 1, ...content }
  }
  writeSettled(result: CommitResult): void {
    this.settled.push(result)
    expect(this.settled.length).toBe(this.taken.length)
  }
}

const step = fc.oneof(
  { weight: 6, arbitrary: fc.record({ kind: fc.constant('change' as const), actor: fc.nat(5), throws: fc.integer({ min: 0, max: 9 }) }) },
  { weight: 3, arbitrary: fc.record({ kind: fc.constant('answer' as const), flush: fc.nat(3), result: fc.array(fc.constantFrom(...results), { minLength: MAX_WRITES, maxLength: MAX_WRITES }) }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('fail' as const), flush: fc.nat(3) }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('pass' as const), ms: fc.integer({ min: 0, max: 700 }) }) },
)

test.each(['jobs', 'tick'] as const)('one flush at a time, in order for each actor, every write settled once (%s)', async flushAt => {
  await fc.assert(fc.asyncProperty(fc.array(step, { maxLength: 60 }), async steps => {
    const clock = new ManualClock()
    const store = new HandStore(flushAt, clock)
    const faults: unknown[] = []
    const group = new GroupCommit(store, clock, { maxWrites: MAX_WRITES, commitTimeoutMs: TIMEOUT_MS, onFault: error => faults.push(error) })
    const actors = Array.from({ length: 6 }, (_, i) => new ModelActor(`a${i}`, i % 3 === 2, () => group))
    const answered = new Set<Flush>()
    const unanswered = (): Flush[] => store.flushes.filter(flush => !answered.has(flush))
    const check = (): void => {
      // An unanswered flush that is not the last one was given up: it had its time.
      for (const flush of unanswered()) {
        if (flush !== store.flushes.at(-1)) expect(clock.monotonicMs() - flush.startedMs).toBeGreaterThanOrEqual(TIMEOUT_MS)
      }
      for (const flush of store.flushes) {
        expect(flush.writes.length).toBeLessThanOrEqual(MAX_WRITES)
        expect(new Set(flush.writes.map(write => write.id)).size).toBe(flush.writes.length)
      }
      const unsettled = actors.filter(actor => actor.settled.length < actor.taken.length).length
      expect(group.pending).toBe(unsettled + actors.filter(actor => actor.queued).length)
    }
    for (const next of steps) {
      if (next.kind === 'change') {
        const actor = actors[next.actor]!
        actor.throwNext = next.throws === 0
        actor.change()
      } else if (next.kind === 'pass') {
        await clock.advance(next.ms)
      } else {
        const flush = unanswered()[next.flush]
        if (flush === undefined) continue
        answered.add(flush)
        if (next.kind === 'answer') flush.answer(next.result)
        else flush.fail(new Error('against the contract'))
        await clock.advance(0)
      }
      check()
    }
    // Heal: everything that is asked is answered, so all that was queued settles.
    for (let rounds = 0; group.pending > 0; rounds++) {
      expect(rounds).toBeLessThan(50)
      await clock.advance(0)
      for (const flush of unanswered()) {
        answered.add(flush)
        flush.answer(flush.writes.map(() => 'ok'))
      }
      await clock.advance(0)
    }
    await group.idle()
    for (const actor of actors) {
      expect(actor.queued).toBe(false)
      expect(actor.settled.length).toBe(actor.taken.length)
      expect(actor.taken.at(-1) ?? 0).toBe(actor.changes)
      expect(actor.taken).toEqual(actor.taken.toSorted((x, y) => x - y))
    }
    const written = store.flushes.flatMap(flush => flush.writes)
    for (const actor of actors) {
      const mine = written.filter(write => write.id === actor.id).map(write => Number(Buffer.from(write.head ?? write.entries![0]![1]!).toString()))
      expect(mine).toEqual(mine.toSorted((x, y) => x - y))
    }
  }), { numRuns: 120 })
})
