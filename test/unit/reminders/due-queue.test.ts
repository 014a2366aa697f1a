// The due queue at its edges: many rows of one millisecond, many rows far away, many shards, memory that is full.
import { describe, expect, it } from 'vitest'
import { DueQueue } from '../../../reminders/due-queue.ts'
import type { DueLoad, Held } from '../../../reminders/due-window.ts'
import { NEVER_DUE, type DueRow } from '../../../stores/actor-store.ts'
import { DueIndex } from '../../../stores/memory/due-index.ts'

const NOW = 1_000_000
const limits = { windowMs: 10_000, pageRows: 100, maxRows: 10_000 }
const value = new Uint8Array(1)
const shard = { type: 'T', shard: 0 }
const actor = (id: string): typeof shard & { id: string } => ({ ...shard, id })
const row = (id: string, due: number, name = 'r:x'): DueRow => ({ due, id, name, value })

/** Answers every read that the queue wants now. */
function read(queue: DueQueue, index = new DueIndex(), nowMs = NOW): number {
  let reads = 0
  for (let loads = queue.reads(nowMs, 256); loads.length > 0; loads = queue.reads(nowMs, 256)) {
    for (const load of loads) queue.loaded(load, index.page(load.query), nowMs)
    reads += loads.length
  }
  return reads
}

function taken(given = limits): DueQueue {
  const queue = new DueQueue(given)
  queue.take(shard)
  read(queue)
  return queue
}

describe('a shard that is taken over', () => {
  it('fires ten thousand rows due in the same millisecond, each once, a page in memory at a time', () => {
    const index = new DueIndex()
    for (let i = 0; i < 10_000; i++) index.add(row(`a${String(i).padStart(5, '0')}`, NOW))
    const queue = new DueQueue(limits)
    queue.take(shard)
    const fired = new Set<string>()
    let reads = 0
    let most = 0
    for (;;) {
      reads += read(queue, index)
      most = Math.max(most, queue.size.rows)
      const held = queue.start(NOW)
      if (held === undefined) break
      expect(fired.has(held.row.id)).toBe(false)
      fired.add(held.row.id)
      queue.changed(actor(held.row.id), 'r:x', null, null, NOW)
      queue.finish(held, 'done')
    }
    expect(fired.size).toBe(10_000)
    expect(most).toBeLessThanOrEqual(2 * limits.pageRows)
    expect(reads).toBeLessThanOrEqual(10_000 / limits.pageRows + 2)
    expect([queue.nextFireMs, queue.nextReadMs]).toEqual([undefined, undefined])
  })

  it('is read once, and then only when time comes near the first row that is far away', () => {
    const index = new DueIndex()
    const year = NOW + 365 * 86_400_000
    index.add(row('a', year))
    index.add(row('b', NEVER_DUE))
    const queue = new DueQueue(limits)
    queue.take(shard)
    expect(read(queue, index)).toBe(1)
    expect(queue.nextReadMs).toBe(year - limits.windowMs / 2)
    expect(read(queue, index, year - limits.windowMs / 2 - 1)).toBe(0)
    expect(read(queue, index, year - limits.windowMs / 2)).toBe(1)
    expect([queue.nextFireMs, queue.nextReadMs]).toEqual([year, undefined])
  })

  it('shares its reads with the others: 4,096 shards in 16 calls', () => {
    const queue = new DueQueue(limits)
    for (let i = 0; i < 4_096; i++) queue.take({ type: `T${i % 4}`, shard: i >> 2 })
    for (let call = 0; call < 16; call++) {
      const loads = queue.reads(NOW, 256)
      expect(loads.length).toBe(256)
      for (const load of loads) queue.loaded(load, { rows: [], next: undefined }, NOW)
    }
    expect(queue.reads(NOW, 256)).toEqual([])
    expect(queue.nextReadMs).toBeUndefined()
  })

  it('is read again at once when it is taken again, and what was under way changes nothing', () => {
    const queue = new DueQueue(limits)
    queue.take(shard)
    const [old] = queue.reads(NOW, 1) as [DueLoad]
    queue.take(shard)
    queue.loaded(old, { rows: [row('a', NOW)], next: undefined }, NOW)
    expect(queue.size.rows).toBe(0)
    expect(queue.reads(NOW, 1).length).toBe(1)
  })

  it('says so when a page makes no headway, and asks again', () => {
    const queue = new DueQueue(limits)
    queue.take(shard)
    const [load] = queue.reads(NOW, 1) as [DueLoad]
    expect(queue.loaded(load, { rows: [], next: NOW }, NOW)).toBe(false)
    expect(queue.reads(NOW, 1).length).toBe(1)
  })
})

