/**
 * What each HTTP route does: the invoke, state, metadata and health routes of the Dapr actor API, and Troupe's status.
 */
import { durationMs } from '../core/duration.ts'
import { TroupeError } from '../core/errors.ts'
import { checkId, checkType } from '../core/ids.ts'
import type { Dispatcher } from '../runtime/dispatch/dispatcher.ts'
import { argumentsOf, saysCodec } from './call-body.ts'
import { metadataOf } from './host-documents.ts'
import type { HttpExchange } from './http-exchange.ts'
import { cleanMethod, HttpRoutes, type RouteParams } from './http-routes.ts'
import { bodyRefusal, readBody, type BodyBudget } from './request-body.ts'

export interface HandlerContext {
  readonly dispatcher: Dispatcher
  readonly maxBodyBytes: number
  readonly bodyBudget: BodyBudget
  /** What `?appid=` must be; the host's id when undefined. */
  readonly appId: string | undefined
  readonly version: string
}

/** How long the status route waits for other hosts. */
const STATUS_TIMEOUT_MS = 1000
/** The longest delay that timers take. */
const MAX_TIMEOUT_MS = 2 ** 31 - 1

export const httpRoutes = (context: HandlerContext): HttpRoutes => new HttpRoutes([
  [['POST', 'PUT', 'GET', 'DELETE'], '/v1.0/actors/:type/:id/method/:method', (exchange, params) => invoke(context, exchange, params)],
  [['GET'], '/v1.0/actors/:type/:id/state/:key', (exchange, params) => readState(context, exchange, params)],
  [['GET'], '/v1.0/metadata', exchange => exchange.sendJson(200, metadataOf(context.dispatcher.hostStatus(), context.version))],
  [['GET'], '/v1.0/healthz', exchange => health(context, exchange)],
  [['GET'], '/v1.0/healthz/outbound', exchange => outboundHealth(context, exchange)],
  [['GET'], '/troupe/v1/status', exchange => status(context, exchange)],
  [['GET'], '/troupe/v1/actors/:type/:id', (exchange, { type, id }) => exchange.sendJson(200, context.dispatcher.locate(type!, id!))],
])

function invoke(context: HandlerContext, exchange: HttpExchange, params: RouteParams): void {
  checkNames(params)
  const method = cleanMethod(params.method!)
  const { headers } = exchange.request
  const timeoutMs = callTimeout(headers['troupe-timeout'])
  if (exchange.bodyTaken) return call(undefined)
  const refusal = bodyRefusal(exchange.request, context.maxBodyBytes)
  if (refusal !== undefined) throw refusal
  exchange.admitBody()
  readBody(exchange.request, context.maxBodyBytes, context.bodyBudget, (error, body) => {
    if (error !== undefined) return exchange.fail(error)
    exchange.bodyTaken = true
    try {
      call(body)
    } catch (error) {
      exchange.fail(error)
    }
  })

  function call(body: Buffer | undefined): void {
    const args = argumentsOf(body, saysCodec(headers['content-type']))
    context.dispatcher.call({ type: params.type!, id: params.id!, method, args, timeoutMs, signal: exchange.signal })
      .then(reply => exchange.sendReply(reply), error => exchange.fail(error))
  }
}

function readState(context: HandlerContext, exchange: HttpExchange, params: RouteParams): void {
  checkNames(params)
  context.dispatcher.readState(params.type!, params.id!, params.key!)
    .then(reply => exchange.sendReply(reply), error => exchange.fail(error))
}

function checkNames(params: RouteParams): void {
  checkType(params.type)
  checkId(params.id)
}

/** `troupe-timeout` in milliseconds: a number of them, or a duration such as `500ms`. @throws BAD_REQUEST */
function callTimeout(header: string | string[] | undefined): number | undefined {
  if (header === undefined) return undefined
  const text = String(header)
  try {
    const ms = /^\d+$/.test(text) ? Number(text) : durationMs(text, 'troupe-timeout')
    if (ms > 0 && ms <= MAX_TIMEOUT_MS) return ms
  } catch {
    // Falls through: the message is the same.
  }
  const shown = JSON.stringify(text.slice(0, 60))
  throw new TroupeError('BAD_REQUEST', `invalid request: troupe-timeout: ${shown} is no timeout; give milliseconds, '500ms' or '2s'`)
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
