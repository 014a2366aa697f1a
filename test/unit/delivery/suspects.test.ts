/** Which rows run under a mark, what the marks say, and who is blamed. */
import { describe, expect, test } from 'vitest'
import { SystemClock } from '../../../core/clock.ts'
import { encode } from '../../../core/codec.ts'
import { SeededRandom } from '../../../core/random.ts'
import { isCulprit, MARK_PREFIX, Suspects } from '../../../runtime/delivery/suspects.ts'
import type { EntryChange } from '../../../stores/actor-store.ts'
import { GroupCommit } from '../../../stores/group-commit.ts'
import { MemoryActorStore } from '../../../stores/memory/actor-store.ts'
import { eventually } from '../activation/eventually.ts'

const shard = { type: 'A', shard: 0 }
const NOW = 1_000_000
const ROW = 'r:tick'

async function setUp() {
  const store = new MemoryActorStore()
  const epoch = { epoch: 1, nonce: 'n' }
  await store.claim([{ ...shard, ...epoch }])
  const commits = new GroupCommit(store, new SystemClock())
  let claim: typeof epoch | undefined = epoch
  const life = () => new Suspects({
    commits, claim: () => claim, random: new SeededRandom(1), wallMs: () => NOW,
    isStored: async (actor, name) => (await store.loadEntries([{ actor, names: [name] }])[0]!)[0] !== undefined,
  })
  const put = async (...entries: EntryChange[]): Promise<void> => {
    const [result] = await store.commit([{ ...shard, id: 'a', ...epoch, previous: 0, head: null, entries }])
    expect(result).toBe('ok')
  }
  const rows = async () => (await store.due([{ ...shard, until: Number.MAX_SAFE_INTEGER, limit: 100 }]))[0]!.rows
  const marks = async () => (await rows()).filter(row => row.name.startsWith(MARK_PREFIX)).map(row => row.name)
  /** Another owner, after the death of the one before: it has read the marks. */
  const takeOver = async (planned = false): Promise<Suspects> => {
    const suspects = life()
    suspects.take(shard, planned)
    for (const row of await rows()) {
      if (row.name.startsWith(MARK_PREFIX)) suspects.foundMark(shard, row)
      else if (row.name.startsWith('o:')) suspects.foundSend(shard, row.id, row.name)
    }
    return suspects
  }
  return { put, rows, marks, takeOver, unclaim: () => { claim = undefined } }
}

/** Runs that end when they are told to. */
function runs() {
  const started: string[] = []
  const ends = new Map<string, () => void>()
  const run = (name: string) => (): Promise<string> => {
    started.push(name)
    return new Promise(resolve => ends.set(name, () => resolve('done')))
  }
  return { started, run, end: (name: string) => ends.get(name)!() }
}
const isDone = (result: unknown): boolean => result === 'done'
const tick = () => new Promise(resolve => setImmediate(resolve))

describe('who is suspected', () => {
  test('after a planned hand-over nobody', async () => {
    const { takeOver, put } = await setUp()
    await put(['o:00000000001', new Uint8Array(1), 0])
    const suspects = await takeOver(true)
    expect(suspects.of(shard, 'a', ROW, NOW - 10)).toBeUndefined()
    expect(suspects.of(shard, 'a', 'o:00000000001', 0)).toBeUndefined()
    expect(suspects.noSends(shard)).toBe(true)
  })

  test('after a death what was due by then, clocks being apart by two seconds, and sends that were found', async () => {
    const { takeOver, put } = await setUp()
    await put(['o:00000000001', new Uint8Array(1), 0])
    const suspects = await takeOver()
    expect(suspects.of(shard, 'a', ROW, NOW - 10)).toMatchObject({ marked: 0 })
    expect(suspects.of(shard, 'a', ROW, NOW + 2_000)).toMatchObject({ marked: 0 })
    expect(suspects.of(shard, 'a', ROW, NOW + 2_001)).toBeUndefined()
    expect(suspects.of(shard, 'a', 'o:00000000001', 0)).toMatchObject({ marked: 0 })
    expect(suspects.of(shard, 'a', 'o:00000000002', 0)).toBeUndefined()
    expect(suspects.of({ type: 'A', shard: 1 }, 'a', ROW, NOW)).toBeUndefined()
  })

  test('not what this host has written itself, nor what it reads again', async () => {
    const { takeOver } = await setUp()
    const suspects = await takeOver()
    suspects.wrote({ ...shard, id: 'a' }, ROW, NOW - 5)
    suspects.wrote({ ...shard, id: 'a' }, 'o:00000000001', 0)
    suspects.foundSend(shard, 'a', 'o:00000000001')
    suspects.take(shard, true)
    suspects.foundSend(shard, 'a', 'o:00000000002')
    expect(suspects.of(shard, 'a', ROW, NOW - 5)).toBeUndefined()
    expect(suspects.of(shard, 'a', 'o:00000000001', 0)).toBeUndefined()
    expect(suspects.of(shard, 'a', 'o:00000000002', 0)).toBeUndefined()
    expect(suspects.of(shard, 'b', ROW, NOW - 5)).toBeDefined()
  })
})

