/**
 * Answers to what is no HTTP request: garbage, headers beyond the limit, requests that never end.
 *
 * Written to the socket by hand, since no request object exists. Where another request of this connection still waits
 * for its reply nothing may be written: the client would take it for that reply.
 */
import { STATUS_CODES } from 'node:http'
import type { Socket } from 'node:net'
import { TroupeError } from '../core/errors.ts'
import { failureOf } from './error-body.ts'
import type { HttpExchange } from './http-exchange.ts'

export function answerBrokenRequest(error: Error & { code?: string }, socket: Socket, inFlight: Iterable<HttpExchange>): void {
  if (!socket.writable || error.code === 'ECONNRESET' || otherReplyDue(socket, inFlight)) {
    socket.destroy()
    return
  }
  const [status, why] = explain(error)
  const { body } = failureOf(new TroupeError('BAD_REQUEST', `invalid request: ${why}`))
  const text = JSON.stringify(body)
  socket.end([
    `HTTP/1.1 ${status} ${STATUS_CODES[status]}`, 'connection: close', 'content-type: application/json',
    `content-length: ${Buffer.byteLength(text)}`, '', text,
  ].join('\r\n'), () => socket.destroy())
}

function explain(error: Error & { code?: string }): [status: number, why: string] {
  switch (error.code) {
    case 'HPE_HEADER_OVERFLOW': return [431, 'the request line and headers are too long']
    case 'ERR_HTTP_REQUEST_TIMEOUT': return [408, 'the request took too long to arrive']
    default: return [400, `not HTTP: ${error.message}`]
  }
}

/** The broken request itself may be in flight, when its body is what broke: it is the one that is answered here. */
function otherReplyDue(socket: Socket, inFlight: Iterable<HttpExchange>): boolean {
  for (const exchange of inFlight) {
    if (exchange.request.socket === socket && (exchange.request.complete || exchange.response.headersSent)) return true
  }
  return false
}
