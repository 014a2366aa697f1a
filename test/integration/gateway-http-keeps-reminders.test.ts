// Reminders, sends and idempotency keys through the HTTP door of real hosts on LMDB: kept, fired, shown, retried, over restarts too.
import { EventEmitter, once } from 'node:events'
import { expect, onTestFinished, test } from 'vitest'
import { Actor, createHost, httpGateway, type ActorContext, type Host } from 'troupe'
import { connect } from '../../gateway/client.ts'
import { lmdbFolder } from '../unit/activation/running-host.ts'

/** What actors tell the test: an event each, named for their id. */
const told = new EventEmitter()
const next = (id: string): Promise<any[]> => once(told, id, { signal: AbortSignal.timeout(10_000) })
const broken = new Set<string>()

class Clerk extends Actor {
  runs = 0
  onReminder(name: string, data: unknown, occurrence: { count: number; attempt: number }) {
    if (broken.has(this.ctx.id)) {
      told.emit(this.ctx.id, 'failed', name)
      throw new Error('it is broken')
    }
    this.runs++
    told.emit(this.ctx.id, name, data, occurrence)
  }
  tick(...args: unknown[]) {
    this.runs++
    told.emit(this.ctx.id, 'tick', ...args)
  }
  _inner() {}
  count() { return this.runs }
  add(by: number) { return this.runs += by }
  async *watch() { yield this.runs }
  sendTo(id: string) { (this.ctx as ActorContext).send(Clerk, id).fail() }
  fail() { throw new Error('never') }
}

async function start(store = lmdbFolder()): Promise<{ host: Host; store: string; url: string; ask: (path: string, init?: RequestInit) => Promise<{ status: number; body: any }> }> {
  const host = await createHost({ actors: [Clerk], store, gateways: [httpGateway({ port: 0 })] })
  onTestFinished(() => host.stop())
  const url = host.addresses.http!
  const ask = async (path: string, init?: RequestInit) => {
    const response = await fetch(url + path, { signal: AbortSignal.timeout(10_000), ...init })
    const text = await response.text()
    return { status: response.status, body: text === '' ? undefined : JSON.parse(text) as unknown }
  }
  return { host, store, url, ask }
}
const one = (id: string, name: string): string => `/v1.0/actors/Clerk/${id}/reminders/${name}`
const put = (body: unknown): RequestInit => ({ method: 'PUT', body: JSON.stringify(body) })

test("one that was set in Dapr's way fires the hook, with its data, and is gone", async () => {
  const { ask } = await start()
  const fired = next('a')
  expect((await ask(one('a', 'r1'), put({ dueTime: '50ms', data: { n: [1] } }))).status).toBe(204)
  expect(await fired).toEqual(['r1', { n: [1] }, expect.objectContaining({ reminder: 'r1', count: 1, attempt: 1 })])
  expect(await ask('/v1.0/actors/Clerk/a/method/count')).toEqual({ status: 200, body: 1 })
  expect(await ask(one('a', 'r1'))).toMatchObject({ status: 404, body: { message: 'actor reminder not found: r1', errorCode: 'ERR_ACTOR_REMINDER_NOT_FOUND' } })
})

test("a repeated one fires as often as it says, a method gets its arguments", async () => {
  const { ask } = await start()
  const ticks: unknown[] = []
  const third = new Promise<void>(resolve => told.on('b', (...args) => { if (ticks.push(args) === 3) resolve() }))
  expect((await ask(one('b', 'r'), put({ period: 'R3/PT0.02S', method: 'tick', args: ['x', 5] }))).status).toBe(204)
  await third
  expect(ticks.map(args => (args as unknown[]).slice(0, 3))).toEqual(Array(3).fill(['tick', 'x', 5]))
  expect(await ask('/v1.0/actors/Clerk/b/method/count')).toEqual({ status: 200, body: 3 })
  expect((await ask(one('b', 'r'))).status).toBe(404)
  told.removeAllListeners('b')
})