describe('a mark', () => {
  test('is stored before its row runs, and gone when that has run', async () => {
    const { takeOver, marks } = await setUp()
    const suspects = await takeOver()
    let during: string[] = []
    const result = await suspects.run(suspects.of(shard, 'a', ROW, NOW)!, async () => {
      during = await marks()
      return 'done'
    }, isDone)
    expect(result).toBe('done')
    expect(during).toEqual(['m:r:tick'])
    await eventually(marks, found => found.length === 0, 'the mark is gone')
    expect(suspects.of(shard, 'a', ROW, NOW)).toBeUndefined()
  })

  test('counts from death to death; with the third, counting the first that had none, its row is the culprit', async () => {
    const { takeOver } = await setUp()
    const counts: unknown[] = []
    for (let death = 1; death <= 3; death++) {
      const suspects = await takeOver()
      const suspect = suspects.of(shard, 'a', ROW, NOW)!
      counts.push([suspect.marked, isCulprit(suspect)])
      // It never comes back: its host dies of it.
      if (death < 3) await new Promise<void>(resolve => void suspects.run(suspect, () => { resolve(); return new Promise(() => undefined) }, isDone))
    }
    expect(counts).toEqual([[0, false], [2, false], [3, true]])
  })

  test('of another occurrence, and of a form that is not known, says nothing', async () => {
    const { takeOver, put } = await setUp()
    await put(['m:r:tick', encode([2, NOW - 500], 'mark'), 0], ['m:r:other', new Uint8Array([1]), 0])
    const suspects = await takeOver()
    expect(suspects.of(shard, 'a', ROW, NOW - 400)).toMatchObject({ marked: 0 })
    expect(suspects.of(shard, 'a', 'r:other', NOW - 400)).toMatchObject({ marked: 0 })
    expect(suspects.of(shard, 'a', ROW, NOW - 500)).toMatchObject({ marked: 2 })
  })

  test('that comes with a planned hand-over was not followed by a death', async () => {
    const { takeOver, put } = await setUp()
    await put(['m:r:tick', encode([2, NOW], 'mark'), 0])
    expect((await takeOver(true)).of(shard, 'a', ROW, NOW)).toMatchObject({ marked: 1 })
    expect((await takeOver()).of(shard, 'a', ROW, NOW)).toMatchObject({ marked: 2 })
  })

  test('is not made by a host that stops', async () => {
    const { takeOver, marks } = await setUp()
    const suspects = await takeOver()
    suspects.close()
    await expect(suspects.run(suspects.of(shard, 'a', ROW, NOW)!, async () => 'done', isDone)).rejects.toMatchObject({ code: 'HOST_STOPPING', executed: 'no' })
    expect(await marks()).toEqual([])
  })

  test('whose row is gone is swept, any other is not', async () => {
    const { takeOver, put, marks, rows } = await setUp()
    await put(['m:r:tick', encode([1, 5], 'mark'), 0], ['m:r:here', encode([1, 5], 'mark'), 0], ['r:here', new Uint8Array(1), 5])
    const suspects = await takeOver()
    for (const row of await rows()) if (row.name.startsWith(MARK_PREFIX)) await suspects.sweep(shard, row)
    expect(await marks()).toEqual(['m:r:here'])
  })

  test('that cannot be stored lets nothing run', async () => {
    const { takeOver, unclaim } = await setUp()
    const suspects = await takeOver()
    unclaim()
    let ran = false
    await expect(suspects.run(suspects.of(shard, 'a', ROW, NOW)!, async () => { ran = true }, isDone)).rejects.toMatchObject({ code: 'STORE_UNAVAILABLE', executed: 'no' })
    expect(ran).toBe(false)
  })

  test.each([0, 1])('of a row that could not begin is as it was: %i', async before => {
    const { takeOver, put, rows } = await setUp()
    if (before > 0) await put(['m:r:tick', encode([before, NOW], 'mark'), 0], [ROW, new Uint8Array(1), NOW])
    const suspects = await takeOver()
    for (let i = 0; i < 3; i++) {
      const suspect = suspects.of(shard, 'a', ROW, NOW)!
      expect(suspect.marked).toBe(before)
      await suspects.run(suspect, async () => ({ retryAt: 1 }), isDone)
    }
    await tick()
    const left = (await rows()).filter(row => row.name === 'm:r:tick')
    expect(left.map(row => row.value)).toEqual(before === 0 ? [] : [encode([before, NOW], 'mark')])
  })
})

