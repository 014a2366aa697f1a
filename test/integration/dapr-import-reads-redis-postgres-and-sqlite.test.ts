/** What Dapr's components for Redis, PostgreSQL and SQLite write is read from real servers, and the command line says what it found. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { Redis } from 'ioredis'
import { SystemClock } from '../../core/clock.ts'
import { importDapr, surveyDapr } from '../../gateway/dapr/import/dapr-import.ts'
import { isUnreadable, type DaprRow } from '../../stores/dapr-rows.ts'
import { openDaprRows } from '../../stores/open-dapr-rows.ts'
import { startPostgres, type PostgresServer } from '../servers/postgres.ts'
import { startRedis, startRedisCluster, type RedisServer } from '../servers/redis.ts'
import { MemoryImportTarget } from '../unit/gateway/dapr/memory-import-target.ts'
import { TestProcesses } from './processes.ts'

const odd = Buffer.from([0, 255, 128, 10, 34])
const many = 1_200

/** Imports all of it into memory. */
async function imported(url: string, table = 'state') {
  const rows = openDaprRows(url, table)
  const target = new MemoryImportTarget()
  await rows.open()
  try {
    const report = await importDapr(rows, target, await surveyDapr(rows, { appId: 'shop', types: [] }), new SystemClock())
    return { report, target, shown: target.show() }
  } finally {
    await rows.close()
  }
}

const blobOf = (target: MemoryImportTarget): Uint8Array => (target.states.get('Account/a')!.get('blob')!.value as { bytes: Uint8Array }).bytes

const reminders = JSON.stringify([{ actorID: 'a', actorType: 'Account', name: 'daily', data: { n: 1 }, period: '24h', dueTime: '', registeredTime: '2099-02-01T00:00:00Z' }])

describe('Redis', () => {
  let server: RedisServer
  let redis: Redis
  beforeAll(async () => {
    server = await startRedis()
    redis = new Redis(server.url)
    const pipeline = redis.pipeline()
    for (let i = 0; i < many; i++) pipeline.hset(`shop||Bulk||b${i % 40}||k${i}`, { data: String(i), version: '1' })
    pipeline.hset('shop||Account||a||balance', { data: '{"b":1,  "a":2}', version: '3' })
    pipeline.hset('shop||Account||a||blob', { data: odd, version: '1' })
    pipeline.hset('shop||Account||order||17||k', { data: '"x"', version: '1' })
    pipeline.pexpire('shop||Account||order||17||k', 60_000)
    pipeline.set('shop||Account||a||old', 'plain')
    pipeline.hset('shop||Account||a||odd', { other: '1' })
    pipeline.rpush('shop||Account||a||list', '1')
    pipeline.hset('shop||cart', { data: '1', version: '1' })
    pipeline.hset('actors||Account', { data: reminders, version: '1' })
    await pipeline.exec()
  })
  afterAll(async () => {
    redis.disconnect()
    await server.stop()
  })

  it('gives hashes, plain strings, times to live and reminders, and tells what is neither', async () => {
    const { report, target, shown } = await imported(server.url)
    expect(report).toMatchObject({ actors: 42, keys: many + 4, reminders: 1 })
    expect(shown['Account/a']).toEqual({ balance: '{"b":1,  "a":2}', blob: odd.toString(), old: 'plain' })
    expect(Buffer.from(blobOf(target)).equals(odd)).toBe(true)
    const { k, 'k ttl': ttl } = shown['Account/order||17']!
    expect(k).toBe('"x"')
    expect(ttl).toBeGreaterThan(30_000)
    expect(ttl).toBeLessThanOrEqual(60_000)
    expect(target.reminders.get('Account/a daily')).toMatchObject({ data: { json: '{"n":1}' }, schedule: { every: 86_400_000, first: new Date('2099-02-01T00:00:00Z') } })
    expect(report.skipped.map(({ reason }) => reason).sort()).toEqual([
      'it is a hash without the field data, and no row that Dapr writes', 'it is a list of Redis, and no row that Dapr writes', 'state of the application itself, of no actor',
    ])
  })

  it('is scanned in pages, and nothing is written there', async () => {
    const commands = (): Record<string, string> => Object.fromEntries([...server.cli('info', 'commandstats').matchAll(/cmdstat_(\w+):calls=(\d+)/g)].map(m => [m[1]!, m[2]!]))
    server.cli('config', 'resetstat')
    await imported(server.url)
    expect(Object.keys(commands()).filter(name => !/^(?:client|info|config|hello|select|ping)/.test(name)).sort()).toEqual(['get', 'hget', 'pttl', 'scan', 'type'])
    expect(Number(commands().scan)).toBeGreaterThan(3)
  })

  it('that is away, or wants a password, is told so', async () => {
    await expect(imported('redis://127.0.0.1:1')).rejects.toMatchObject({ code: 'STORE_OPEN_FAILED', message: expect.stringMatching(/cannot open redis:\/\/127\.0\.0\.1:1: .*ECONNREFUSED/) as string })
    const locked = await startRedis('--requirepass', 'secret')
    try {
      await expect(imported(locked.url)).rejects.toMatchObject({ code: 'STORE_OPEN_FAILED', message: expect.stringMatching(/NOAUTH/) as string })
      expect((await imported(locked.url.replace('//', '//:secret@'))).report.keys).toBe(0)
    } finally {
      await locked.stop()
    }
  })

  it('as a cluster is scanned node by node', async () => {
    const cluster = await startRedisCluster()
    try {
      for (let i = 0; i < 30; i++) cluster.nodes[0]!.cli('-c', 'hset', `shop||Account||a${i}||k`, 'data', String(i), 'version', '1')
      const { report, shown } = await imported(cluster.url)
      expect(report).toMatchObject({ actors: 30, keys: 30, skipped: [] })
      expect(shown['Account/a7']).toEqual({ k: '7' })
    } finally {
      await cluster.stop()
    }
  }, 60_000)
})

