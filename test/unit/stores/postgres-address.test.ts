import { expect, test } from 'vitest'
import { TroupeError } from '../../../core/errors.ts'
import { SystemClock } from '../../../core/clock.ts'
import { openStores } from '../../../stores/open-store.ts'
import { parsePostgresUrl } from '../../../stores/postgres/address.ts'
import { quoted, schemaOf } from '../../../stores/postgres/schema.ts'

const errorOf = (run: () => unknown): TroupeError => {
  try {
    run()
  } catch (error) {
    if (TroupeError.is(error)) return error
    throw error
  }
  throw new Error('nothing was thrown')
}

test.each([
  ['postgres://h', 'postgres://h', 10],
  ['postgresql://u:hush@h:5433/db', 'postgres://h:5433/db', 10],
  ['postgres://u:p%40%2F%3F@db.example.org/app?pool=3', 'postgres://db.example.org/app', 3],
  ['postgres://u:a@b@h/db', 'postgres://h/db', 10],
  ['postgres://[::1]:5432/db?sslmode=verify-full&sslrootcert=/etc/ca.pem', 'postgres://[::1]:5432/db', 10],
  ['postgres:///db?host=/var/run/postgresql&pool=1000', 'postgres:///db?host=/var/run/postgresql', 1_000],
] as const)('%s', (url, name, pool) => {
  const address = parsePostgresUrl(url)
  expect(address).toMatchObject({ name, pool })
  expect(address.connectionString).not.toContain('pool=')
  const { actors, cluster } = openStores(url, { clock: new SystemClock() })
  expect([actors.name, cluster.name, actors.shared]).toEqual([name, name, true])
})

test.each([
  ['postgres:', /shape of a PostgreSQL URL/],
  ['postgres:db', /shape/],
  ['postgres://', /names no host/],
  ['postgres:///db', /names no host/],
  ['postgres://a,b/db', /several hosts/],
  ['postgres://h:port/db', /a port is a number/],
  ['postgres://h:99999/db', /a port is a number/],
  ['postgres://u:%zz@h/db', /% must be written %25/],
  ['postgres://u:pa/ss@h/db', /percent-encoded/],
  ['postgres://u:1?ss@h/db', /percent-encoded/],
  ['postgres://h/db#part', /# must be percent-encoded/],
  ['postgres://h/db?pool=0', /pool is a number from 1 to 1000/],
  ['postgres://h/db?pool=1e2', /pool is a number/],
  ['postgres://h/db?pool=1001', /pool is a number/],
  ['postgres://h/db?pool=', /pool is a number/],
  ['postgres://h/db?pool=1&pool=2', /pool is given twice/],
  ['postgres://h/db?max=5', /parameter that Troupe does not take \(max\); there are pool, host, sslmode/],
  ['postgres://h/db?options=-c%20x=y', /does not take \(options\)/],
  ['postgres://h/db?password=hush', /does not take \(password\)/],
  ['postgres://h/db?sslmode=always', /sslmode is one of disable, prefer, require, verify-ca, verify-full, no-verify/],
  ['postgres://h/db?host=other', /directory of a Unix socket/],
] as const)('%s is refused', (url, message) => {
  const error = errorOf(() => parsePostgresUrl(url))
  expect(error.code).toBe('BAD_OPTION')
  expect(error.message).toMatch(message)
})

test('no message and no name shows a password, wherever it stands', () => {
  const urls = [
    'postgres://u:hush@h:99999/db', 'postgres://u:hush@a,b', 'postgres://u:1/hush@h/db', 'postgres://u:1?hush@h/db', 'postgres://u:1#hush@h',
    'postgres://h/db?password=hush', 'postgres://h/db?Hush!hush=1', 'postgres://u:hush@h/db?sslmode=hush', 'postgres://u:hush%zz@h',
    'postgress://u:hush@h/db', 'postgress://h/db?password=hush', 'postgres:u:hush@h',
  ]
  for (const url of urls) expect(errorOf(() => openStores(url, { clock: new SystemClock() })).message).not.toMatch(/hush/i)
})

test('each namespace has a schema of its own, whose name fits', () => {
  expect(schemaOf('')).toBe('troupe')
  expect(schemaOf('default')).toBe('troupe_default')
  const long = ['x'.repeat(57), 'x'.repeat(58), `${'x'.repeat(57)}y`, '€'.repeat(20)].map(schemaOf)
  expect(new Set(long).size).toBe(long.length)
  for (const name of long) expect(Buffer.byteLength(name)).toBeLessThanOrEqual(63)
  expect(quoted('a"b')).toBe('"a""b"')
})
