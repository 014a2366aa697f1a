/** As much of HTTP/1.1 as a load generator needs: requests built once, replies recognised without being understood. Pure. */

/** A keep-alive request with a JSON body, ready to be written. */
export function requestOf(method: string, path: string, body: string): Buffer {
  const length = Buffer.byteLength(body)
  return Buffer.from(`${method} ${path} HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-type: application/json\r\ncontent-length: ${length}\r\n\r\n${body}`)
}

const headEnd = Buffer.from('\r\n\r\n')

/** The first reply in `received`: its status, and its bytes with its head; undefined when it is not complete. @throws Error when its length is not given */
export function replyOf(received: Buffer): { readonly status: number; readonly length: number } | undefined {
  const end = received.indexOf(headEnd)
  if (end < 0) return undefined
  const head = received.toString('latin1', 0, end)
  const status = Number(head.slice(9, 12))
  const bodyStart = end + headEnd.length
  const field = /\r\ncontent-length: *(\d+)/i.exec(head)
  if (field === null && status !== 204) throw new Error(`a reply without content-length: ${head}`)
  const length = bodyStart + Number(field?.[1] ?? 0)
  return received.length >= length ? { status, length } : undefined
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
