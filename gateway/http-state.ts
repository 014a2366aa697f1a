/**
 * State of actors over HTTP, as the Dapr actor API has it: reading a key, and transactions, which are one operation on the
 * actor (`state.transact`).
 *
 * Values go on as they were written, but for white space between tokens. Errors of a transaction have the standard's words
 * and its one status for all of them, in either mode: they are for an application's SDK.
 */
import { headerOf } from '../actors/app-channel.ts'
import type { StateChange } from '../actors/management.ts'
import { TroupeError } from '../core/errors.ts'
import type { CallReply, Dispatcher } from '../runtime/dispatch/dispatcher.ts'
import { JSON_TYPE, parseJson } from '../actors/call-body.ts'
import type { DoorFacts } from './dapr/door-facts.ts'
import { daprCodes, generalFailure } from './dapr/error-texts.ts'
import type { HttpExchange } from './http-exchange.ts'
import { refusedAs, workRoute } from './http-failures.ts'
import { checkNames, readTarget, takeBody, type BodyLimits } from './http-input.ts'
import type { Route, RouteParams } from './http-routes.ts'
import { compactJson, elementTexts, memberText } from './json-source.ts'

export interface StateContext extends BodyLimits {
  readonly dispatcher: Dispatcher
  readonly facts: DoorFacts
}

const MOST_CHANGES = 10_000
/** Until the year 10000. */
const MAX_TTL_SECONDS = 253_402_300_799
/** Of a stored value with an end, as the runtime tells it, and as the standard does. */
const EXPIRY = 'metadata.ttlexpiretime'
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
  const expiry = headerOf(headers, EXPIRY)
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

/** @throws MALFORMED_BODY, and in the standard's words what is wrong with an operation */
function readTransaction(body: Buffer, facts: DoorFacts): StateChange[] {
  const given = parseJson(body)
  if (!Array.isArray(given)) {
    throw new TroupeError('MALFORMED_BODY', 'failed deserializing HTTP body: a transaction is a JSON array, such as [{"operation":"upsert","request":{"key":"k","value":1}}]')
  }
  if (given.length > MOST_CHANGES) throw refused(`the transaction contains more operations than supported by the state store: ${given.length} of at most ${MOST_CHANGES}`)
  const texts = elementTexts(body.toString())
  return given.map((change: unknown, i) => readChange(change, texts[i]!, facts))
}

function readChange(given: unknown, text: string, facts: DoorFacts): StateChange {
  const { operation, request } = isObject(given) ? given : {} as Fields
  if (operation === undefined || operation === null || operation === '') throw refused('operation is empty')
  if (operation !== 'upsert' && operation !== 'delete') throw refused(`operation type ${String(operation).slice(0, 100)} not supported`)
  if (!isObject(request)) throw refused('request data is empty')
  const { key, etag, metadata } = request
  if (key === undefined || key === null || key === '') throw refused('missing key')
  if (typeof key !== 'string') throw refused(`key ${JSON.stringify(key).slice(0, 100)} is no text`)
  if (etag !== undefined && etag !== null && etag !== '') throw refused(`etag of key ${JSON.stringify(key)}: an actor has its state to itself and keeps no etags; leave it out`)
  if (operation === 'delete') return { key, value: undefined }
  const ttlMs = readTtl(key, metadata, facts)
  const json = compactJson(memberText(memberText(text, 'request')!, 'value') ?? 'null')
  return ttlMs === undefined ? { key, value: { json } } : { key, value: { json }, ttlMs }
}

/** Nothing and less than nothing: it has no end. */
function readTtl(key: string, metadata: unknown, { strict, enabledFeatures }: DoorFacts): number | undefined {
  const given = isObject(metadata) ? metadata.ttlInSeconds : undefined
  if (given === undefined || given === null || given === '') return undefined
  if (strict && !enabledFeatures.includes('ActorStateTTL')) throw refused('ttlInSeconds is not supported without the "ActorStateTTL" feature enabled')
  const seconds = typeof given === 'number' || typeof given === 'string' && /^-?\d{1,15}$/.test(given) ? Number(given) : NaN
  if (!Number.isInteger(seconds) || seconds > MAX_TTL_SECONDS) {
    throw refused(`ttlInSeconds of key ${JSON.stringify(key)}: ${JSON.stringify(given).slice(0, 100)} must be a whole number of seconds, up to ${MAX_TTL_SECONDS}`)
  }
  return seconds <= 0 ? undefined : seconds * 1000
}

const refused = (why: string): Error => refusedAs(daprCodes.stateSave, `${generalFailure('state.save').doing}: ${why}`)

type Fields = Readonly<Record<string, unknown>>

const isObject = (value: unknown): value is Fields => typeof value === 'object' && value !== null && !Array.isArray(value)
