/**
 * Calls of methods over HTTP, the hot path of this door.
 *
 * A type that this host runs as a class gets the arguments in the body. Any other is an application's, or nobody's, or runs
 * as a class elsewhere: its body goes on as it came, with the caller's headers and query, and nothing of it is decoded here.
 */
import { REENTRANCY_HEADER } from '../actors/app-channel.ts'
import type { CallRequest, Dispatcher, DoorBody } from '../runtime/dispatch/dispatcher.ts'
import { argumentsOf, saysCodec } from '../actors/call-body.ts'
import type { DoorFacts } from './dapr/door-facts.ts'
import { requestHeaders } from './dapr/passed-headers.ts'
import type { HttpExchange } from './http-exchange.ts'
import { failWork } from './http-failures.ts'
import { callTimeout, checkNames, takeBody, type BodyLimits } from './http-input.ts'
import { cleanMethod, type RouteParams } from './http-routes.ts'
import { readKey } from './idempotency-key.ts'

export interface InvokeContext extends BodyLimits {
  readonly dispatcher: Dispatcher
  readonly facts: DoorFacts
}

const noArgs: readonly unknown[] = Object.freeze([])
const noBytes = new Uint8Array(0)

/** @throws BAD_REQUEST · PAYLOAD_TOO_LARGE */
export function invoke(context: InvokeContext, exchange: HttpExchange, params: RouteParams): void {
  const { dispatcher } = context
  const { headers } = exchange.request
  const refusal = dispatcher.refusal?.(Number(headers['content-length'] ?? 0))
  if (refusal !== undefined) return exchange.refuse(refusal)
  checkNames(params)
  const type = params.type!
  const method = cleanMethod(params.method!)
  const timeoutMs = callTimeout(headers['troupe-timeout'])
  const idempotencyKey = readKey(headers['idempotency-key'])
  const isClass = dispatcher.runsClass?.(type) !== false
  const reentrancy = headers[REENTRANCY_HEADER]
  takeBody(context, exchange, bytes => {
    const request: CallRequest = {
      type, id: params.id!, method,
      args: isClass ? argumentsOf(bytes, saysCodec(headers['content-type'])) : noArgs,
      body: isClass ? undefined : bodyOf(exchange, bytes),
      reentrancyId: reentrancy === undefined ? undefined : String(reentrancy),
      timeoutMs, signal: exchange.signal, idempotencyKey, caller: exchange.caller, bytes: bytes?.length ?? 0,
    }
    dispatcher.call(request).then(
      reply => exchange.sendReply(reply, context.facts.strict ? 200 : 204),
      error => failWork(context, exchange, error, 'invoke', { type, id: request.id, name: method }),
    )
  }, !isClass)
}

function bodyOf({ request, wantsCodec }: HttpExchange, bytes: Uint8Array = noBytes): DoorBody {
  const url = request.url!
  const query = url.indexOf('?')
  return {
    bytes,
    // No arguments are no bytes, and say nothing of their form: that of the answer does.
    codec: bytes.length === 0 ? wantsCodec : saysCodec(request.headers['content-type']),
    query: query === -1 ? '' : url.slice(query + 1), headers: requestHeaders(request.rawHeaders),
  }
}
