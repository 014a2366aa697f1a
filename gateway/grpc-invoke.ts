/**
 * InvokeActor: a method call over gRPC.
 *
 * A class gets arguments and gives a result, as over HTTP (call-body.ts). Whatever this host does not run as a class gets the
 * bytes as they came, with `metadata` as headers, and its answer's bytes are the reply.
 */
import { Metadata } from '@grpc/grpc-js'
import { REENTRANCY_HEADER } from '../actors/app-channel.ts'
import { TroupeError } from '../core/errors.ts'
import { checkId, checkType } from '../core/ids.ts'
import type { CallReply, DoorBody } from '../runtime/dispatch/dispatcher.ts'
import { argumentsOf, resultBody, saysCodec, JSON_TYPE } from '../actors/call-body.ts'
import { TOKEN_HEADER } from './api-token.ts'
import { demandFits, optionsOf, type GrpcAnswer, type GrpcWork, type Rpc } from './grpc-rpc.ts'
import { metadataText } from './grpc-status.ts'
import { cleanMethod } from './http-routes.ts'
import { endUnread, isStream } from './http-stream.ts'
import { readKey } from './idempotency-key.ts'

interface InvokeActorRequest {
  readonly actorType: string
  readonly actorId: string
  readonly method: string
  readonly data: Buffer
  /** What would be headers over HTTP. */
  readonly metadata: Readonly<Record<string, string>>
}

export const invokeActor: Rpc<InvokeActorRequest> = {
  keyed: true,
  work: 'invoke',
  run: invoke,
}

async function invoke({ actorType: type, actorId: id, method: name, data, metadata }: InvokeActorRequest, work: GrpcWork): Promise<GrpcAnswer> {
  const { dispatcher } = work
  const refusal = dispatcher.refusal?.(data.length)
  if (refusal !== undefined) throw refusal
  checkType(type)
  checkId(id)
  const method = cleanMethod(name)
  const headers = headersOf(metadata)
  const codec = saysCodec(headers.get('content-type'))
  // Clients of this door rarely say so, and hosts over HTTP parse nothing else.
  if (!headers.has('content-type')) headers.set('content-type', JSON_TYPE)
  const given = dispatcher.runsClass?.(type) === false
    ? { args: [], body: { bytes: data, codec, query: '', headers: [...headers].flat() } satisfies DoorBody }
    : { args: argumentsOf(data, codec) }
  const reentrancyId = headers.get(REENTRANCY_HEADER) ?? work.metadata.get(REENTRANCY_HEADER).map(String)[0]
  const reply = await dispatcher.call({
    type, id, method, ...given, ...optionsOf(work), idempotencyKey: keyOf(headers, work.metadata), bytes: data.length,
    ...(reentrancyId === undefined ? {} : { reentrancyId }),
  })
  return answerOf(reply, codec, work)
}

function answerOf({ value, app, host, epoch }: CallReply, codec: boolean, work: GrpcWork): GrpcAnswer {
  const data = app === undefined ? resultOf(value, codec) : app.body
  if (data !== undefined) demandFits(data.length, work, 'the result')
  const trailer = new Metadata()
  trailer.set('troupe-host', metadataText(host))
  trailer.set('troupe-epoch', String(epoch))
  return { message: data === undefined ? {} : { data }, trailer }
}

function resultOf(value: unknown, codec: boolean): Uint8Array | undefined {
  if (isStream(value)) {
    endUnread(value)
    throw new TroupeError('METHOD_NOT_ALLOWED', 'the method returns a stream, which InvokeActor cannot carry; '
      + 'call POST /v1.0/actors/TYPE/ID/method/METHOD over HTTP', { executed: 'unknown' })
  }
  const body = resultBody(value, codec)
  return typeof body === 'string' ? Buffer.from(body) : body
}

const headerName = /^[a-z0-9!#$%&'*+.^_`|~-]+$/
// eslint-disable-next-line no-control-regex
const illegalInValue = /[\u0000\r\n]/

/** By names in lower case; of two that differ in case alone the last one counts. @throws BAD_REQUEST for what could be no header */
function headersOf(metadata: InvokeActorRequest['metadata']): Map<string, string> {
  const headers = new Map<string, string>()
  for (const [given, value] of Object.entries(metadata)) {
    const name = given.toLowerCase()
    if (!headerName.test(name) || illegalInValue.test(value)) {
      throw new TroupeError('BAD_REQUEST', `invalid request: metadata: ${JSON.stringify(given.slice(0, 60))} stands for a header, and is no legal one`)
    }
    // It opens this door, and is nobody else's business.
    if (name !== TOKEN_HEADER) headers.set(name, value)
  }
  return headers
}

/** The idempotency key in the call's metadata, or in the request's map that stands for headers. @throws BAD_REQUEST */
function keyOf(headers: ReadonlyMap<string, string>, metadata: Metadata): string | undefined {
  const given = metadata.get('idempotency-key').map(String)
  const inMap = headers.get('idempotency-key')
  const keys = new Set([...given, ...(inMap === undefined ? [] : [inMap])].map(readKey))
  if (keys.size > 1) throw new TroupeError('BAD_REQUEST', 'invalid request: idempotency-key: two different ones are given; give one')
  return [...keys][0]
}
