/**
 * PostgreSQL URLs, checked before anything is opened. Never shows a password, or anything that may be part of one.
 *
 *     postgres://[user[:password]@]HOST[:PORT][/DATABASE][?pool=10&sslmode=verify-full&…]     also postgresql://
 *
 * What is left out comes from where `pg` takes it: PGUSER, PGPASSWORD, PGDATABASE and the like.
 */
import { TroupeError } from '../../core/errors.ts'

export interface PostgresAddress {
  /** For `pg`: without Troupe's own parameters. Holds the password. */
  readonly connectionString: string
  /** Connections of this process at most. */
  readonly pool: number
  /** The URL without user, password and parameters: for logs, and for hosts to compare. */
  readonly name: string
}

const DEFAULT_POOL = 10
const MAX_POOL = 1_000
const sslModes = ['disable', 'prefer', 'require', 'verify-ca', 'verify-full', 'no-verify']
/** Parameters that go to `pg` as they are. Others could undo what the connection sets, or carry a password. */
const passedOn = ['host', 'sslmode', 'sslrootcert', 'sslcert', 'sslkey', 'sslnegotiation', 'uselibpqcompat', 'application_name']
const known = ['pool', ...passedOn]
const forms = 'write postgres://[user:password@]host[:port]/database, with parameters as ?pool=10&sslmode=verify-full'

/** @throws BAD_OPTION */
export function parsePostgresUrl(text: string): PostgresAddress {
  const [, authority, rest = ''] = /^postgres(?:ql)?:\/\/([^/?#]*)(.*)$/s.exec(text) ?? []
  // Nothing of the text is shown before it is sure where its password ends.
  const bad = (why: string, shown = 'postgres://…'): TroupeError =>
    new TroupeError('BAD_OPTION', `store URL ${JSON.stringify(shown)}: ${why}; ${forms}`)
  if (authority === undefined) throw bad('it has not the shape of a PostgreSQL URL')
  if (rest.includes('@')) throw bad('a / ? # or @ in the user, password or parameters must be percent-encoded (%2F %3F %23 %40)')
  if (rest.includes('#')) throw bad('a # must be percent-encoded (%23)')
  const host = authority.slice(authority.lastIndexOf('@') + 1)
  const shown = `postgres://${host}${rest.replace(/\?.*$/s, '')}`
  if (host.includes(',')) throw bad('it names several hosts; name the one that takes writes, or an address that leads to it', shown)
  let url: URL
  try {
    url = new URL(text)
    decodeURIComponent(url.username + url.password + url.pathname)
  } catch {
    throw bad('it is no URL: a % must be written %25, a port is a number below 65536', shown)
  }
  const pool = readParameters(url.searchParams, why => bad(why, shown))
  const socket = url.searchParams.get('host')
  if (host === '' && socket === null) throw bad('it names no host', shown)
  url.searchParams.delete('pool')
  return { connectionString: url.href, pool, name: socket === null ? shown : `${shown}?host=${socket}` }
}

/** Checks all parameters; returns the size of the pool. */
function readParameters(parameters: URLSearchParams, bad: (why: string) => TroupeError): number {
  for (const name of new Set(parameters.keys())) {
    if (!known.includes(name)) {
      throw bad(`it has a parameter that Troupe does not take${/^[a-z_]{1,40}$/.test(name) ? ` (${name})` : ''}; there are ${known.join(', ')}`)
    }
    if (parameters.getAll(name).length > 1) throw bad(`${name} is given twice`)
  }
  const host = parameters.get('host')
  if (host !== null && !host.startsWith('/')) throw bad('the parameter host is the directory of a Unix socket, as /var/run/postgresql')
  const mode = parameters.get('sslmode')
  if (mode !== null && !sslModes.includes(mode)) throw bad(`sslmode is one of ${sslModes.join(', ')}`)
  const pool = parameters.get('pool') ?? String(DEFAULT_POOL)
  if (!/^\d{1,4}$/.test(pool) || Number(pool) < 1 || Number(pool) > MAX_POOL) throw bad(`pool is a number from 1 to ${MAX_POOL}`)
  return Number(pool)
}