describe('PostgreSQL', () => {
  let server: PostgresServer
  beforeAll(async () => { server = await startPostgres('fsync=off') }, 60_000)
  afterAll(() => server.stop())

  it('of the first version: JSON, base64 of what is binary, expiry dates', async () => {
    await server.sql('CREATE TABLE state (key text NOT NULL PRIMARY KEY, value jsonb NOT NULL, isbinary boolean NOT NULL, insertdate timestamptz NOT NULL DEFAULT now(), updatedate timestamptz, expiredate timestamptz)')
    await server.sql('INSERT INTO state (key, value, isbinary) SELECT format(\'shop||Bulk||b%s||k%s\', i % 40, i), to_jsonb(i), false FROM generate_series(1, $1) i', [many])
    await server.sql('INSERT INTO state (key, value, isbinary, expiredate) VALUES ($1, $2, false, NULL), ($3, to_jsonb($4::text), true, NULL), ($5, \'"x"\', false, now() + interval \'1 minute\'), ($6, \'1\', false, now() - interval \'1 second\'), ($7, $8, false, NULL)', [
      'shop||Account||a||balance', '{"b":1,"a":12345678901234567890}', 'shop||Account||a||blob', odd.toString('base64'), 'shop||Account||order||17||k', 'shop||Account||a||expired', 'actors||Account', reminders,
    ])
    const { report, target, shown } = await imported(server.url)
    expect(report).toMatchObject({ actors: 42, keys: many + 3, reminders: 1, skipped: [] })
    expect(shown['Account/a']).toEqual({ balance: '{"a": 12345678901234567890, "b": 1}', blob: odd.toString() })
    expect(Buffer.from(blobOf(target)).equals(odd)).toBe(true)
    expect(shown['Account/order||17']!['k ttl']).toBeGreaterThan(30_000)
    expect(shown['Account/order||17']!['k ttl']).toBeLessThanOrEqual(60_000)
  })

  it('of the second version: bytes, in any table', async () => {
    await server.sql('CREATE SCHEMA "Other"')
    await server.sql('CREATE TABLE "Other".my_state (key text NOT NULL PRIMARY KEY, value bytea NOT NULL, etag uuid NOT NULL DEFAULT gen_random_uuid(), created_at timestamptz NOT NULL DEFAULT now(), updated_at timestamptz, expires_at timestamptz)')
    await server.sql('INSERT INTO "Other".my_state (key, value, expires_at) VALUES ($1, $2, NULL), ($3, $4, NULL), ($5, $2, now() - interval \'1 second\')', [
      'shop||Account||a||balance', Buffer.from('{ "b":1}'), 'shop||Account||a||blob', odd, 'shop||Account||a||expired',
    ])
    const { report, target, shown } = await imported(server.url, 'Other.my_state')
    expect(report).toMatchObject({ actors: 1, keys: 2, skipped: [] })
    expect(shown['Account/a']).toMatchObject({ balance: '{ "b":1}' })
    expect(Buffer.from(blobOf(target)).equals(odd)).toBe(true)
  })

  it('without such a table says which one is missing', async () => {
    await expect(imported(server.url, 'nothing')).rejects.toMatchObject({ code: 'BAD_OPTION', message: expect.stringMatching(/has no table "nothing"; give .* --table/) as string })
    await expect(imported(server.url, 'pg_catalog.pg_class')).rejects.toMatchObject({ code: 'BAD_OPTION', message: expect.stringMatching(/none of the shapes that Dapr writes/) as string })
    await expect(imported(server.url.replace(/\/\/.*@/, '//troupe:wrong@'))).rejects.toMatchObject({ code: 'STORE_OPEN_FAILED', message: expect.not.stringContaining('wrong@') as string })
  })
})