test('what is set can be read, listed, kept from being overwritten, and deleted', async () => {
  const { ask } = await start()
  expect((await ask(one('c', 'r2'), put({ dueTime: '2099-01-01T00:00:00Z', period: '1h', ttl: '2552-01-01T00:00:00Z', data: 'x' }))).status).toBe(204)
  expect((await ask(one('c', 'r1'), put({ schedule: { cron: '0 3 * * *', tz: 'Europe/Berlin' }, method: 'tick' }))).status).toBe(204)
  expect((await ask(one('c', 'r2'))).body).toMatchObject({
    actorID: 'c', actorType: 'Clerk', data: 'x', dueTime: '2099-01-01T00:00:00Z', period: '@every 1h0m0s', ttl: '2552-01-01T00:00:00Z', due: '2099-01-01T00:00:00.000Z', count: 0, failures: 0,
  })
  expect((await ask('/v1.0/actors/Clerk/c/reminders')).body.reminders.map((r: any) => [r.name, r.period, r.method])).toEqual([['r1', '0 3 * * *', 'tick'], ['r2', '@every 1h0m0s', undefined]])
  expect(await ask(one('c', 'r2'), put({ period: '1s', overwrite: false }))).toMatchObject({ status: 409, body: { errorCode: 'ERR_ACTOR_REMINDER_ALREADY_EXISTS', message: 'actor reminder already exists: r2' } })
  expect((await ask(one('c', 'r2'), put({ dueTime: '1000s' }))).status).toBe(204)
  expect((await ask(one('c', 'r2'))).body).not.toHaveProperty('period')
  for (let i = 0; i < 2; i++) expect((await ask(one('c', 'r2'), { method: 'DELETE' })).status).toBe(204)
  expect((await ask('/v1.0/actors/Clerk/c/reminders')).body.reminders.map((r: any) => r.name)).toEqual(['r1'])
  expect((await ask('/v1.0/actors/Clerk/nobody/reminders')).body).toEqual({ reminders: [] })
})

test.each<[string, unknown, number, string]>([
  ['no time', {}, 400, 'BAD_SCHEDULE'],
  ['a date that does not exist', { dueTime: '2026-02-30T00:00:00Z' }, 400, 'BAD_SCHEDULE'],
  ['a period of nothing', { period: '0' }, 400, 'BAD_SCHEDULE'],
  ['an unknown zone', { schedule: { cron: '* * * * *', tz: 'Mars/Base' } }, 400, 'BAD_SCHEDULE'],
  ['a zone inside cron', { schedule: { cron: 'TZ=UTC * * * * *' } }, 400, 'BAD_SCHEDULE'],
  ['a method that does not exist', { period: '1h', method: 'absent' }, 404, 'UNKNOWN_METHOD'],
  ['a method of the inside', { period: '1h', method: '_inner' }, 404, 'UNKNOWN_METHOD'],
  ['data over the limit', { period: '1h', data: 'x'.repeat(300_000) }, 413, 'PAYLOAD_TOO_LARGE'],
])('%s is refused, and nothing is set', async (_what, body, status, code) => {
  const { ask } = await start()
  const refused = await ask(one('d', 'r'), put(body))
  // A schedule is read at the door: no turn ran.
  expect(refused).toMatchObject({ status, body: { code, ...(code === 'BAD_SCHEDULE' ? { executed: 'no' } : {}) } })
  expect((await ask('/v1.0/actors/Clerk/d/reminders')).body).toEqual({ reminders: [] })
  expect((await ask('/v1.0/actors/Nobody/d/reminders')).status).toBe(403)
})

test('one that fails for good is a dead letter: shown, listed by type, tried again', async () => {
  const { ask, url } = await start()
  broken.add('e')
  onTestFinished(() => { broken.delete('e') })
  const failed = next('e')
  expect((await ask(one('e', 'r'), put({ dueTime: '10ms', failurePolicy: { drop: {} } }))).status).toBe(204)
  expect(await failed).toEqual(['failed', 'r'])
  const client = connect(url)
  onTestFinished(() => client.close())
  // The turn that failed is over before the dead letter is durable: reading goes through the actor, after it.
  await expect.poll(async () => (await ask(one('e', 'r'))).body?.dead?.error, { timeout: 5000 }).toContain('it is broken')
  await expect.poll(async () => (await ask('/troupe/v1/reminders/Clerk?dead')).body.reminders, { timeout: 5000 }).toEqual([expect.objectContaining({ id: 'e', name: 'r' })])
  expect((await client.reminders('Clerk', { dead: true })).reminders[0]).toMatchObject({ id: 'e', name: 'r', dead: { at: expect.any(Date) as Date } })
  broken.delete('e')
  const fired = next('e')
  expect((await ask('/troupe/v1/actors/Clerk/e/reminders/r/retry', { method: 'POST' })).status).toBe(204)
  expect((await fired)[0]).toBe('r')
  expect(await ask('/troupe/v1/actors/Clerk/e/reminders/r/retry', { method: 'POST' })).toMatchObject({ status: 404, body: { code: 'REMINDER_NOT_FOUND' } })
})

