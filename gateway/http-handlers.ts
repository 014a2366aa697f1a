/**
 * What each HTTP route does: the invoke, state, metadata and health routes of the Dapr actor API, and Troupe's status.
 * Reminders are in http-reminders.ts, Troupe's own management in http-management.ts.
 */
import type { Clock } from '../core/clock.ts'
import { TroupeError } from '../core/errors.ts'
import type { Dispatcher } from '../runtime/dispatch/dispatcher.ts'
import { argumentsOf, saysCodec } from '../actors/call-body.ts'
import { hostFacts } from './dapr/door-facts.ts'
import { metadataOf } from './host-documents.ts'
import type { HttpExchange } from './http-exchange.ts'
import { callTimeout, checkNames, takeBody, type BodyLimits } from './http-input.ts'
import { managementRoutes } from './http-management.ts'
import { reminderRoutes } from './http-reminders.ts'
import { cleanMethod, HttpRoutes, type Route, type RouteParams } from './http-routes.ts'
import { readKey, refuseKey } from './idempotency-key.ts'

export interface HandlerContext extends BodyLimits {
  readonly dispatcher: Dispatcher
  readonly clock: Clock
  /** What `?appid=` must be; the host's id when undefined. */
  readonly appId: string | undefined
  readonly version: string
}

/** How long the status route waits for other hosts. */
const STATUS_TIMEOUT_MS = 1000

export const httpRoutes = (context: HandlerContext): HttpRoutes => new HttpRoutes([
  [['POST', 'PUT', 'GET', 'DELETE'], '/v1.0/actors/:type/:id/method/:method', (exchange, params) => invoke(context, exchange, params)],
  ...([
    [['GET'], '/v1.0/actors/:type/:id/state/:key', (exchange, params) => readState(context, exchange, params)],
    ...reminderRoutes(context),
    ...managementRoutes(context),
    [['GET'], '/v1.0/metadata', exchange => exchange.sendJson(200, metadataOf(context.dispatcher.hostStatus(), hostFacts(), context.version))],
    [['GET'], '/v1.0/healthz', exchange => health(context, exchange)],
    [['GET'], '/v1.0/healthz/outbound', exchange => outboundHealth(context, exchange)],
    [['GET'], '/troupe/v1/status', exchange => status(context, exchange)],
    [['GET'], '/troupe/v1/actors/:type/:id', (exchange, { type, id }) => exchange.sendJson(200, context.dispatcher.locate(type!, id!))],
  ] satisfies Route[]).map(withoutKey),
])

/** No call, so an idempotency key would promise what nobody keeps. */
const withoutKey = ([verbs, path, handler]: Route): Route => [verbs, path, (exchange, params) => {
  refuseKey(exchange.request.headers['idempotency-key'])
  handler(exchange, params)
}]

function invoke(context: HandlerContext, exchange: HttpExchange, params: RouteParams): void {
  const { headers } = exchange.request
  const refusal = context.dispatcher.refusal?.(Number(headers['content-length'] ?? 0))
  if (refusal !== undefined) return exchange.refuse(refusal)
  checkNames(params)
  const method = cleanMethod(params.method!)
  const timeoutMs = callTimeout(headers['troupe-timeout'])
  const idempotencyKey = readKey(headers['idempotency-key'])
  takeBody(context, exchange, body => {
    const args = argumentsOf(body, saysCodec(headers['content-type']))
    context.dispatcher.call({ type: params.type!, id: params.id!, method, args, timeoutMs, signal: exchange.signal, idempotencyKey, caller: exchange.caller, bytes: body?.length ?? 0 })
      .then(reply => exchange.sendReply(reply), error => exchange.fail(error))
  })
}

function readState(context: HandlerContext, exchange: HttpExchange, params: RouteParams): void {
  checkNames(params)
  context.dispatcher.readState(params.type!, params.id!, params.key!, exchange.caller)
    .then(reply => exchange.sendReply(reply), error => exchange.fail(error))
}

function health(context: HandlerContext, exchange: HttpExchange): void {
  const { dispatcher } = context
  const url = exchange.request.url!
  const asked = new URLSearchParams(url.includes('?') ? url.slice(url.indexOf('?')) : '').get('appid')
  const appId = context.appId ?? dispatcher.hostStatus().id
  if (asked !== null && asked !== appId) {
    const error = new TroupeError('NOT_READY', `dapr app-id does not match: this host is ${JSON.stringify(appId)}`, { retryable: false })
    return exchange.fail(error, { errorCode: 'ERR_HEALTH_APPID_NOT_MATCH' })
  }
  const reasons = dispatcher.notReady()
  if (reasons.length === 0) return exchange.send(204, undefined, undefined)
  exchange.fail(new TroupeError('NOT_READY', `dapr is not ready: [${reasons.join(' ')}]`, { data: { reasons } }))
}

/** Ready for calls to the outside: what the host itself needs is up, whether or not actors can be called already. */
function outboundHealth(context: HandlerContext, exchange: HttpExchange): void {
  if (context.dispatcher.hostStatus().phase !== 'starting') return exchange.send(204, undefined, undefined)
  const error = new TroupeError('NOT_READY', 'dapr outbound is not ready: the host is starting')
  exchange.fail(error, { errorCode: 'ERR_OUTBOUND_HEALTH_NOT_READY' })
}

function status(context: HandlerContext, exchange: HttpExchange): void {
  context.dispatcher.clusterStatus(STATUS_TIMEOUT_MS).then(found => exchange.sendJson(200, found), error => exchange.fail(error))
}
