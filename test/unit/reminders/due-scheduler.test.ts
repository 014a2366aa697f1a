// The scheduler with a real store: when it reads, when it fires, how it waits, and what failures do.
import { afterEach, describe, expect, it } from 'vitest'
import { ManualClock, SystemClock, type Clock } from '../../../core/clock.ts'
import { type Logger, silentLogger } from '../../../core/logger.ts'
import { type DueLimits, type DuePorts, DueScheduler, type FireResult } from '../../../reminders/due-scheduler.ts'
import type { DueQuery, DueRow, ShardKey } from '../../../stores/actor-store.ts'
import { MemoryActorStore } from '../../../stores/memory/actor-store.ts'

const shard: ShardKey = { type: 'T', shard: 0 }
const value = new Uint8Array(1)
const NAME = 'r:x'

/** Manual time whose wall clock can be set apart from the monotonic one. */
class JumpingClock extends ManualClock {
  jumpedMs = 0
  override wallMs(): number {
    return super.wallMs() + this.jumpedMs
  }
}

interface Setup<C extends Clock> {
  readonly clock: C
  readonly scheduler: DueScheduler
  readonly fired: DueRow[]
  readonly loads: (readonly DueQuery[])[]
  readonly warnings: string[]
  /** Writes the row and, as an owner does, tells of it. */
  set(id: string, due: number | null, name?: string): Promise<void>
}

const opened: DueScheduler[] = []
afterEach(() => { for (const scheduler of opened.splice(0)) scheduler.close() })

async function setUp<C extends Clock>(
  clock: C, ports: Partial<DuePorts> = {}, limits: DueLimits = {}, store = new MemoryActorStore(),
): Promise<Setup<C>> {
  const warnings: string[] = []
  const log: Logger = { ...silentLogger, warn: (_fields, message) => { warnings.push(message) } }
  const fired: DueRow[] = []
  const loads: (readonly DueQuery[])[] = []
  await store.claim([{ ...shard, epoch: 1, nonce: 'n' }])
  const fire = ports.fire ?? (async (_, row) => {
    await set(row.id, null, row.name)
    return 'done' as const
  })
  const scheduler = new DueScheduler({
    clock, log,
    load: queries => {
      loads.push(queries)
      return ports.load?.(queries) ?? store.due(queries)
    },
    fire: (key, row) => {
      expect(clock.wallMs()).toBeGreaterThanOrEqual(row.due)
      fired.push(row)
      return fire(key, row)
    },
  }, limits)
  opened.push(scheduler)
  const set = async (id: string, due: number | null, name = NAME): Promise<void> => {
    const bytes = due === null ? null : value
    expect(await store.commit([{ ...shard, id, epoch: 1, nonce: 'n', previous: 0, head: null, entries: [[name, bytes, due]] }])).toEqual(['ok'])
    scheduler.changed({ ...shard, id }, name, due, bytes)
  }
  return { clock, scheduler, fired, loads, warnings, set }
}

const idsOf = (rows: readonly DueRow[]): string[] => rows.map(row => row.id)

/** Waits for `done` in real time. */
async function until(done: () => boolean, withinMs = 10_000): Promise<void> {
  const deadline = performance.now() + withinMs
  while (!done()) {
    if (performance.now() > deadline) throw new Error(`not within ${withinMs} ms`)
    await new Promise(resolve => setImmediate(resolve))
  }
}

