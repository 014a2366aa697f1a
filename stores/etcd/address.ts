/** etcd URLs as options: `etcd://` and `etcds://` (TLS), with the endpoints of one cluster. Never shows a password. */
import { TroupeError } from '../../core/errors.ts'

export interface EtcdAddress {
  /** HOST:PORT each, sorted: hosts compare their stores by name, and the order of endpoints means nothing. */
  readonly endpoints: readonly string[]
  readonly tls: boolean
  readonly user: { readonly name: string; readonly password: string } | undefined
  /** The URL without user and password. */
  readonly name: string
}

const shape = /^(etcds?):\/\/(?:([^@/]*)@)?([^@/?#]+)\/?$/
const endpointShape = /^(\[[0-9a-fA-F:.]+\]|[^:[\]\s]+)(?::(\d{1,5}))?$/
const forms = 'write etcd://[user:password@]HOST[:PORT][,HOST[:PORT]…], or etcds://… for TLS'

const withoutSecrets = (url: string): string => url.replace(/\/\/.*@/s, '//')

/** @throws BAD_OPTION */
export function parseEtcdUrl(url: string): EtcdAddress {
  const bad = (why: string): TroupeError => new TroupeError('BAD_OPTION', `cluster store URL ${JSON.stringify(withoutSecrets(url))}: ${why}; ${forms}`)
  const [, scheme, user, hosts] = shape.exec(url) ?? []
  if (scheme === undefined || hosts === undefined) throw bad('it has not the shape of an etcd URL')
  const endpoints = hosts.split(',').map(endpoint => {
    const [, host, port = '2379'] = endpointShape.exec(endpoint) ?? []
    if (host === undefined || Number(port) > 65_535 || Number(port) === 0) throw bad(`${JSON.stringify(endpoint)} is no host:port`)
    return `${host.toLowerCase()}:${Number(port)}`
  })
  const sorted = [...new Set(endpoints)].sort()
  return { endpoints: sorted, tls: scheme === 'etcds', user: credentials(user, bad), name: `${scheme}://${sorted.join(',')}` }
}

function credentials(user: string | undefined, bad: (why: string) => TroupeError): EtcdAddress['user'] {
  if (user === undefined) return undefined
  const [name = '', password = ''] = user.split(/:(.*)/s)
  if (name === '' || password === '') throw bad('user and password are written user:password@')
  try {
    return { name: decodeURIComponent(name), password: decodeURIComponent(password) }
  } catch {
    throw bad('the user or password has a % that is no percent-encoding; write %25')
  }
}