describe('the innocent', () => {
  test('run one at a time when they are few, or when something is known against them', async () => {
    const { takeOver, put } = await setUp()
    await put(...['x', 'y'].map((name): EntryChange => [`m:r:${name}`, encode([1, NOW], 'mark'), 0]))
    const suspects = await takeOver()
    const { started, run, end } = runs()
    const ended = ['a', 'b', 'x', 'y'].map(name => suspects.run(suspects.of(shard, name, `r:${name}`, NOW)!, run(name), isDone))
    for (let count = 1; count <= 4; count++) {
      await eventually(() => Promise.resolve(started.length), length => length === count, `${count} have started`)
      await tick()
      expect(started.length).toBe(count)
      end(started.at(-1)!)
    }
    await Promise.all(ended)
  })

  test('run beside each other when they are many, and are not blamed for the death of all', async () => {
    const { takeOver } = await setUp()
    const names = Array.from({ length: 30 }, (_, i) => `n${i}`)
    const suspects = await takeOver()
    const { started, run } = runs()
    for (const name of names) void suspects.run(suspects.of(shard, name, `r:${name}`, NOW)!, run(name), isDone)
    await eventually(() => Promise.resolve(started.length), count => count >= 26, 'all but those in line have started')
    await tick()
    expect(started.length).toBeLessThan(28)
    // Now their host dies. One of them ran alone, the others beside each other.
    const next = await takeOver()
    const marked = names.map(name => next.of(shard, name, `r:${name}`, NOW)!.marked).toSorted()
    expect(marked.filter(mark => mark === 2)).toHaveLength(1)
    expect(Math.max(...marked)).toBe(2)
  })

  test('keep the order of one actor', async () => {
    const { takeOver } = await setUp()
    const suspects = await takeOver()
    const order: string[] = []
    await Promise.all(['1', '2', '3', '4'].map(name => suspects.run(suspects.of(shard, 'a', `r:${name}`, NOW)!, async () => { order.push(name); return 'done' }, isDone)))
    expect(order).toEqual(['1', '2', '3', '4'])
  })

  test('that fails is not held against the next', async () => {
    const { takeOver, put } = await setUp()
    await put(...['x', 'y'].map((name): EntryChange => [`m:r:${name}`, encode([1, NOW], 'mark'), 0]))
    const suspects = await takeOver()
    const [x, y] = ['x', 'y'].map(name => suspects.of(shard, 'a', `r:${name}`, NOW)!)
    const failed = suspects.run(x!, () => Promise.reject(new Error('no')), isDone)
    const next = suspects.run(y!, async () => 'done', isDone)
    await expect(failed).rejects.toThrow('no')
    expect(await next).toBe('done')
  })

  test('while it runs, its own mark is not held against it when the shard is read again', async () => {
    const { takeOver, put, rows } = await setUp()
    await put(['m:r:x', encode([1, NOW], 'mark'), 0])
    const suspects = await takeOver()
    const { started, run, end } = runs()
    const ended = suspects.run(suspects.of(shard, 'a', 'r:x', NOW)!, run('x'), isDone)
    await eventually(() => Promise.resolve(started.length), count => count === 1, 'it runs')
    suspects.take(shard, true)
    for (const row of await rows()) suspects.foundMark(shard, row)
    expect(suspects.of(shard, 'a', 'r:x', NOW)).toMatchObject({ marked: 1 })
    end('x')
    await ended
  })
})
