/** What Dapr has stored in a real Redis or PostgreSQL is imported by the command line, and an application behind a sidecar finds all of it. */
import { createHash } from 'node:crypto'
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, onTestFinished } from 'vitest'
import { Redis } from 'ioredis'
import { startPostgres, type PostgresServer } from '../servers/postgres.ts'
import { startRedis, type RedisServer } from '../servers/redis.ts'
import { ask, DaprApplication } from './dapr-application.ts'
import { TestProcesses, type Finished, type TroupeProcess } from './processes.ts'

const HOUR_MS = 3_600_000
const fromNow = (ms: number): string => new Date(Date.now() + ms).toISOString()
const odd = Buffer.from([0, 255, 128, 10, 34])
const many = 300

/** As the application stored them; key by key, with the time to live where there is one. */
const stored: readonly (readonly [key: string, value: Buffer | string, ttlMs?: number])[] = [
  ['shop||Cart||ada||items', '{"b":1,  "a":12345678901234567890, "c":1.0}'],
  ['shop||Cart||ada||photo', odd],
  ['shop||Cart||ada||seen', 'true', HOUR_MS],
  ['shop||Cart||order||17||total', '"x"'],
  ['shop||Cart||a b/c||n', '1'],
  ...Array.from({ length: many }, (_, i) => [`shop||Cart||c${i % 50}||k${i}`, String(i)] as const),
]
/** Not Cart's, and not refused. */
const besides = ['shop||cart', 'blog||Post||p||k']

/** One array for a type; parts for the other. `daily` has run, and its note says when and how often it may. */
const reminders: Readonly<Record<string, unknown>> = {
  'actors||Cart': [
    { registeredTime: fromNow(-HOUR_MS), actorType: 'Cart', actorID: 'ada', name: 'once', dueTime: '5m', data: { n: 1 } },
    { registeredTime: fromNow(-48 * HOUR_MS), actorType: 'Cart', actorID: 'order||17', name: 'daily', period: 'R5/24h', dueTime: '', data: 'd' },
    { registeredTime: fromNow(-HOUR_MS), actorType: 'Cart', actorID: 'ada', name: 'over', period: '1h', expirationTime: fromNow(-1000) },
  ],
  'Cart||order||17||daily': { lastFiredTime: fromNow(-HOUR_MS), repetitionLeft: 3 },
  'actors||Bill||metadata': { id: 'm1', actorRemindersMetadata: { partitionCount: 2 } },
  'actors||Bill||m1||reminders||1': [{ registeredTime: fromNow(-1000), actorType: 'Bill', actorID: 'b1', name: 'dunning', data: 'first' }],
  'actors||Bill||m1||reminders||2': [{ registeredTime: fromNow(-1000), actorType: 'Bill', actorID: 'b2', name: 'dunning', data: 'second' }],
}

let processes: TestProcesses
beforeEach(() => { processes = new TestProcesses() })
afterEach(() => processes[Symbol.asyncDispose]())

const importing = (from: string, ...args: string[]): Promise<Finished> =>
  processes.run(['import', 'dapr', '--from', from, '--app-id', 'shop', '--json', ...args, ...args.includes('--dry-run') ? [] : ['--store', processes.store]])

async function sidecar(): Promise<{ app: DaprApplication; http: string; process: TroupeProcess }> {
  const app = await new DaprApplication({ entities: ['Cart', 'Bill'] }).start()
  onTestFinished(() => app.stop())
  for (const name of ['remind/once', 'remind/daily', 'remind/over', 'remind/dunning', 'm']) app.on(name, () => '')
  const process = processes.start('sidecar', [
    'sidecar', '--app-id', 'shop', '--app-port', String(app.port), '--dapr-http-port', '0', '--dapr-grpc-port', 'off', '--store', processes.store, '--log-format', 'json',
  ])
  const { http } = await process.ready()
  return { app, http: String(http), process }
}

