/** What an import makes of rows, against a store of Dapr's in memory. */
import { describe, expect, it } from 'vitest'
import { ManualClock } from '../../../../core/clock.ts'
import { TroupeError } from '../../../../core/errors.ts'
import { importDapr, surveyDapr, type ImportTarget } from '../../../../gateway/dapr/import/dapr-import.ts'
import { hostImportTarget } from '../../../../gateway/dapr/import/host-import-target.ts'
import type { ImportReport } from '../../../../gateway/dapr/import/import-report.ts'
import type { ManageRequest } from '../../../../runtime/dispatch/dispatcher.ts'
import type { DaprRow, DaprRows, UnreadableRow } from '../../../../stores/dapr-rows.ts'
import { MemoryImportTarget } from './memory-import-target.ts'

class MemoryRows implements DaprRows {
  readonly name = 'memory'
  readonly rows: Map<string, DaprRow | UnreadableRow>
  /** Most keys that were read at once. */
  most = 0

  constructor(rows: Record<string, string | DaprRow | UnreadableRow>) {
    this.rows = new Map(Object.entries(rows).map(([key, row]) => [key, typeof row === 'string' ? { value: Buffer.from(row), ttlMs: undefined } : row]))
  }
  async open(): Promise<void> {}
  async close(): Promise<void> {}
  async *keys(): AsyncGenerator<readonly string[]> {
    const keys = [...this.rows.keys()]
    for (let from = 0; from < keys.length; from += 100) yield keys.slice(from, from + 100)
  }
  async read(keys: readonly string[]): Promise<(DaprRow | UnreadableRow | undefined)[]> {
    this.most = Math.max(this.most, keys.length)
    return keys.map(key => this.rows.get(key))
  }
}

const run = async (rows: MemoryRows, target: ImportTarget, appId?: string, ...types: string[]): Promise<ImportReport> =>
  importDapr(rows, target, await surveyDapr(rows, { appId, types }), new ManualClock(Date.parse('2026-03-01T00:00:00Z')))

const reasons = (report: ImportReport) => Object.fromEntries(report.skipped.map(({ reason, count, example }) => [reason, [count, example]]))

describe('an import', () => {
  it('takes state byte for byte, with its time to live, an actor at a time', async () => {
    const odd = Buffer.from([0, 255, 128, 10])
    const rows = new MemoryRows({
      'shop||Account||a||balance': '{ "n" : 12345678901234567890 }',
      'shop||Account||a||blob': { value: odd, ttlMs: 5000 },
      'shop||Account||order||17||k': '""',
      'shop||Cart||a||gone': { value: odd, ttlMs: 0 },
    })
    const target = new MemoryImportTarget()
    expect(await run(rows, target)).toEqual({ actors: 2, actorsExact: true, keys: 3, bytes: 36, reminders: 0, skipped: [] })
    expect(target.commits).toBe(2)
    expect(target.show()).toEqual({
      'Account/a': { balance: '{ "n" : 12345678901234567890 }', blob: odd.toString(), 'blob ttl': 5000 },
      'Account/order||17': { k: '""' },
    })
  })

  it('twice leaves the same as once, and holds few values at once', async () => {
    const rows = new MemoryRows(Object.fromEntries(Array.from({ length: 1000 }, (_, i) => [`shop||Account||a${i % 10}||k${i}`, String(i)])))
    const target = new MemoryImportTarget()
    const once = await run(rows, target)
    const shown = target.show()
    expect(await run(rows, target)).toEqual(once)
    expect(target.show()).toEqual(shown)
    expect(once).toMatchObject({ actors: 10, keys: 1000 })
    expect(rows.most).toBeLessThanOrEqual(32)
  })

  it('says what it passes over and why', async () => {
    const rows = new MemoryRows({
      'shop||Account||a||k': '1', 'shop||cart': '1', 'session:1': '1', 'session:2': '1', 'Account||a||daily': '{}',
      'shop||Account||a/b||k': '1', 'shop||Acc#ount||a||k': '1', 'shop||dapr.internal.default.shop.workflow||w||metadata': '1',
      'shop||Account||json||k': { unreadable: 'it is a document' }, 'blog||post': '1',
    })
    const target = new MemoryImportTarget()
    const report = await run(rows, target)
    expect(report).toMatchObject({ actors: 1, keys: 1 })
    expect(reasons(report)).toEqual({
      'no key that Dapr writes: it holds no ||': [2, 'session:1'],
      'state of the application itself, of no actor': [1, 'shop||cart'],
      'a note when a reminder of Account ran last; it is read with the reminder': [1, 'Account||a||daily'],
      'of "blog", not of the application shop': [1, 'blog||post'],
      'a type or id that cannot be used: invalid request: invalid actorId: it holds a character of / \\ # ? or a control character': [1, 'shop||Account||a/b||k'],
      'a type or id that cannot be used: invalid request: invalid actorType: it holds a character of / \\ # ? or a control character': [1, 'shop||Acc#ount||a||k'],
      'of a workflow, which only the engine that wrote it can run': [1, 'shop||dapr.internal.default.shop.workflow||w||metadata'],
      'it is a document': [1, 'shop||Account||json||k'],
    })
    expect(reasons(await run(rows, target, 'shop', 'Cart'))['of a type that was not asked for']).toEqual([5, 'shop||Account||a||k'])
  })

  it('wants to know whose state it is when there is that of several applications', async () => {
    const rows = new MemoryRows({ 'shop||Account||a||k': '1', 'blog||Post||a||k': '2' })
    await expect(run(rows, new MemoryImportTarget())).rejects.toMatchObject({ code: 'BAD_OPTION', message: expect.stringContaining('several applications: shop, blog; say whose with --app-id') as string })
    const target = new MemoryImportTarget()
    expect(await run(rows, target, 'blog')).toMatchObject({ keys: 1, skipped: [{ reason: 'of "shop", not of the application blog' }] })
    expect(target.show()).toEqual({ 'Post/a': { k: '2' } })
  })

  it('of an application that has none there says whose there is', async () => {
    const rows = new MemoryRows({ 'shop||Cart||ada||items': '1', 'actors||Cart': '[]' })
    await expect(run(rows, new MemoryImportTarget(), 'wrong')).rejects.toMatchObject({ code: 'BAD_OPTION', message: expect.stringContaining('there is state of shop') as string })
  })

  it('passes over what is refused, and only that', async () => {
    const rows = new MemoryRows({ 'shop||A||a||good': '1', 'shop||A||a||bad': '2', 'shop||A||a||fine': '3' })
    const target = new MemoryImportTarget()
    target.refuse = key => key === 'bad' ? new TroupeError('PAYLOAD_TOO_LARGE', 'it is too large') : undefined
    const report = await run(rows, target)
    expect(report).toMatchObject({ keys: 2, skipped: [{ reason: 'refused with PAYLOAD_TOO_LARGE', count: 1, example: 'shop||A||a||bad: it is too large' }] })
    expect(target.show()).toEqual({ 'A/a': { good: '1', fine: '3' } })
  })

  it('ends when the store is away', async () => {
    const target = new MemoryImportTarget()
    target.refuse = () => new TroupeError('STORE_UNAVAILABLE', 'away')
    await expect(run(new MemoryRows({ 'shop||A||a||k': '1' }), target)).rejects.toMatchObject({ code: 'STORE_UNAVAILABLE' })
  })
})

