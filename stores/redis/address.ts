/** Redis URLs as options: `redis://`, `rediss://` (TLS), `redis+cluster://` and `rediss+cluster://` with several nodes. Never shows a password. */
import { TroupeError } from '../../core/errors.ts'

export interface RedisAddress {
  readonly nodes: readonly { readonly host: string; readonly port: number }[]
  readonly clustered: boolean
  readonly tls: boolean
  readonly username: string | undefined
  readonly password: string | undefined
  readonly database: number
  /** The URL without user and password, for logs. */
  readonly name: string
}

const shape = /^(rediss?|rediss?\+cluster):\/\/(?:([^@/]*)@)?([^@/?#]+)(?:\/(\d*))?$/
const nodeShape = /^(?:\[([0-9a-fA-F:.]+)\]|([^:[\]\s]+))(?::(\d{1,5}))?$/
const forms = 'write redis://[user:password@]host[:port][/database], rediss://… for TLS, or redis+cluster://host:port,host:port (rediss+cluster://)'

/** `url` with user and password left out, whatever else is wrong with it. */
export const withoutSecrets = (url: string): string => url.replace(/\/\/.*@/s, '//')

/** @throws BAD_OPTION */
export function parseRedisUrl(url: string): RedisAddress {
  const bad = (why: string): TroupeError => new TroupeError('BAD_OPTION', `store URL ${JSON.stringify(withoutSecrets(url))}: ${why}; ${forms}`)
  const [, scheme, user, hosts, database] = shape.exec(url) ?? []
  if (scheme === undefined || hosts === undefined) throw bad('it has not the shape of a Redis URL')
  const clustered = scheme.endsWith('+cluster')
  if (!clustered && hosts.includes(',')) throw bad('only redis+cluster:// takes several nodes')
  if (clustered && database !== undefined && database !== '' && database !== '0') throw bad('a Redis Cluster has only database 0')
  const nodes = hosts.split(',').map(node => {
    const [, v6, name, port = '6379'] = nodeShape.exec(node) ?? []
    const host = v6 ?? name
    if (host === undefined || Number(port) > 65_535 || Number(port) === 0) throw bad(`${JSON.stringify(node)} is no host:port`)
    return { host, port: Number(port) }
  })
  const [username, password] = credentials(user, bad)
  return { nodes, clustered, tls: scheme.startsWith('rediss'), username, password, database: Number(database || 0), name: withoutSecrets(url) }
}

function credentials(user: string | undefined, bad: (why: string) => TroupeError): [string | undefined, string | undefined] {
  if (user === undefined) return [undefined, undefined]
  const colon = user.indexOf(':')
  if (colon < 0) throw bad('user and password are written user:password@ (or :password@)')
  try {
    return [decodeURIComponent(user.slice(0, colon)) || undefined, decodeURIComponent(user.slice(colon + 1)) || undefined]
  } catch {
    throw bad('the user or password has a % that is no percent-encoding; write %25')
  }
}