/** Reads it all as the application would. `spelled`: how the store itself has rewritten the text. */
async function expectStored(http: string, spelled: (value: string) => string = value => value): Promise<void> {
  for (const [key, value, ttlMs] of stored) {
    const parts = key.split('||')
    const path = ['Cart', parts.slice(2, -1).join('||'), 'state', parts.at(-1)!].map(encodeURIComponent).join('/')
    const response = await fetch(`${http}/v1.0/actors/${path}`, { signal: AbortSignal.timeout(20_000) })
    if (key.includes('/')) {
      expect({ key, status: response.status }).toEqual({ key, status: 400 })
      continue
    }
    const expected = typeof value === 'string' ? Buffer.from(spelled(value)) : value
    expect({ key, status: response.status, bytes: Buffer.from(await response.arrayBuffer()).toString('latin1') }).toEqual({ key, status: 200, bytes: expected.toString('latin1') })
    const expires = response.headers.get('metadata.ttlExpireTime')
    if (ttlMs === undefined) expect(expires).toBeNull()
    else expect(Math.abs(Date.parse(expires!) - Date.now() - ttlMs)).toBeLessThan(120_000)
  }
}

async function expectReminders(http: string, app: DaprApplication): Promise<void> {
  await app.until(() => app.of('remind/once').length === 1 && app.of('remind/dunning').length === 2, 'the reminders that are due')
  expect(app.of('remind/once')[0]).toMatchObject({ path: '/actors/Cart/ada/method/remind/once', body: '{"data":{"n":1},"dueTime":"","period":""}' })
  expect(app.of('remind/dunning').map(({ body }) => (JSON.parse(body) as { data: string }).data).sort()).toEqual(['first', 'second'])
  const daily = await ask(http, 'GET', '/actors/Cart/order%7C%7C17/reminders/daily')
  expect(JSON.parse(daily.text)).toMatchObject({ period: '@every 24h0m0s', data: 'd', schedule: { times: 3 } })
  expect(Math.abs(Date.parse((JSON.parse(daily.text) as { due: string }).due) - Date.now() - 23 * HOUR_MS)).toBeLessThan(120_000)
  expect(app.of('remind/daily')).toEqual([])
  expect((await ask(http, 'GET', '/actors/Cart/ada/reminders/over')).status).toBe(404)
}

/** What the import says of all this. */
const summary = {
  appId: 'shop', types: ['Bill', 'Cart'], dryRun: false, actors: 54, keys: many + 4, reminders: 4,
  skipped: expect.arrayContaining([
    { reason: 'state of the application itself, of no actor', count: 1, example: 'shop||cart' },
    { reason: 'of "blog", not of the application shop', count: 1, example: 'blog||Post||p||k' },
    { reason: 'a reminder has expired', count: 1, example: 'actors||Cart: ada over' },
    expect.objectContaining({ reason: expect.stringMatching(/^a type or id that cannot be used: /) as string, count: 1 }),
  ]) as unknown,
}

describe('from Redis', () => {
  let server: RedisServer
  let redis: Redis
  beforeAll(async () => {
    server = await startRedis()
    redis = new Redis(server.url)
    const pipeline = redis.pipeline()
    for (const [key, value, ttlMs] of stored) {
      pipeline.hset(key, { data: value, version: '1' })
      if (ttlMs !== undefined) pipeline.pexpire(key, ttlMs)
    }
    for (const key of besides) pipeline.hset(key, { data: '1', version: '1' })
    for (const [key, value] of Object.entries(reminders)) pipeline.hset(key, { data: JSON.stringify(value), version: '1' })
    await pipeline.exec()
  })
  afterAll(async () => {
    redis.disconnect()
    await server.stop()
  })

  /** All that is there but times to live, which go by. */
  async function contents(): Promise<string> {
    const hash = createHash('sha256')
    for (const key of (await redis.keys('*')).sort()) hash.update(key).update(JSON.stringify(await redis.hgetallBuffer(key)))
    return hash.digest('hex')
  }

  it('state is read byte for byte with its time to live, reminders are run; the second import says and leaves the same', async () => {
    const before = await contents()
    const dry = await importing(server.url, '--dry-run')
    expect({ ...dry, stdout: JSON.parse(dry.stdout) }).toMatchObject({ code: 0, stderr: '', stdout: { ...summary, dryRun: true } })
    expect(existsSync(join(processes.folder, 'store'))).toBe(false)
    expect(existsSync(join(processes.folder, '.troupe'))).toBe(false)
    const [first, second] = [await importing(server.url), await importing(server.url)]
    expect({ ...first, stdout: JSON.parse(first.stdout) }).toMatchObject({ code: 0, stderr: '', stdout: summary })
    expect({ ...second, stdout: JSON.parse(second.stdout) }).toEqual({ ...first, stdout: JSON.parse(first.stdout) })
    expect(await contents()).toBe(before)
    const { app, http } = await sidecar()
    await expectStored(http)
    await expectReminders(http, app)
  }, 60_000)

  it('may be imported into the same server, again and again', async () => {
    for (let i = 0; i < 2; i++) {
      const { code, stdout } = await processes.run(['import', 'dapr', '--from', server.url, '--json', '--type', 'Cart', 'Bill', '--app-id', 'shop', '--store', server.url, '--log-level', 'error'])
      expect({ code, report: JSON.parse(stdout) }).toMatchObject({ code: 0, report: { actors: 54, keys: many + 4, reminders: 4 } })
      expect(stdout).not.toContain('troupe:')
    }
    for (const key of await redis.keys('{troupe:*')) await redis.del(key)
  }, 60_000)

  it('is refused while a sidecar of the cluster runs these actors, before anything is written', async () => {
    const { app, http, process } = await sidecar()
    expect((await ask(http, 'POST', '/actors/Cart/ada/method/m')).status).toBe(200)
    expect(await importing(server.url)).toMatchObject({
      code: 1, stdout: '', stderr: expect.stringMatching(/^troupe: NOT_ACTIVE: (?:Bill|Cart) is run by \S+ of this store and namespace: .*stop the hosts and sidecars .* run the import again\n$/) as string,
    })
    for (const key of ['items', 'photo']) expect(await ask(http, 'GET', `/actors/Cart/ada/state/${key}`)).toMatchObject({ status: 204 })
    expect((await ask(http, 'POST', '/actors/Cart/ada/method/m')).status).toBe(200)
    await process.stop()
    expect(app.of('remind/once')).toEqual([])
    expect(await importing(server.url)).toMatchObject({ code: 0 })
  }, 60_000)
})

