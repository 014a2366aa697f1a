/** As much of HTTP/1.1 as a load generator needs: requests built once, replies recognised without being understood. Pure. */

/** A keep-alive request with a JSON body, ready to be written. */
export function requestOf(method: string, path: string, body: string): Buffer {
  const length = Buffer.byteLength(body)
  return Buffer.from(`${method} ${path} HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-type: application/json\r\ncontent-length: ${length}\r\n\r\n${body}`)
}

const headEnd = Buffer.from('\r\n\r\n')

export interface ReplyExtent {
  readonly status: number
  /** Its bytes, head included. */
  readonly length: number
  /** Where its body begins, chunk by chunk if it is chunked. */
  readonly bodyStart: number
}

/** The first reply in `received`; undefined when it is not complete. @throws Error when its length is not given */
export function replyOf(received: Buffer): ReplyExtent | undefined {
  const end = received.indexOf(headEnd)
  if (end < 0) return undefined
  const head = received.toString('latin1', 0, end)
  const status = Number(head.slice(9, 12))
  const bodyStart = end + headEnd.length
  const field = /\r\ncontent-length: *(\d+)/i.exec(head)
  if (field === null && /\r\ntransfer-encoding: *chunked/i.test(head)) {
    const length = chunksEnd(received, bodyStart)
    return length === undefined ? undefined : { status, length, bodyStart }
  }
  if (field === null && status !== 204) throw new Error(`a reply without content-length: ${head}`)
  const length = bodyStart + Number(field?.[1] ?? 0)
  return received.length >= length ? { status, length, bodyStart } : undefined
}

/** Where the chunks that begin at `from` end, their trailers included; undefined when they are not all there. */
function chunksEnd(received: Buffer, from: number): number | undefined {
  for (let at = from; ;) {
    const lineEnd = received.indexOf('\r\n', at)
    if (lineEnd < 0) return undefined
    const size = Number.parseInt(received.toString('latin1', at, lineEnd), 16)
    if (Number.isNaN(size)) throw new Error(`no size of a chunk: ${received.toString('latin1', at, lineEnd)}`)
    if (size === 0) {
      const end = received.indexOf(headEnd, lineEnd)
      return end < 0 ? undefined : end + headEnd.length
    }
    at = lineEnd + 2 + size + 2
    if (at > received.length) return undefined
  }
}

/**
 * Bytes of the first reply in `received`, its head included; undefined when it is not complete.
 * @throws Error when its status is not 2xx, or its length is not given by `content-length`
 */
export function replyLength(received: Buffer): number | undefined {
  // `HTTP/1.1 200 OK`: the class of the status is the tenth character.
  if (received.length > 9 && received[9] !== 50) throw new Error(`the server answered ${received.toString('latin1', 0, 400)}`)
  return replyOf(received)?.length
}