test('they survive the host, and fire on the next one', async () => {
  const first = await start()
  expect((await first.ask(one('f', 'later'), put({ dueTime: '300ms', data: 1 }))).status).toBe(204)
  expect((await first.ask(one('f', 'far'), put({ dueTime: '2099-01-01T00:00:00Z' }))).status).toBe(204)
  await first.host.stop()
  const fired = next('f')
  const second = await start(first.store)
  expect((await fired).slice(0, 2)).toEqual(['later', 1])
  expect((await second.ask('/v1.0/actors/Clerk/f/reminders')).body.reminders.map((r: any) => r.name)).toEqual(['far'])
})

test('those of a type are read and deleted in pages', async () => {
  const { ask } = await start()
  for (let i = 0; i < 25; i++) expect((await ask(one(`g${i}`, 'r'), put({ dueTime: '2099-01-01T00:00:00Z' }))).status).toBe(204)
  const seen = new Set<string>()
  let cursor: string | undefined
  do {
    const { body } = await ask(`/troupe/v1/reminders/Clerk?limit=10${cursor === undefined ? '' : `&cursor=${encodeURIComponent(cursor)}`}`)
    expect(body.reminders.length).toBeLessThanOrEqual(10)
    for (const { id } of body.reminders) seen.add(id)
    ;({ cursor } = body)
  } while (cursor !== undefined)
  expect(seen.size).toBe(25)
  let deleted = 0
  do {
    const { body } = await ask(`/troupe/v1/reminders/Clerk?limit=10${cursor === undefined ? '' : `&cursor=${encodeURIComponent(cursor)}`}`, { method: 'DELETE' })
    deleted += body.deleted
    ;({ cursor } = body)
  } while (cursor !== undefined)
  expect(deleted).toBe(25)
  expect((await ask('/troupe/v1/reminders/Clerk')).body).toEqual({ reminders: [] })
  expect(await ask('/troupe/v1/reminders/Clerk?cursor=nonsense')).toMatchObject({ status: 400, body: { code: 'BAD_REQUEST' } })
  expect(await ask('/troupe/v1/reminders/Nobody')).toMatchObject({ status: 404, body: { code: 'UNKNOWN_TYPE' } })
})

test('pages of an actor hold each name once, whatever characters stand beside each other', async () => {
  const { ask } = await start()
  const names = ['job', 'job 2', 'job!', 'job-2', 'job.3', 'job0', 'jobs']
  for (const name of names) expect((await ask(one('i', encodeURIComponent(name)), put({ dueTime: '2099-01-01T00:00:00Z' }))).status).toBe(204)
  const seen: string[] = []
  for (let after = ''; ;) {
    const { body } = await ask(`/v1.0/actors/Clerk/i/reminders?limit=1&after=${encodeURIComponent(after)}`)
    if (body.reminders.length === 0) break
    seen.push(after = body.reminders[0].name)
  }
  expect(seen.sort()).toEqual(names.sort())
})

const addTo = (ask: Awaited<ReturnType<typeof start>>['ask'], key: string, by = 5) =>
  ask('/v1.0/actors/Clerk/h/method/add', { method: 'POST', body: String(by), headers: { 'Idempotency-Key': key } })

test('with an idempotency key a call takes effect once; the key is not for others', async () => {
  const { ask } = await start()
  expect((await Promise.all(Array.from({ length: 10 }, () => addTo(ask, 'k1')))).map(r => r.body)).toEqual(Array(10).fill(5))
  expect((await addTo(ask, '"k1"')).body).toBe(5)
  expect((await addTo(ask, 'k2')).body).toBe(10)
  expect(await addTo(ask, 'k1', 6)).toMatchObject({ status: 409, body: { code: 'IDEMPOTENCY_CONFLICT', executed: 'no' } })
  expect(await ask('/v1.0/actors/Clerk/h/method/watch', { method: 'POST', headers: { 'Idempotency-Key': 'k3' } })).toMatchObject({ status: 400, body: { code: 'BAD_REQUEST' } })
})

test('a repeat that wakes its actor after a restart gets the stored reply', async () => {
  const first = await start()
  expect((await addTo(first.ask, 'k1')).body).toBe(5)
  await first.host.stop()
  const second = await start(first.store)
  expect((await addTo(second.ask, 'k1')).body).toBe(5)
  expect((await second.ask('/v1.0/actors/Clerk/h/method/count')).body).toBe(5)
  const client = connect(second.url)
  onTestFinished(() => client.close())
  expect(await client.actor('Clerk', 'h').with({ idempotencyKey: 'k1' }).add!(5)).toBe(5)
})