describe('from PostgreSQL', () => {
  let server: PostgresServer
  beforeAll(async () => {
    server = await startPostgres('fsync=off')
    await server.sql('CREATE TABLE state (key text NOT NULL PRIMARY KEY, value jsonb NOT NULL, isbinary boolean NOT NULL, insertdate timestamptz NOT NULL DEFAULT now(), updatedate timestamptz, expiredate timestamptz)')
    await server.sql('CREATE TABLE v2_state (key text NOT NULL PRIMARY KEY, value bytea NOT NULL, etag uuid NOT NULL DEFAULT gen_random_uuid(), created_at timestamptz NOT NULL DEFAULT now(), updated_at timestamptz, expires_at timestamptz)')
    const rows = [...stored, ...besides.map(key => [key, '1'] as const), ...Object.entries(reminders).map(([key, value]) => [key, JSON.stringify(value)] as const)]
    const expiry = "CASE WHEN $4::float8 IS NULL THEN NULL ELSE now() + $4::float8 * interval '1 millisecond' END"
    const client = await server.connect()
    try {
      for (const [key, value, ttlMs = null] of rows as typeof stored) {
        const isBinary = typeof value !== 'string'
        await client.query(`INSERT INTO state (key, value, isbinary, expiredate) VALUES ($1, $2, $3, ${expiry})`, [key, isBinary ? JSON.stringify(value.toString('base64')) : value, isBinary, ttlMs])
        await client.query(`INSERT INTO v2_state (key, value, expires_at) VALUES ($1, $2, ${expiry.replaceAll('$4', '$3')})`, [key, Buffer.from(value as string), ttlMs])
      }
    } finally {
      await client.end()
    }
  }, 60_000)
  afterAll(() => server.stop())

  it.each<[string, string, (value: string) => string]>([
    // jsonb keeps numbers as they are written, not the order of keys nor blanks.
    ['the first version', 'state', value => value.startsWith('{') ? '{"a": 12345678901234567890, "b": 1, "c": 1.0}' : value],
    ['the second version', 'v2_state', value => value],
  ])('%s of the component is read with its times to live, and reminders are run', async (_, table, spelled) => {
    const first = await importing(server.url, '--table', table)
    expect({ ...first, stdout: JSON.parse(first.stdout) }).toMatchObject({ code: 0, stderr: '', stdout: summary })
    const again = await importing(server.url, '--table', table)
    expect({ ...again, stdout: JSON.parse(again.stdout) }).toEqual({ ...first, stdout: JSON.parse(first.stdout) })
    const { app, http } = await sidecar()
    await expectStored(http, spelled)
    await expectReminders(http, app)
  }, 60_000)
})
