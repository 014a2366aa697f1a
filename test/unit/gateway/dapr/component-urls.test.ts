// Metadata of stores as URLs, and what cannot be one.
import { expect, test } from 'vitest'
import { openStores } from '../../../../stores/open-store.ts'
import { SystemClock } from '../../../../core/clock.ts'
import { parsePostgresUrl } from '../../../../stores/postgres/address.ts'
import { problemsOf, read, storeFile } from './resource-folder.ts'

const opens = (url: string | undefined): string => openStores(url!, { clock: new SystemClock() }).actors.name

test.each([
  [{ redisHost: 'redis' }, 'redis://redis'],
  [{ redisHost: 'r:6379', redisPassword: 'p@ss/w:rd%', redisUsername: 'app', redisDB: '3' }, 'redis://app:p%40ss%2Fw%3Ard%25@r:6379/3'],
  [{ redisHost: 'r:6379', redisPassword: 'pw', enableTLS: 'true', redisDB: '0' }, 'rediss://:pw@r:6379'],
  [{ redisHost: 'a:1, b:2', redisType: 'cluster', redisPassword: 'pw' }, 'redis+cluster://:pw@a:1,b:2'],
  [{ redisHost: 'a:1', redisType: 'Cluster', enableTLS: 'true' }, 'rediss+cluster://a:1'],
  [{ RedisHost: '[::1]:6379', redisType: 'node', failover: 'false', ttlInSeconds: '-1', dialTimeout: '5s', poolSize: '20', maxRetries: '3', keyPrefix: 'name' }, 'redis://[::1]:6379'],
])('state.redis %j', (metadata, url) => {
  const { storeUrl, warnings } = read(storeFile('state.redis', metadata))
  expect([storeUrl, warnings]).toEqual([url, []])
  expect(opens(storeUrl)).not.toMatch(/pw|p%40ss/)
})

test.each([
  [{}, /redisHost is missing/],
  [{ redisHost: '' }, /redisHost: is missing/],
  [{ redisHost: ' , ' }, /HOST:PORT, or several/],
  [{ redisHost: 'redis://hush@h' }, /user and password have fields of their own/],
  [{ redisHost: 'h:port' }, /"h:port" is no host:port/],
  [{ redisHost: 'a:1,b:2' }, /redisType: cluster/],
  [{ redisHost: 'h', redisType: 'hush' }, /neither node nor cluster/],
  [{ redisHost: 'h', redisDB: 'x' }, /number of a database/],
  [{ redisHost: 'h', redisDB: '2', redisType: 'cluster' }, /only database 0/],
  [{ redisHost: 'h', failover: 'true', sentinelMasterName: 'm' }, /does not ask Sentinels; name the master in redisHost/],
  [{ redisHost: 'h', useEntraID: 'true' }, /redisUsername and redisPassword/],
  [{ redisHost: 'h', clientCert: 'hush' }, /no certificate to Redis/],
  [{ redisHost: 'h', ttlInSeconds: '60' }, /state does not expire by itself/],
] as const)('state.redis %j is refused', (metadata, message) => {
  const problems = problemsOf(storeFile('state.redis', { ...metadata, redisPassword: 'hush' }))
  expect(problems).toEqual([expect.stringMatching(message)])
  if (!JSON.stringify(metadata).includes('"redisType":"hush"')) expect(problems[0]).not.toContain('hush')
})