describe('when it fires', () => {
  it('not a millisecond before the row is due, years away too, and reads nothing meanwhile', async () => {
    const { clock, scheduler, fired, loads, set } = await setUp(new ManualClock())
    scheduler.take(shard)
    await clock.advance(0)
    const due = clock.wallMs() + 30 * 86_400_000
    await set('a', due)
    await clock.advance(due - clock.wallMs() - 1)
    expect(idsOf(fired)).toEqual([])
    await clock.advance(1)
    expect(idsOf(fired)).toEqual(['a'])
    // At take-over, and when time came near the row.
    expect(loads.length).toBe(2)
    expect(scheduler.stats()).toEqual({ shards: 1, rows: 0, firing: 0, nextDue: undefined })
  })

  it('in real time: at once what is due, never early what is not', async () => {
    const { clock, scheduler, fired, set } = await setUp(new SystemClock())
    scheduler.take(shard)
    const now = clock.wallMs()
    for (let i = 0; i < 60; i++) await set(`a${i}`, now - 5 + i)
    // Each fire checks that it is not early.
    await until(() => fired.length === 60)
    expect(clock.wallMs() - now).toBeLessThan(5_000)
  })

  it('a thousand rows of one millisecond within a few of it', async () => {
    const { clock, scheduler, fired, loads, set } = await setUp(new SystemClock())
    scheduler.take(shard)
    await until(() => loads.length === 1)
    const due = clock.wallMs() + 200
    for (let i = 0; i < 1_000; i++) await set(`a${i}`, due)
    await until(() => fired.length === 1_000)
    expect(clock.wallMs() - due).toBeLessThan(1_000)
    expect(loads.length).toBe(1)
  })

  it('after a wall clock has jumped forward, within ten seconds; after it was set back, not before it is due again', async () => {
    const { clock, scheduler, fired, warnings, set } = await setUp(new JumpingClock())
    scheduler.take(shard)
    await clock.advance(0)
    const due = clock.wallMs() + 3_600_000
    await set('a', due)
    clock.jumpedMs = 3_600_000
    await clock.advance(10_000)
    expect(idsOf(fired)).toEqual(['a'])
    await set('b', clock.wallMs() + 5_000)
    clock.jumpedMs = 0
    await clock.advance(3_600_000)
    expect(idsOf(fired)).toEqual(['a'])
    await clock.advance(15_000)
    expect(idsOf(fired)).toEqual(['a', 'b'])
    expect(warnings.length).toBe(1)
  })
})

describe('a repeat', () => {
  it('does not wait for a wall clock that was set back', async () => {
    const clock = new JumpingClock()
    let tries = 0
    const { scheduler, set } = await setUp(clock, {
      fire: () => ++tries < 2 ? { retryAt: clock.wallMs() + 5_000 } : 'handed',
    })
    await set('a', clock.wallMs() - 86_400_000)
    scheduler.take(shard)
    await clock.advance(0)
    clock.jumpedMs = -3_600_000
    await clock.advance(10_000)
    expect(tries).toBe(2)
  })
})

describe('slow and failing fires', () => {
  it('hang by the hundred and delay nobody', async () => {
    const never = new Promise<FireResult>(() => {})
    const late: number[] = []
    const clock = new ManualClock()
    const { scheduler, set } = await setUp(clock, {
      fire: (_, row) => {
        if (row.id.startsWith('hangs')) return never
        late.push(clock.wallMs() - row.due)
        return 'handed'
      },
    })
    scheduler.take(shard)
    await clock.advance(0)
    const due = clock.wallMs() + 1_000
    for (let i = 0; i < 100; i++) await set(`hangs${i}`, due)
    for (let i = 0; i < 1_000; i++) await set(`a${i}`, due)
    await clock.advance(1_100)
    expect(late.length).toBe(1_000)
    expect(Math.max(...late)).toBeLessThanOrEqual(20)
    // Later ones find slots as if nothing were there.
    await set('b', clock.wallMs() + 10_000)
    await clock.advance(10_000)
    expect(late.at(-1)).toBe(0)
    expect(scheduler.stats().firing).toBe(100)
  })

  it('that throw or reject are repeated with backoff, and say so', async () => {
    const times: number[] = []
    const { clock, scheduler, warnings, set } = await setUp(new ManualClock(), {
      fire: () => {
        times.push(clock.wallMs())
        if (times.length === 1) throw new Error('now')
        return times.length < 4 ? Promise.reject(new Error('later')) : 'handed'
      },
    })
    scheduler.take(shard)
    await set('a', clock.wallMs())
    await clock.advance(5_000)
    expect(times.map(at => at - times[0]!)).toEqual([0, 100, 300, 700])
    expect(warnings.length).toBe(3)
  })

  it('that ask for another time get it, and one that asks for now does not take the thread', async () => {
    let asked = 0
    const clock = new ManualClock()
    const { scheduler, set } = await setUp(clock, {
      fire: () => ++asked > 20 ? 'handed' : { retryAt: asked === 1 ? clock.wallMs() + 4_000 : clock.wallMs() },
    })
    scheduler.take(shard)
    await set('a', clock.wallMs())
    await clock.advance(3_999)
    expect(asked).toBe(1)
    await clock.advance(1)
    expect(asked).toBe(2)
    await clock.advance(100)
    expect(asked).toBe(21)
  })

  it('of a dropped shard end without effect', async () => {
    let end: (result: FireResult) => void = () => {}
    const { clock, scheduler, fired, set } = await setUp(new ManualClock(), { fire: () => new Promise(resolve => { end = resolve }) })
    scheduler.take(shard)
    await set('a', clock.wallMs())
    await clock.advance(0)
    scheduler.drop(shard)
    expect(scheduler.current(shard, fired[0]!)).toBe(false)
    end({ retryAt: clock.wallMs() })
    await clock.advance(60_000)
    expect(fired.length).toBe(1)
    expect(scheduler.stats()).toEqual({ shards: 0, rows: 0, firing: 0, nextDue: undefined })
  })
})