describe('SQLite', () => {
  const folder = mkdtempSync(join(tmpdir(), 'troupe-sqlite-'))
  const file = join(folder, 'data.db')
  let processes: TestProcesses
  beforeAll(() => {
    processes = new TestProcesses()
    const database = new DatabaseSync(file)
    database.exec('CREATE TABLE state (key TEXT NOT NULL PRIMARY KEY, value TEXT NOT NULL, is_binary BOOLEAN NOT NULL, etag TEXT NOT NULL, expiration_time TIMESTAMP DEFAULT NULL, update_time TIMESTAMP NOT NULL DEFAULT CURRENT_TIMESTAMP)')
    const insert = database.prepare("INSERT INTO state (key, value, is_binary, etag, expiration_time) VALUES (?, ?, ?, 'e', CASE WHEN ? IS NULL THEN NULL ELSE datetime('now', ?) END)")
    const put = (key: string, value: string, binary = 0, expires: string | null = null) => insert.run(key, value, binary, expires, expires)
    database.exec('BEGIN')
    for (let i = 0; i < many; i++) put(`shop||Bulk||b${i % 40}||k${i}`, String(i))
    put('shop||Account||a||balance', '{ "b":1}')
    put('shop||Account||a||blob', odd.toString('base64'), 1)
    put('shop||Account||order||17||k', '"x"', 0, '+60 seconds')
    put('shop||Account||a||expired', '1', 0, '-5 seconds')
    put('actors||Account', reminders)
    put('blog||Post||p||k', '1')
    database.exec('COMMIT')
    database.close()
  })
  afterAll(async () => {
    rmSync(folder, { recursive: true, force: true })
    await processes[Symbol.asyncDispose]()
  })

  it('is read by the same rules', async () => {
    const { report, target, shown } = await imported(`sqlite:${file}`)
    expect(report).toMatchObject({ actors: 42, keys: many + 3, reminders: 1, skipped: [{ reason: 'of "blog", not of the application shop', count: 1 }] })
    expect(shown['Account/a']).toEqual({ balance: '{ "b":1}', blob: odd.toString() })
    expect(Buffer.from(blobOf(target)).equals(odd)).toBe(true)
    expect(shown['Account/order||17']!['k ttl']).toBeGreaterThan(30_000)
  })

  it('that is not there, or holds no such table, is told', async () => {
    await expect(imported(`sqlite:${folder}/nothing.db`)).rejects.toMatchObject({ code: 'STORE_OPEN_FAILED', message: expect.stringContaining('there is no such file') as string })
    await expect(imported(`sqlite:${file}`, 'other')).rejects.toMatchObject({ code: 'BAD_OPTION', message: expect.stringContaining('has no table "other"') as string })
    const rows = openDaprRows(`sqlite:${file}`, 'state')
    await rows.open()
    const [row, none] = await rows.read(['shop||Account||a||balance', 'absent'])
    await rows.close()
    expect(isUnreadable(row!)).toBe(false)
    expect(Buffer.from((row as DaprRow).value).toString()).toBe('{ "b":1}')
    expect(none).toBeUndefined()
  })

  it('troupe import dapr --dry-run says what it would do', async () => {
    expect(await processes.run(['import', 'dapr', '--from', `sqlite:${file}`, '--dry-run'])).toMatchObject({
      code: 2, stdout: '', stderr: expect.stringMatching(/^troupe: BAD_OPTION: .*several applications: (?:shop, blog|blog, shop); say whose with --app-id\n$/) as string,
    })
    const { code, stdout, stderr } = await processes.run(['import', 'dapr', '--from', `sqlite:${file}`, '--dry-run', '--app-id', 'shop'])
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' })
    expect(stdout).toMatch(/^would import from sqlite:.*, application shop: 42 actors, 1,203 keys \(\d\.\d KiB\), 1 reminder\ntypes: Account, Bulk\n\nSKIPPED +WHY +THE FIRST\n +1 +of "blog", not of the application shop +blog\|\|Post\|\|p\|\|k\n$/)
    const asJson = await processes.run(['import', 'dapr', '--from', `sqlite:${file}`, '--dry-run', '--app-id', 'shop', '--type', 'Account', '--json'])
    expect(JSON.parse(asJson.stdout)).toMatchObject({ appId: 'shop', types: ['Account'], dryRun: true, actors: 2, keys: 3, reminders: 1 })
  })

  it.each<[string[], RegExp]>([
    [['--from', 'sqlite:x.db'], /--store is missing/],
    [['--dry-run'], /required option '--from <url>'/],
    [['--from', 'mongodb://h', '--dry-run'], /"mongodb:\/\/h" is no store of Dapr that can be read; use redis:/],
    [['--from', 'sqlite:x.db', '--store', 'memory:'], /--store memory: is gone with this process/],
  ])('import dapr %j is refused', async (args, says) => {
    expect(await processes.run(['import', 'dapr', ...args])).toMatchObject({ code: 2, stdout: '', stderr: expect.stringMatching(says) as string })
  })
})