describe('reminders', () => {
  const reminder = (id: string, name: string, more: object = {}) => ({ actorID: id, actorType: 'Account', name, period: '10s', registeredTime: '2026-02-01T00:00:00Z', ...more })

  it('come from the array of their type, with notes of their last runs', async () => {
    const rows = new MemoryRows({
      'actors||Account': JSON.stringify([reminder('a', 'daily', { data: 'x' }), reminder('b||c', 'daily'), reminder('a', 'odd', { period: 'often' })]),
      'Account||b||c||daily': '{"lastFiredTime":"2026-02-28T00:00:00Z","repetitionLeft":-1}',
      'shop||Account||a||k': '1',
    })
    const target = new MemoryImportTarget()
    const report = await run(rows, target, 'shop')
    expect(report).toMatchObject({ actors: 2, keys: 1, reminders: 2 })
    expect(report.skipped.map(({ reason }) => reason)).toEqual([expect.stringMatching(/schedule that cannot be read/), expect.stringMatching(/a note when/)])
    expect(target.reminders).toEqual(new Map([
      ['Account/a daily', { schedule: { every: 10_000, first: new Date('2026-02-01T00:00:00Z') }, data: { json: '"x"' }, written: { dueTime: '', period: '10s', ttl: '' } }],
      ['Account/b||c daily', { schedule: { every: 10_000, first: new Date('2026-02-28T00:00:10Z') }, data: undefined, written: { dueTime: '', period: '10s', ttl: '' } }],
    ]))
  })

  it('come from the parts that the metadata names, and from no others', async () => {
    const rows = new MemoryRows({
      'actors||Account': JSON.stringify([reminder('old', 'r')]),
      'actors||Account||metadata': '{"id":"m2","actorRemindersMetadata":{"partitionCount":3}}',
      'actors||Account||m1||reminders||1': JSON.stringify([reminder('older', 'r')]),
      'actors||Account||m2||reminders||1': JSON.stringify([reminder('a', 'r')]),
      'actors||Account||m2||reminders||3': JSON.stringify([reminder('c', 'r')]),
    })
    const target = new MemoryImportTarget()
    const report = await run(rows, target)
    expect(report).toMatchObject({ reminders: 2, keys: 0, skipped: [{ reason: 'reminders that are kept in parts now', count: 1 }] })
    expect([...target.reminders.keys()]).toEqual(['Account/a r', 'Account/c r'])
  })
})

describe('the host that writes', () => {
  it('makes an actor active before it changes its state', async () => {
    const asked: string[] = []
    let active = false
    const target = hostImportTarget({ manage: async ({ operation }: ManageRequest) => {
      asked.push(operation)
      if (operation === 'reminders.list') active = true
      else if (operation === 'state.transact' && !active) throw new TroupeError('NOT_ACTIVE', 'actor instance is missing')
      return { value: undefined, host: 'h', epoch: 1 }
    } })
    await target.state('A', 'a', [])
    await target.state('A', 'a', [])
    expect(asked).toEqual(['state.transact', 'reminders.list', 'state.transact', 'state.transact'])
  })

  it('ends the import when an actor is active elsewhere', async () => {
    const target = hostImportTarget({ manage: async ({ operation }: ManageRequest) => {
      if (operation === 'state.transact') throw new TroupeError('NOT_ACTIVE', 'actor instance is missing')
      return { value: [], host: 'h', epoch: 1 }
    } })
    await expect(run(new MemoryRows({ 'shop||A||a||k': '1' }), target)).rejects.toMatchObject({ code: 'NOT_ACTIVE', message: expect.stringContaining('stop the hosts and sidecars') as string })
  })
})
