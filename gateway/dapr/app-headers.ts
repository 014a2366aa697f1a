/** Which headers pass between a caller and an application, in both directions. */
import type { HeaderList } from '../../actors/app-channel.ts'

/** Of one connection, never of the message (RFC 9110, 7.6.1). */
const hopByHop: ReadonlySet<string> = new Set([
  'connection', 'keep-alive', 'proxy-authenticate', 'proxy-authorization', 'proxy-connection', 'te', 'trailer', 'transfer-encoding', 'upgrade',
  'http2-settings',
])

/** Ours to set: the caller's token is for the sidecar, not for the application, and its `expect` was answered by the door. */
const ours: ReadonlySet<string> = new Set(['host', 'content-length', 'expect', 'dapr-api-token', 'dapr-api-call'])

/** The caller's headers for the application. */
export const requestHeaders = (headers: HeaderList): string[] => filtered(headers, name => !ours.has(name))

/** The application's headers for the caller. `-bin` ones are bytes to gRPC and text to nobody. */
export const replyHeaders = (headers: HeaderList): string[] => filtered(headers, name => name !== 'content-length' && !name.endsWith('-bin'))

function filtered(headers: HeaderList, passes: (name: string) => boolean): string[] {
  const named = namedByConnection(headers)
  const kept: string[] = []
  for (let i = 0; i + 1 < headers.length; i += 2) {
    const name = headers[i]!
    // Those of HTTP/2 (`:path`) are no headers.
    if (hopByHop.has(name) || name.startsWith(':') || named?.has(name) === true || !passes(name)) continue
    kept.push(name, headers[i + 1]!)
  }
  return kept
}

/** `connection: x-mine` makes `x-mine` hop-by-hop too. */
function namedByConnection(headers: HeaderList): Set<string> | undefined {
  let named: Set<string> | undefined
  for (let i = 0; i < headers.length; i += 2) {
    if (headers[i] !== 'connection') continue
    const value = headers[i + 1] ?? ''
    if (value === 'keep-alive' || value === 'close') continue
    named ??= new Set()
    for (const name of value.split(',')) named.add(name.trim().toLowerCase())
  }
  return named
}
