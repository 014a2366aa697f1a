/**
 * The parameters of a PostgreSQL connection string as libpq has them: a URL, or `host=… user=… dbname=…` with values in single
 * quotes where they hold spaces. Pure. Problems show nothing of the text: what looks like a name may be part of a password.
 */

export type PostgresParameters = Map<string, string>

const NEITHER = "is neither a URL (postgres://USER:PASSWORD@HOST:PORT/DATABASE) nor words as host=… user=… password='…' dbname=…; "
  + "write one of them, with \\' for a quote and \\\\ for a backslash in a value"

/** @returns the parameters, or what is wrong with the text */
export function parsePostgresParameters(text: string): PostgresParameters | string {
  return /^postgres(?:ql)?:\/\//.test(text) ? fromUrl(text) : fromWords(text)
}

function fromUrl(text: string): PostgresParameters | string {
  const authority = /^[a-z]+:\/\/([^/?#]*)/.exec(text)![1]!
  const host = authority.slice(authority.lastIndexOf('@') + 1)
  // A URL can have a user, or no host, not both; and no list of hosts.
  const hasHost = host !== '' && !host.startsWith(':')
  if (host.includes(',')) return 'names several hosts; name the one that takes writes, or an address that leads to it'
  try {
    const url = new URL(hasHost ? text : text.replace(/^([a-z]+:\/\/[^/?#]*?)(:\d*)?(?=[/?#]|$)/, '$1localhost$2'))
    const parameters: PostgresParameters = new Map()
    const set = (name: string, value: string): void => { if (value !== '') parameters.set(name, value) }
    set('user', decodeURIComponent(url.username))
    set('password', decodeURIComponent(url.password))
    if (hasHost) set('host', decodeURIComponent(url.hostname).replace(/^\[(.*)\]$/, '$1'))
    set('port', url.port)
    set('dbname', decodeURIComponent(url.pathname.slice(1)))
    for (const [name, value] of url.searchParams) set(nameOf(name), value)
    return parameters
  } catch {
    return 'is no URL: a / ? # @ or % in user or password must be percent-encoded (%2F %3F %23 %40 %25), a port is a number below 65536'
  }
}

function fromWords(text: string): PostgresParameters | string {
  const parameters: PostgresParameters = new Map()
  const word = /\s*([A-Za-z_]\w*)\s*=\s*(?:'((?:[^'\\]|\\.)*)'|((?:[^\s'\\]|\\.)*))(?=\s|$)/sy
  const end = text.trimEnd().length
  while (word.lastIndex < end) {
    const found = word.exec(text)
    if (found === null) return NEITHER
    const value = (found[2] ?? found[3] ?? '').replace(/\\(.)/gs, '$1')
    if (value !== '') parameters.set(nameOf(found[1]!), value)
  }
  return parameters
}

const nameOf = (name: string): string => name === 'database' ? 'dbname' : name
