/**
 * A state.postgresql component (v1, v2) as a store URL. Names of tables and limits of time are Troupe's own.
 *
 * TLS means what it means to libpq: `require` encrypts without a look at the certificate (unless sslrootcert is given), `verify-ca` and
 * `verify-full` look. `prefer` and `allow`, also what counts where sslmode is left out, let an attacker choose; Troupe then
 * connects without TLS, and warns where the server is not on this machine.
 */
import { messageOf } from '../../../core/errors.ts'
import { parsePostgresUrl } from '../../../stores/postgres/address.ts'
import { isTruthy } from './field-reader.ts'
import type { Metadata } from './metadata.ts'
import { parsePostgresParameters, type PostgresParameters } from './postgres-parameters.ts'

/** Metadata beside connectionString, which they override. */
const single: readonly (readonly [key: string, parameter: string])[] =
  [['host', 'host'], ['hostaddr', 'hostaddr'], ['port', 'port'], ['user', 'user'], ['password', 'password'], ['database', 'dbname'], ['sslMode', 'sslmode'], ['sslRootCert', 'sslrootcert']]

/** Would take the password from elsewhere, or another server. */
const unkeepable = ['passfile', 'service', 'servicefile', 'sslpassword', 'sslcrl', 'sslinline', 'requirepeer', 'krbsrvname', 'gssencmode']

/** `warn` is told what differs and cannot be refused. */
export function postgresUrl(metadata: Metadata, warn: (text: string) => void): string | undefined {
  for (const name of ['useAzureAD', 'useAWSIAM']) {
    if (isTruthy(metadata.text(name))) metadata.refuse(name, 'Troupe signs in with a user and a password alone; give user and password')
  }
  const parameters = readParameters(metadata)
  if (parameters === undefined) return undefined
  const refused = unkeepable.filter(name => parameters.has(name))
  if (refused.length > 0) return metadata.refuse('connectionString', `${refused.join(', ')} cannot be kept by Troupe; give user, password and sslrootcert, sslcert, sslkey themselves`)
  const database = parameters.get('dbname') ?? parameters.get('user') ?? ''
  if (/[/?#@%]/.test(database)) return metadata.refuse(placeOf(metadata, 'database'), 'the name of the database has one of / ? # @ %, which a store URL cannot say; use another database')
  const query = tls(parameters, warn)
  const pool = metadata.text('maxConns') || parameters.get('pool_max_conns')
  if (pool !== undefined) query.set('pool', pool)
  const application = parameters.get('application_name')
  if (application !== undefined) query.set('application_name', application)
  return checkedUrl(parameters, database, query, metadata)
}

function readParameters(metadata: Metadata): PostgresParameters | undefined {
  const text = metadata.text('connectionString') ?? ''
  if (text === '' && !single.some(([key]) => metadata.has(key))) {
    return metadata.has('connectionString') && metadata.text('connectionString') === undefined ? undefined
      : metadata.refuse('connectionString', 'is missing; write it, or host, user, password and database')
  }
  const parameters = text === '' ? new Map<string, string>() : parsePostgresParameters(text)
  if (typeof parameters === 'string') return metadata.refuse('connectionString', parameters)
  for (const [key, parameter] of single) {
    const value = metadata.text(key)
    if (value) parameters.set(parameter, value)
  }
  return parameters
}

function tls(parameters: PostgresParameters, warn: (text: string) => void): URLSearchParams {
  const given = parameters.get('sslmode')
  const query = new URLSearchParams()
  if (given === undefined || given === 'disable' || given === 'prefer' || given === 'allow') {
    if (given !== undefined) query.set('sslmode', 'disable')
    const host = hostOf(parameters)
    if (given !== 'disable' && !host.startsWith('/') && !/^(?:localhost|127\.[\d.]+|::1)$/.test(host)) {
      warn(`it connects to PostgreSQL without TLS: sslmode is ${given ?? 'left out'}; write sslmode=verify-full or sslmode=require for TLS, sslmode=disable to say that none is meant`)
    }
    return query
  }
  const certificates = parameters.get('sslrootcert') === 'system' ? undefined : parameters.get('sslrootcert')
  // Certificates of the system's authorities are worth nothing without a look at the name.
  const full = certificates === undefined && (given === 'verify-ca' || parameters.has('sslrootcert'))
  query.set('sslmode', full ? 'verify-full' : given)
  query.set('uselibpqcompat', 'true')
  if (certificates !== undefined) query.set('sslrootcert', certificates)
  for (const name of ['sslcert', 'sslkey', 'sslnegotiation']) {
    const value = parameters.get(name)
    if (value !== undefined) query.set(name, value)
  }
  return query
}

const hostOf = (parameters: PostgresParameters): string => parameters.get('host') ?? parameters.get('hostaddr') ?? 'localhost'

/** Where a problem with one of the single keys lies. */
const placeOf = (metadata: Metadata, key: string): string => metadata.has(key) ? key : 'connectionString'

function checkedUrl(parameters: PostgresParameters, database: string, query: URLSearchParams, metadata: Metadata): string | undefined {
  const host = hostOf(parameters)
  if (/[\s@?#]/.test(host) || host.includes('/') && !host.startsWith('/')) return metadata.refuse(placeOf(metadata, 'host'), 'the host is a name, an address, or the directory of a Unix socket')
  if (host.startsWith('/')) query.set('host', host)
  const user = parameters.get('user') ?? ''
  const password = parameters.get('password') ?? ''
  const credentials = user === '' && password === '' ? '' : `${encodeURIComponent(user)}:${encodeURIComponent(password)}@`
  const port = parameters.get('port')
  if (port !== undefined && !/^\d{1,5}$/.test(port)) return metadata.refuse(placeOf(metadata, 'port'), 'the port is a number below 65536')
  const address = host.startsWith('/') ? 'localhost' : host.includes(':') ? `[${host}]` : host
  const rest = query.size === 0 ? '' : `?${query.toString().replaceAll('+', '%20')}`
  const url = `postgres://${credentials}${address}${port === undefined ? '' : `:${port}`}/${encodeURI(database)}${rest}`
  try {
    parsePostgresUrl(url)
    return url
  } catch (error) {
    return metadata.refuse('connectionString', messageOf(error))
  }
}