describe('rows that commits bring', () => {
  it('are in memory when they are near, and one number when they are far', () => {
    const queue = taken({ ...limits, pageRows: 4_000 })
    for (let i = 0; i < 100_000; i++) queue.changed(actor(`a${i}`), 'r:x', i % 100 === 0 ? NOW + 5_000 : NOW + 3_600_000 + i, value, NOW)
    expect(queue.size.rows).toBe(1_000)
    expect(queue.nextFireMs).toBe(NOW + 5_000)
    expect(queue.nextReadMs).toBe(NOW + 3_600_001 - limits.windowMs / 2)
  })

  it('need no read, however long after the last one they come', () => {
    const queue = taken()
    const later = NOW + 86_400_000
    queue.changed(actor('a'), 'r:x', later + 10, value, later)
    expect([queue.nextFireMs, queue.nextReadMs]).toEqual([later + 10, undefined])
  })

  it('are given up for those due earlier when memory is full, and read again in time', () => {
    const index = new DueIndex()
    const queue = taken({ ...limits, maxRows: 1_000 })
    // From the last to the first: each new row is more urgent than all before.
    for (let i = 5_000; i > 0; i--) {
      index.add(row(`a${i}`, NOW + i))
      queue.changed(actor(`a${i}`), 'r:x', NOW + i, value, NOW)
      expect(queue.size.rows).toBeLessThanOrEqual(1_001)
    }
    for (let i = 1; i <= 5_000; i++) {
      read(queue, index, NOW + i)
      const held = queue.start(NOW + i)
      expect(held?.row.id).toBe(`a${i}`)
      queue.changed(actor(`a${i}`), 'r:x', null, null, NOW + i)
      queue.finish(held!, 'done')
    }
    expect(queue.size.rows).toBe(0)
  })

  it('stay in the store when memory is full of rows that are retried', () => {
    const queue = taken({ ...limits, maxRows: 50 })
    for (let i = 0; i < 1_000; i++) {
      queue.changed(actor(`a${i}`), 'r:x', NOW, value, NOW)
      const held = queue.start(NOW)
      if (held !== undefined) queue.retry(held, NOW + 1_000)
    }
    expect(queue.size.rows).toBeLessThanOrEqual(100)
    expect(queue.nextDue()).toBe(NOW)
  })

  it('of actors that hang fill no more than the memory there is, shut out no other shard, and run when it is their turn', () => {
    const given = { ...limits, maxRows: 500 }
    const queue = new DueQueue(given)
    const indexes = [new DueIndex(), new DueIndex()]
    for (let i = 0; i < 5_000; i++) for (const index of indexes) index.add(row('hangs', NOW, `r:${String(i).padStart(4, '0')}`))
    const readAll = (): void => {
      for (let loads = queue.reads(NOW, 256); loads.length > 0; loads = queue.reads(NOW, 256)) {
        for (const load of loads) queue.loaded(load, indexes[load.query.shard]!.page(load.query), NOW)
        for (let held = queue.start(NOW); held !== undefined; held = queue.start(NOW)) if (held.row.id === 'hangs') hanging.push(held)
      }
    }
    const hanging: Held[] = []
    queue.take(shard)
    readAll()
    expect(queue.size).toMatchObject({ rows: 500, firing: 1 })
    queue.take({ type: 'T', shard: 1 })
    readAll()
    expect(queue.size.rows).toBeGreaterThan(600)
    expect(queue.size.rows).toBeLessThanOrEqual(1_000)
    expect(hanging.length).toBe(2)
    // Room for the second one, and it reads on; then its handler hangs no longer.
    queue.drop(shard)
    queue.finish(hanging.shift()!, 'done')
    readAll()
    expect(queue.size.rows).toBe(500)
    let ran = 0
    for (let held = hanging.pop(); held !== undefined; held = hanging.pop() ?? queue.start(NOW)) {
      ran++
      queue.changed({ type: 'T', shard: 1, id: 'hangs' }, held.row.name, null, null, NOW)
      queue.finish(held, 'done')
      readAll()
    }
    expect(ran).toBe(5_000)
  })

  it('are dead letters that are never run', () => {
    const queue = taken()
    queue.changed(actor('a'), 'r:x', NOW, value, NOW)
    const held = queue.start(NOW)!
    queue.changed(actor('a'), 'r:x', NEVER_DUE, value, NOW)
    queue.finish(held, 'done')
    expect(queue.size.rows).toBe(0)
    expect([queue.nextFireMs, queue.nextReadMs]).toEqual([undefined, undefined])
  })
})

