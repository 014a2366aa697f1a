// Component files with secrets lead to stores that open on real servers.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { SystemClock } from '../../core/clock.ts'
import { TroupeError } from '../../core/errors.ts'
import { silentLogger } from '../../core/logger.ts'
import { readResources } from '../../gateway/dapr/resources.ts'
import { openStores } from '../../stores/open-store.ts'
import { startPostgres } from '../servers/postgres.ts'
import { startRedis } from '../servers/redis.ts'

const clock = new SystemClock()
const newFolder = (): string => {
  const folder = mkdtempSync(join(tmpdir(), 'troupe-components-'))
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }))
  return folder
}

/** The URL of a store whose metadata is such lines of YAML, in a folder with such secrets. */
function urlOf(type: string, lines: readonly string[], secrets: Readonly<Record<string, string>> = {}, cwd = newFolder()): string {
  writeFileSync(join(cwd, 'secrets.json'), JSON.stringify(secrets))
  writeFileSync(join(cwd, 'store.yaml'), `apiVersion: dapr.io/v1alpha1
kind: Component
metadata: {name: statestore}
spec:
  type: ${type}
  version: v1
  metadata:
${lines.map(line => `  - {${line}}\n`).join('')}  - {name: actorStateStore, value: "true"}
auth: {secretStore: file}
---
apiVersion: dapr.io/v1alpha1
kind: Component
metadata: {name: file}
spec:
  type: secretstores.local.file
  version: v1
  metadata: [{name: secretsFile, value: secrets.json}]
`)
  return readResources({ paths: [cwd], env: {}, cwd, log: silentLogger }).storeUrl!
}

async function opensAndCloses(url: string): Promise<void> {
  const { actors, cluster } = openStores(url, { clock })
  await actors.open()
  await cluster.open()
  await cluster.close()
  await actors.close()
}

test('Redis with a password', async () => {
  const password = 'p@ss: 50%/w'
  const redis = await startRedis('--requirepass', password)
  onTestFinished(() => redis.stop())
  const lines = [`name: redisHost, value: "127.0.0.1:${redis.port}"`, 'name: redisPassword, secretKeyRef: {name: pw, key: pw}']
  await opensAndCloses(urlOf('state.redis', lines, { pw: password }))
  const error = await opensAndCloses(urlOf('state.redis', lines, { pw: 'wrong' })).catch((e: unknown) => e)
  expect(TroupeError.is(error, 'STORE_OPEN_FAILED')).toBe(true)
  expect((error as Error).message).not.toMatch(/wrong/)
}, 30_000)

test('PostgreSQL by words, by URL, by single keys, over a socket', async () => {
  const postgres = await startPostgres()
  onTestFinished(() => postgres.stop())
  await postgres.sql('CREATE DATABASE "my app"')
  const { port, password, folder } = postgres
  const quoted = password.replace(/[\\']/g, '\\$&')
  const words = `host=127.0.0.1 port=${port} user=troupe password='${quoted}' dbname='my app' sslmode=disable connect_timeout=10`
  await opensAndCloses(urlOf('state.postgresql', ['name: connectionString, secretKeyRef: {name: words}', 'name: maxConns, value: 3'], { words }))
  expect(await postgres.sql("SELECT 1 FROM pg_database WHERE datname = 'my app'")).toHaveLength(1)
  await opensAndCloses(urlOf('state.postgresql', ['name: connectionString, secretKeyRef: {name: url}'], { url: `${postgres.url.replace(/\?.*/, '')}?pool_max_conns=4` }))
  const single = ['name: host, value: 127.0.0.1', `name: port, value: ${port}`, 'name: user, value: troupe', 'name: password, secretKeyRef: {name: pw}', 'name: database, value: postgres']
  await opensAndCloses(urlOf('state.postgres', single, { pw: password }))
  await opensAndCloses(urlOf('state.postgresql', single.map(line => line.replace('127.0.0.1', folder)), { pw: password }))
}, 60_000)

test('SQLite becomes a directory beside its file', async () => {
  const cwd = newFolder()
  const url = urlOf('state.sqlite', [`name: connectionString, value: "${join(cwd, 'data.db')}"`], {}, cwd)
  expect(url).toBe(`lmdb:${cwd}/data.db.troupe`)
  await opensAndCloses(url)
})