describe('reading', () => {
  it('that fails is repeated with backoff, and nothing is lost', async () => {
    const store = new MemoryActorStore()
    let failing = true
    const { clock, scheduler, fired, loads, warnings, set } = await setUp(new ManualClock(), {
      load: queries => failing ? Promise.reject(new Error('no store')) : store.due(queries),
    }, {}, store)
    await set('a', clock.wallMs())
    scheduler.take(shard)
    await clock.advance(60_000)
    expect(fired).toEqual([])
    // 50 ms, doubled up to 5 s.
    expect(loads.length).toBeGreaterThan(12)
    expect(loads.length).toBeLessThan(25)
    expect(warnings.length).toBe(loads.length)
    failing = false
    await clock.advance(5_000)
    expect(idsOf(fired)).toEqual(['a'])
  })

  it('takes few calls for many shards, of which a bounded number are under way', async () => {
    let underWay = 0
    let most = 0
    const { clock, scheduler, loads } = await setUp(new ManualClock(), {
      load: async queries => {
        most = Math.max(most, ++underWay)
        await new Promise(resolve => setImmediate(resolve))
        underWay--
        return queries.map(() => ({ rows: [], next: undefined }))
      },
    })
    for (let i = 0; i < 4_096; i++) scheduler.take({ type: `T${i % 4}`, shard: i >> 2 })
    while (loads.length < 16) await clock.advance(0)
    await clock.advance(3_600_000)
    expect(loads.map(queries => queries.length)).toEqual(Array(16).fill(256))
    expect(most).toBe(4)
  })

  it('of fifty thousand rows due together in one shard fires each once', async () => {
    const rows = Array.from({ length: 50_000 }, (_, i) => ({ due: 1_000, id: `a${String(i).padStart(5, '0')}`, name: NAME, value }))
    const seen = new Set<string>()
    const { scheduler }: Setup<Clock> = await setUp(new SystemClock(), {
      load: async queries => queries.map(({ after, limit }) => {
        const from = after === undefined || after.id === '' ? 0 : Number(after.id.slice(1)) + 1
        return { rows: rows.slice(from, from + limit), next: rows[from + limit]?.due }
      }),
      fire: async (key, row) => {
        expect(seen.has(row.id)).toBe(false)
        seen.add(row.id)
        await new Promise(resolve => setImmediate(resolve))
        scheduler.changed({ ...key, id: row.id }, row.name, null, null)
        return 'done' as const
      },
    })
    scheduler.take(shard)
    await until(() => seen.size === rows.length, 30_000)
    await until(() => scheduler.stats().rows === 0)
  })
})

describe('closed', () => {
  it('it does nothing more', async () => {
    const { clock, scheduler, fired, loads, set } = await setUp(new ManualClock())
    scheduler.take(shard)
    await clock.advance(0)
    await set('a', clock.wallMs() + 1_000)
    scheduler.close()
    scheduler.take({ type: 'T', shard: 1 })
    await clock.advance(60_000)
    expect([fired.length, loads.length]).toEqual([0, 1])
  })
})
