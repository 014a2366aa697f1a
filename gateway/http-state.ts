/**
 * State of actors over HTTP, as the Dapr actor API has it: reading a key, and transactions, which are one operation on the
 * actor (`state.transact`).
 *
 * Values go on as they were written, but for white space between tokens. Errors of a transaction have the standard's words
 * and its one status for all of them, in either mode: they are for an application's SDK.
 */
import { EXPIRES_HEADER, headerOf } from '../actors/app-channel.ts'
import type { DoorData, StateChange } from '../actors/management.ts'
import { TroupeError } from '../core/errors.ts'
import type { CallReply, Dispatcher } from '../runtime/dispatch/dispatcher.ts'
import { JSON_TYPE, parseJson } from '../actors/call-body.ts'
import type { DoorFacts } from './dapr/door-facts.ts'
import { checkChangeCount, isNone, readChange, readOperation, refused } from './dapr/state-changes.ts'
import type { HttpExchange } from './http-exchange.ts'
import { workRoute } from './http-failures.ts'
import { checkNames, readTarget, takeBody, type BodyLimits } from './http-input.ts'
import type { Route, RouteParams } from './http-routes.ts'
import { compactJson, elementTexts, memberText } from './json-source.ts'

export interface StateContext extends BodyLimits {
  readonly dispatcher: Dispatcher
  readonly facts: DoorFacts
}

/** Of a stored value with an end, as the standard spells it. */
const EXPIRY_HEADER = 'metadata.ttlExpireTime'

export const stateRoutes = (context: StateContext): Route[] => [
  [['POST', 'PUT'], '/v1.0/actors/:type/:id/state', workRoute(context, 'state.save', (exchange, params) => transact(context, exchange, params))],
  [['GET'], '/v1.0/actors/:type/:id/state/:key', workRoute(context, 'state.get', (exchange, params) => read(context, exchange, params))],
]

async function read({ dispatcher }: StateContext, exchange: HttpExchange, params: RouteParams): Promise<void> {
  checkNames(params)
  const reply = await dispatcher.readState(params.type!, params.id!, params.key!, exchange.caller)
  if (reply.app === undefined) exchange.sendReply(reply)
  else sendStored(exchange, reply)
}

/** The stored bytes as they are. */
function sendStored(exchange: HttpExchange, reply: CallReply): void {
  const { headers, body } = reply.app!
  const origin = exchange.originOf(reply)
  if (body.length === 0) return exchange.sendBytes(204, undefined, origin)
  const expiry = headerOf(headers, EXPIRES_HEADER)
  exchange.sendBytes(200, body, ['content-type', JSON_TYPE, ...expiry === undefined ? [] : [EXPIRY_HEADER, expiry], ...origin])
}

async function transact(context: StateContext, exchange: HttpExchange, params: RouteParams): Promise<void> {
  const { actor, work } = readTarget(exchange, params)
  const body = await new Promise<Buffer | undefined>(resolve => takeBody(context, exchange, resolve))
  const changes = readTransaction(body ?? Buffer.alloc(0), context.facts)
  await context.dispatcher.manage({
    ...actor, operation: 'state.transact', args: [changes], onlyHere: context.facts.strict ? true : undefined, ...work,
  })
  exchange.send(204, undefined, undefined)
}

/** @throws MALFORMED_BODY, and what gateway/dapr/state-changes.ts has for what is wrong with an operation */
function readTransaction(body: Buffer, facts: DoorFacts): StateChange[] {
  const given = parseJson(body)
  if (!Array.isArray(given)) {
    throw new TroupeError('MALFORMED_BODY', 'failed deserializing HTTP body: a transaction is a JSON array, such as [{"operation":"upsert","request":{"key":"k","value":1}}]')
  }
  checkChangeCount(given.length)
  const texts = elementTexts(body.toString())
  return given.map((change: unknown, i) => changeOf(change, texts[i]!, facts))
}

function changeOf(given: unknown, text: string, facts: DoorFacts): StateChange {
  const change = isObject(given) ? given : {}
  const operation = readOperation(change.operation)
  const { request } = change
  if (!isObject(request)) throw refused('request data is empty')
  const { key, etag, metadata } = request
  if (!isNone(key) && !isNone(etag)) throw refused(`etag of key ${JSON.stringify(key)}: an actor has its state to itself and keeps no etags; leave it out`)
  const value = (): DoorData => ({ json: compactJson(memberText(memberText(text, 'request')!, 'value') ?? 'null') })
  return readChange({ operation, key, value, ttlInSeconds: isObject(metadata) ? metadata.ttlInSeconds : undefined }, facts)
}

type Fields = Readonly<Record<string, unknown>>

const isObject = (value: unknown): value is Fields => typeof value === 'object' && value !== null && !Array.isArray(value)