test.each([
  ['postgres://u:p%40w@db.example.org:5433/app?sslmode=disable', 'postgres://u:p%40w@db.example.org:5433/app?sslmode=disable'],
  ['postgresql://u@localhost/app?pool_max_conns=7&connect_timeout=3&search_path=x', 'postgres://u:@localhost/app?pool=7'],
  ['postgres://u:p@localhost', 'postgres://u:p@localhost/u'],
  ['postgres://u:p@:5433/app?sslmode=disable', 'postgres://u:p@localhost:5433/app?sslmode=disable'],
  ['postgres:///app?host=/var/run/postgresql&user=u', 'postgres://u:@localhost/app?host=%2Fvar%2Frun%2Fpostgresql'],
  ['postgres://u:p@[::1]:1/app', 'postgres://u:p@[::1]:1/app'],
  ['host=localhost user=u password=\'it\\\'s = a \\\\ word\' dbname=app', "postgres://u:it's%20%3D%20a%20%5C%20word@localhost/app"],
  ["  host = /tmp  user=u  dbname='my app' application_name='the shop' ", 'postgres://u:@localhost/my%20app?application_name=the%20shop&host=%2Ftmp'],
  ["hostaddr=127.0.0.1 user=u password='' database=app", 'postgres://u:@127.0.0.1/app'],
  ['host=h user=u dbname=app sslmode=require', 'postgres://u:@h/app?sslmode=require&uselibpqcompat=true'],
  ['host=h user=u dbname=app sslmode=verify-ca sslrootcert=/ca.pem', 'postgres://u:@h/app?sslmode=verify-ca&uselibpqcompat=true&sslrootcert=%2Fca.pem'],
  ['host=h user=u dbname=app sslmode=verify-ca', 'postgres://u:@h/app?sslmode=verify-full&uselibpqcompat=true'],
  ['host=h user=u dbname=app sslmode=require sslrootcert=system', 'postgres://u:@h/app?sslmode=verify-full&uselibpqcompat=true'],
])('state.postgresql %j', (connectionString, url) => {
  const { storeUrl, warnings } = read(storeFile('state.postgresql', { connectionString, tableName: 't', metadataTableName: 'm', timeoutInSeconds: '20' }))
  expect([storeUrl, warnings]).toEqual([url, []])
  expect(opens(storeUrl)).not.toMatch(/p%40w|word/)
})

test('state.postgresql with a value for each key, which override the connection string', () => {
  const single = { host: 'localhost', port: '5433', user: 'u', password: "p ' \\", database: 'app' }
  expect(read(storeFile('state.postgresql', single, 'v2')).storeUrl).toBe("postgres://u:p%20'%20%5C@localhost:5433/app")
  const both = { connectionString: 'host=other user=x dbname=y sslmode=disable', host: 'db', password: 'pw' }
  const { storeUrl } = read(storeFile('state.postgres', both))
  expect(storeUrl).toBe('postgres://x:pw@db/y?sslmode=disable')
  expect(parsePostgresUrl(storeUrl!).name).toBe('postgres://db/y')
})

test('a connection over the network without TLS is warned of, once', () => {
  for (const end of ['', ' sslmode=prefer']) {
    const { storeUrl, warnings } = read(storeFile('state.postgresql', { connectionString: `host=db user=u dbname=app${end}` }))
    expect(storeUrl).toMatch(/^postgres:\/\/u:@db\/app(?:\?sslmode=disable)?$/)
    expect(warnings).toEqual([expect.stringMatching(/^component statestore: it connects to PostgreSQL without TLS: .*write sslmode=verify-full/)])
  }
})

test.each([
  [{}, /connectionString is missing; write it, or host, user, password and database/],
  [{ connectionString: 'hush' }, /neither a URL .* nor words/],
  [{ connectionString: 'host=h password=hush word' }, /neither a URL/],
  [{ connectionString: "host=h password='hush" }, /neither a URL/],
  [{ connectionString: 'postgres://u:hu/sh@h/db' }, /percent-encoded|is no URL/],
  [{ connectionString: 'postgres://u:hush%zz@h/db' }, /percent-encoded/],
  [{ connectionString: 'postgres://u:hush@a,b/db' }, /several hosts/],
  [{ connectionString: 'host=a,b user=u password=hush' }, /several hosts/],
  [{ connectionString: 'host=h user=u dbname=a/b password=hush' }, /name of the database/],
  [{ connectionString: 'host=h user=u dbname=a sslmode=always password=hush' }, /sslmode is one of/],
  [{ connectionString: 'host=h user=u port=x password=hush' }, /port is a number/],
  [{ connectionString: 'host=h user=u port=70000 password=hush' }, /port is a number/],
  [{ connectionString: 'service=hush' }, /service cannot be kept/],
  [{ host: 'u:hush@h' }, /the host is a name/],
  [{ connectionString: 'host=h user=u', useAzureAD: 'true' }, /signs in with a user and a password/],
  [{ connectionString: 'host=h user=u', maxConns: '0' }, /pool is a number/],
] as const)('state.postgresql %j is refused', (metadata, message) => {
  const problems = problemsOf(storeFile('state.postgresql', metadata))
  expect(problems).toEqual([expect.stringMatching(message)])
  expect(problems[0]).not.toContain('hush')
})
