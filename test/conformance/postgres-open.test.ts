/** What opening a store on PostgreSQL does: creates and migrates the schema, once for all, or says why it cannot. */
import { execFile, execFileSync } from 'node:child_process'
import { chmodSync, chownSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { afterAll, beforeAll, expect, onTestFinished, test } from 'vitest'
import { SystemClock } from '../../core/clock.ts'
import { hash32 } from '../../core/ids.ts'
import type { Logger } from '../../core/logger.ts'
import { openStores } from '../../stores/open-store.ts'
import { PostgresConnection } from '../../stores/postgres/connection.ts'
import { parsePostgresUrl } from '../../stores/postgres/address.ts'
import { newestVersion } from '../../stores/postgres/migrations.ts'
import { startPostgres, type PostgresServer } from '../servers/postgres.ts'

const clock = new SystemClock()
let server: PostgresServer
beforeAll(async () => { server = await startPostgres() })
afterAll(() => server?.stop())

let databases = 0
/** A new, empty database; the URL that leads to it. */
async function database(options = ''): Promise<string> {
  const name = `d${databases++}`
  await server.sql(`create database ${name} ${options}`)
  return server.url.replace(/\/postgres$/, `/${name}`)
}
async function inDatabase<T extends object>(url: string, text: string): Promise<T[]> {
  const client = await server.connect(new URL(url).pathname.slice(1))
  try {
    return (await client.query<T>(text)).rows
  } finally {
    await client.end()
  }
}
async function openAndClose(url: string, namespace = 'default', log?: Logger): Promise<void> {
  const { actors } = openStores(url, { clock, namespace, ...log && { log } })
  await actors.open()
  await actors.close()
}
/** The error of opening, which never shows the password. */
async function refusal(url: string, namespace?: string): Promise<Error> {
  const began = performance.now()
  const error = await openAndClose(url, namespace).then(() => { throw new Error('it opened') }, (thrown: unknown) => thrown as Error)
  expect(performance.now() - began).toBeLessThan(10_000)
  expect(JSON.stringify([error, String(error), error.stack])).not.toMatch(/hush/)
  expect(error).toMatchObject({ code: 'STORE_OPEN_FAILED' })
  return error
}
const tables = (url: string, schema: string): Promise<{ t: string }[]> =>
  inDatabase(url, `select tablename as t from pg_tables where schemaname = '${schema}' order by 1`)

test('the first one to open an empty database makes the schema, and the next one finds it', async () => {
  const url = await database()
  await openAndClose(url)
  const made = await tables(url, 'troupe_default')
  expect(made.map(({ t }) => t)).toEqual(['claims', 'entries', 'heads', 'leader', 'leases', 'migrations', 'placement_table'])
  await openAndClose(url)
  expect(await inDatabase(url, 'select version from troupe_default.migrations')).toEqual(Array.from({ length: newestVersion }, (_, i) => ({ version: i + 1 })))
})

test('many open an empty database at the same time, from several processes: the schema is made once', async () => {
  const url = await database()
  const program = `
    import { openStores } from ${JSON.stringify(fileURLToPath(new URL('../../stores/open-store.ts', import.meta.url)))}
    import { SystemClock } from ${JSON.stringify(fileURLToPath(new URL('../../core/clock.ts', import.meta.url)))}
    const stores = Array.from({ length: 4 }, () => openStores(process.env.STORE, { clock: new SystemClock(), namespace: 'many' }).actors)
    await Promise.all(stores.map(store => store.open()))
    await Promise.all(stores.map(store => store.close()))
    console.log('opened')`
  const runs = [1, 2].map(() => promisify(execFile)(process.execPath, ['--input-type=module', '-e', program], { env: { ...process.env, STORE: url }, timeout: 20_000 }))
  const here = Promise.all(Array.from({ length: 4 }, () => openAndClose(url, 'many')))
  for (const { stdout } of await Promise.all(runs)) expect(stdout).toBe('opened\n')
  await here
  expect(await inDatabase(url, 'select version from troupe_many.migrations')).toHaveLength(newestVersion)
})

test('a schema that a newer Troupe migrated is refused, and left as it is', async () => {
  const url = await database()
  await openAndClose(url)
  await inDatabase(url, `insert into troupe_default.migrations (version) values (${newestVersion + 1})`)
  const error = await refusal(url)
  expect(error.message).toMatch(new RegExp(`version ${newestVersion + 1}, and this Troupe knows ${newestVersion}.*as new as`))
  // Each cluster is migrated by itself.
  await openAndClose(url, 'another')
})

test('somebody who never ends a migration is not waited for without end', async () => {
  const url = await database()
  const other = await server.connect(new URL(url).pathname.slice(1))
  onTestFinished(() => other.end())
  await other.query('select pg_advisory_lock($1, $2)', [0x74727570, hash32('troupe_default') | 0])
  const connection = new PostgresConnection(parsePostgresUrl(url), 'default', clock, { openTimeoutMs: 1_000 })
  await expect(connection.open()).rejects.toMatchObject({ code: 'STORE_OPEN_FAILED', message: expect.stringMatching(/lock timeout|statement timeout/) })
  await other.query('select pg_advisory_unlock_all()')
  await connection.open()
  await connection.close()
})

test('a migration that is broken off leaves nothing behind, and is done by the next one', async () => {
  const url = await database()
  // Something of ours is there already, so that the second statement fails.
  await inDatabase(url, 'create schema troupe_default; create table troupe_default.heads ()')
  expect((await refusal(url)).message).toMatch(/"heads" already exists/)
  expect(await tables(url, 'troupe_default')).toEqual([{ t: 'heads' }])
  await inDatabase(url, 'drop table troupe_default.heads')
  await openAndClose(url)
})

test('a user without the right to create schemas is told so, and may use one that was made for it', async () => {
  const url = await database()
  await server.sql('create role plain login password \'hush\'')
  onTestFinished(async () => { await inDatabase(url, 'drop schema troupe_default cascade'); await server.sql('drop role plain') })
  const mine = url.replace(/\/\/.*@/, '//plain:hush@')
  expect((await refusal(mine)).message).toMatch(/permission denied.*make this user its owner/)
  await inDatabase(url, 'create schema troupe_default authorization plain')
  await openAndClose(mine)
})

test('namespaces of any characters and length have schemas of their own', async () => {
  const url = await database()
  const names = ['', 'a', 'A', 'a"b', 'a b.c', 'x'.repeat(64), `${'x'.repeat(63)}y`]
  const stores = names.map(namespace => openStores(url, { clock, namespace }).actors)
  for (const store of stores) {
    await store.open()
    onTestFinished(() => store.close())
  }
  const claim = { type: 'T', shard: 0, epoch: 1, nonce: 'n' }
  for (const [index, store] of stores.entries()) {
    await store.claim([claim])
    expect(await store.commit([{ ...claim, id: 'a', previous: 0, head: Buffer.from(names[index]!) }])).toEqual(['ok'])
  }
  for (const [index, store] of stores.entries()) expect(await store.load([{ ...claim, id: 'a' }])).toMatchObject([{ head: Buffer.from(names[index]!) }])
})

test('a wrong password and an unknown database fail at once, and nothing shows the password', async () => {
  const began = performance.now()
  expect((await refusal(server.url.replace(/:[^:@]*@/, ':hush-hush@'))).message).toMatch(/password authentication failed.*correct user and password/)
  expect((await refusal(server.url.replace(/postgres$/, 'nowhere'))).message).toMatch(/"nowhere" does not exist; create the database/)
  expect(performance.now() - began).toBeLessThan(2_000)
})

test('a database that cannot hold what is promised is refused', async () => {
  const latin = await database('encoding latin1 template template0 locale \'C\'')
  expect((await refusal(latin)).message).toMatch(/encoding LATIN1; create one with encoding UTF8/)
  const readOnly = await database()
  await server.sql(`alter database ${new URL(readOnly).pathname.slice(1)} set default_transaction_read_only = on`)
  expect((await refusal(readOnly)).message).toMatch(/only takes reads; name the server that takes writes/)
})

test('settings that lose commits are warned of', async () => {
  const warnings: string[] = []
  const log = { warn: (_: object, message: string) => warnings.push(message), debug() {}, info() {}, error() {}, child: () => log } as unknown as Logger
  const url = await database()
  await openAndClose(url, 'default', log)
  expect(warnings).toEqual([])
  await server.sql(`alter database ${new URL(url).pathname.slice(1)} set synchronous_commit = off`)
  await openAndClose(url, 'default', log)
  expect(warnings).toEqual([expect.stringMatching(/set synchronous_commit on/)])
})

test('a store that was closed is unavailable, its commits too; the other on the same connections goes on', async () => {
  const { actors, cluster } = openStores(await database(), { clock })
  await actors.open()
  await cluster.open()
  await actors.close()
  expect(await cluster.loadTable()).toBeUndefined()
  await cluster.close()
  const claim = { type: 'T', shard: 0, epoch: 1, nonce: 'n' }
  await expect(actors.load([{ ...claim, id: 'a' }])).rejects.toMatchObject({ code: 'STORE_UNAVAILABLE' })
  await expect(actors.claim([claim])).rejects.toMatchObject({ code: 'STORE_UNAVAILABLE' })
  expect(await actors.commit([{ ...claim, id: 'a', previous: 0, head: Buffer.alloc(1) }])).toEqual(['unavailable'])
  await actors.open()
  expect(await actors.commit([{ ...claim, id: 'a', previous: 0, head: Buffer.alloc(1) }])).toEqual(['fenced'])
  await actors.close()
})

test('by Unix socket', async () => {
  const url = `${server.url}?host=${encodeURIComponent(server.folder)}`.replace('127.0.0.1', 'localhost')
  await openAndClose(url, 'socket')
  expect(openStores(url, { clock }).actors.name).toBe(`postgres://localhost:${server.port}/postgres?host=${server.folder}`)
})

test('TLS: asked for and not there, there and not trusted, there and trusted', async () => {
  const began = performance.now()
  expect((await refusal(`${server.url}?sslmode=verify-full`)).message).toMatch(/does not support SSL/)
  expect(performance.now() - began).toBeLessThan(2_000)
  const [certificate, key] = [join(server.folder, 'cert.pem'), join(server.folder, 'key.pem')]
  execFileSync('openssl', [
    'req', '-x509', '-newkey', 'rsa:2048', '-nodes', '-days', '2', '-subj', '/CN=localhost', '-addext', 'subjectAltName=DNS:localhost,IP:127.0.0.1',
    '-keyout', key, '-out', certificate,
  ], { stdio: 'pipe' })
  chmodSync(key, 0o600)
  const { uid, gid } = statSync(server.folder)
  for (const path of [certificate, key]) chownSync(path, uid, gid)
  await server.sql(`alter system set ssl_cert_file = '${certificate}'`)
  await server.sql(`alter system set ssl_key_file = '${key}'`)
  await server.sql('alter system set ssl = on')
  await server.restart()
  expect((await refusal(`${server.url}?sslmode=verify-full`)).message).toMatch(/self-signed certificate/)
  for (const mode of [`verify-full&sslrootcert=${encodeURIComponent(certificate)}`, 'no-verify']) {
    const connection = new PostgresConnection(parsePostgresUrl(`${server.url}?sslmode=${mode}&application_name=tls`), 'tls', clock)
    await connection.open()
    const rows = await connection.run({ name: '', text: 'select ssl from pg_stat_ssl where pid = pg_backend_pid()' }, [])
    await connection.close()
    expect(rows).toEqual([[true]])
  }
  expect((await refusal(`${server.url}?sslmode=verify-full&sslrootcert=/nowhere/ca.pem`)).message).toMatch(/ENOENT.*\/nowhere\/ca\.pem/)
})
