/** From an HTTP reply to a result: the value, a stream of items, or the error that it tells of. */
import type { IncomingMessage } from 'node:http'
import { decode } from '../core/codec.ts'
import { TroupeError } from '../core/errors.ts'
import { CODEC_TYPE, FRAMES_TYPE, JSON_TYPE } from '../actors/call-body.ts'
import type { CallGuard } from './client-guard.ts'
import { streamOf } from './client-stream.ts'
import { errorOf } from './error-body.ts'

/** @throws the error in the reply · PEER_LOST · CALL_TIMEOUT · CANCELLED · RESULT_TOO_LARGE · PROTOCOL */
export async function readReply(response: IncomingMessage, guard: CallGuard, maxBytes: number): Promise<unknown> {
  const status = response.statusCode!
  const type = response.headers['content-type'] ?? ''
  if (status === 200 && type.startsWith(FRAMES_TYPE)) {
    guard.liftDeadline()
    return streamOf(response, guard, maxBytes)
  }
  const body = await readAll(response, guard, maxBytes)
  const value = status === 204 ? undefined
    : type.startsWith(CODEC_TYPE) ? decode(body, 'the answer')
    : type.startsWith(JSON_TYPE) ? jsonOf(body, guard)
    : notTroupe(guard, status, type)
  if (status >= 200 && status < 300) return value
  throw errorOf(value, status)
}

function jsonOf(body: Buffer, guard: CallGuard): unknown {
  try {
    return JSON.parse(body.toString()) as unknown
  } catch (error) {
    throw new TroupeError('PROTOCOL', `${guard.what}: the answer is no JSON`, { cause: error })
  }
}

function notTroupe(guard: CallGuard, status: number, type: string): never {
  const what = `the answer (status ${status}, content type ${JSON.stringify(type)})`
  throw new TroupeError('PROTOCOL', `${guard.what}: ${what} is not Troupe's; is the URL right?`)
}

function readAll(response: IncomingMessage, guard: CallGuard, maxBytes: number): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = []
    let length = 0
    guard.watch(() => response.destroy(new Error('stopped by the caller')))
    response.on('data', (chunk: Buffer) => {
      length += chunk.length
      chunks.push(chunk)
      if (length <= maxBytes) return
      const what = `${guard.what}: the answer is larger than ${maxBytes} bytes`
      reject(new TroupeError('RESULT_TOO_LARGE', `${what}; raise maxReplyBytes, or ask for less`))
      response.destroy()
    })
    response.on('end', () => resolve(chunks.length === 1 ? chunks[0]! : Buffer.concat(chunks, length)))
    response.on('error', cause => reject(guard.stopped('unknown')
      ?? new TroupeError('PEER_LOST', `${guard.what}: the connection broke in the middle of the answer: ${cause.message}`, { cause })))
  })
}
