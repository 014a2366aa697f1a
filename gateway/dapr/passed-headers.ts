/**
 * Headers on their way through: those of a caller to the application, and those of its answer back. Flat lists of names in
 * lower case and values, in the order in which they came; a name that came twice is there twice.
 *
 * What belongs to one connection stays there (RFC 9110, 7.6.1), what the sender's HTTP library counts anew is left to it,
 * and the token that opens this door is nobody else's business.
 */
import { validateHeaderName, validateHeaderValue } from 'node:http'
import type { HeaderList } from '../../actors/app-channel.ts'
import { TOKEN_HEADER } from '../api-token.ts'

const hopByHop = ['connection', 'keep-alive', 'te', 'trailer', 'transfer-encoding', 'upgrade', 'http2-settings', 'content-length']
/** The last one says that a request is the sidecar's own. */
const ofRequests: ReadonlySet<string> = new Set([...hopByHop, 'host', 'expect', TOKEN_HEADER, 'dapr-api-call'])
const ofReplies: ReadonlySet<string> = new Set(hopByHop)

const COLON = 0x3a

/** The caller's headers for the application; from node's `rawHeaders` as well. */
export const requestHeaders = (given: HeaderList): string[] => passed(given, name => !ofRequests.has(name))

/** The application's headers for the caller: metadata of gRPC that is bytes (`-bin`) is no header. */
export const replyHeaders = (given: HeaderList): string[] => passed(given, name => !ofReplies.has(name) && !name.endsWith('-bin'))

/** Without those that HTTP cannot carry. */
export function legalHeaders(given: HeaderList): string[] {
  const kept: string[] = []
  for (let i = 0; i < given.length; i += 2) {
    try {
      validateHeaderName(given[i]!)
      validateHeaderValue(given[i]!, given[i + 1]!)
      kept.push(given[i]!, given[i + 1]!)
    } catch {
      // Left out: the body is worth more than a header that nobody could read.
    }
  }
  return kept
}

/** Each name once, with all its values (RFC 9110, 5.3): HTTP/2 in Node takes several of few names. Cookies alone cannot be joined. */
export function joinedHeaders(given: HeaderList): string[] {
  const joined: string[] = []
  const placeOf = new Map<string, number>()
  for (let i = 0; i < given.length; i += 2) {
    const name = given[i]!
    const place = name === 'set-cookie' ? undefined : placeOf.get(name)
    if (place !== undefined) joined[place] = `${joined[place]!}, ${given[i + 1]!}`
    else placeOf.set(name, joined.push(name, given[i + 1]!) - 1)
  }
  return joined
}

function passed(given: HeaderList, passes: (name: string) => boolean): string[] {
  const kept: string[] = []
  let connection: string | undefined
  for (let i = 0; i + 1 < given.length; i += 2) {
    const name = given[i]!.toLowerCase()
    const value = given[i + 1]!
    if (name === 'connection') connection = connection === undefined ? value : `${connection},${value}`
    // The names of HTTP/2 that are no headers begin with a colon.
    else if (passes(name) && name.charCodeAt(0) !== COLON && !name.startsWith('proxy-')) kept.push(name, value)
  }
  return connection === undefined || connection === 'keep-alive' || connection === 'close' ? kept : withoutNamed(kept, connection)
}

/** The sender may call any header one of the connection. */
function withoutNamed(list: readonly string[], connection: string): string[] {
  const named = new Set(connection.toLowerCase().split(',').map(name => name.trim()))
  const kept: string[] = []
  for (let i = 0; i < list.length; i += 2) if (!named.has(list[i]!)) kept.push(list[i]!, list[i + 1]!)
  return kept
}