describe('a row that is being fired', () => {
  it('and gets a new time meanwhile is armed with that, and not before the fire has ended', () => {
    const queue = taken()
    queue.changed(actor('a'), 'r:x', NOW, value, NOW)
    const held = queue.start(NOW)!
    queue.changed(actor('a'), 'r:x', NOW + 1, value, NOW)
    expect(queue.current(shard, held.row)).toBe(false)
    expect(queue.start(NOW + 1)).toBeUndefined()
    queue.finish(held, 'done')
    expect(queue.start(NOW + 1)?.row.due).toBe(NOW + 1)
  })

  it('and is removed meanwhile is not repeated', () => {
    const queue = taken()
    queue.changed(actor('a'), 'r:x', NOW, value, NOW)
    const held = queue.start(NOW)!
    queue.changed(actor('a'), 'r:x', null, null, NOW)
    queue.retry(held, NOW)
    expect(queue.start(NOW + 1)).toBeUndefined()
    expect(queue.size).toEqual({ shards: 1, rows: 0, firing: 0 })
  })

  it('and ran is not brought back by a page that is older than its commit', () => {
    const queue = taken()
    queue.changed(actor('b'), 'r:x', NOW + 20_000, value, NOW)
    queue.changed(actor('a'), 'r:x', NOW + 1, value, NOW)
    const held = queue.start(NOW + 1)!
    const near = NOW + 16_000
    const [load] = queue.reads(near, 1) as [DueLoad]
    queue.finish(held, 'done')
    queue.loaded(load, { rows: [row('a', NOW + 1), row('b', NOW + 20_000)], next: undefined }, near)
    expect(queue.current(shard, held.row)).toBe(false)
    expect(queue.start(near)).toBeUndefined()
    queue.changed(actor('a'), 'r:x', null, null, near)
    expect(queue.size.rows).toBe(1)
  })

  it('of a dropped shard leaves nothing behind', () => {
    const queue = taken()
    queue.changed(actor('a'), 'r:x', NOW, value, NOW)
    const held = queue.start(NOW)!
    queue.drop(shard)
    expect(queue.current(shard, held.row)).toBe(false)
    queue.retry(held, NOW)
    expect(queue.size).toEqual({ shards: 0, rows: 0, firing: 0 })
    expect(queue.start(NOW + 1)).toBeUndefined()
  })
})

describe('rows of one actor', () => {
  it('are fired one after the other; its sends do not wait for its reminders', () => {
    const queue = taken()
    queue.changed(actor('a'), 'r:x', NOW, value, NOW)
    queue.changed(actor('a'), 'r:y', NOW, value, NOW)
    queue.changed(actor('a'), 'o:00000000001', 0, value, NOW)
    const send = queue.start(NOW)!
    const first = queue.start(NOW)!
    expect([send.row.name, first.row.name]).toEqual(['o:00000000001', 'r:x'])
    expect(queue.start(NOW)).toBeUndefined()
    queue.changed(actor('a'), 'r:x', null, null, NOW)
    queue.finish(first, 'done')
    expect(queue.start(NOW)?.row.name).toBe('r:y')
  })

  it('let others pass while one is retried; sends keep their order', () => {
    const queue = taken()
    for (const name of ['o:00000000001', 'o:00000000002', 'r:x', 'r:y']) queue.changed(actor('a'), name, name.startsWith('o:') ? 0 : NOW, value, NOW)
    const names: (string | undefined)[] = []
    for (let i = 0; i < 4; i++) {
      const held = queue.start(NOW)
      names.push(held?.row.name)
      if (held !== undefined) queue.retry(held, NOW + 10)
    }
    expect(names).toEqual(['o:00000000001', 'r:x', 'r:y', undefined])
    queue.finish(queue.start(NOW + 10)!, 'handed')
    expect(queue.start(NOW + 10)?.row.name).toBe('o:00000000002')
    expect(queue.start(NOW + 10)?.row.name).toBe('r:x')
  })
})

describe('a wall clock that is set back', () => {
  it('makes repeats run at once, but none early, and gives up what is beyond the window', () => {
    const queue = taken()
    queue.changed(actor('a'), 'r:x', NOW - 100_000, value, NOW)
    queue.changed(actor('b'), 'r:x', NOW, value, NOW)
    queue.changed(actor('c'), 'r:x', NOW + 5_000, value, NOW)
    for (let i = 0; i < 2; i++) queue.retry(queue.start(NOW)!, NOW + 500)
    const back = NOW - 60_000
    queue.wentBack(back)
    expect(queue.start(back)?.row.id).toBe('a')
    expect(queue.start(back)).toBeUndefined()
    expect(queue.size.rows).toBe(2)
    expect([queue.nextFireMs, queue.nextReadMs]).toEqual([NOW, NOW + 5_000 - limits.windowMs / 2])
  })
})
