/**
 * What a host tells of itself, and lets be done to it, by the Dapr API: metadata, health, shutdown. None of these waits for an
 * actor, an application or another host.
 */
import { TroupeError } from '../core/errors.ts'
import type { Dispatcher } from '../runtime/dispatch/dispatcher.ts'
import type { DoorFacts } from './dapr/door-facts.ts'
import { setExtended } from './dapr/extended-metadata.ts'
import { metadataOf } from './host-documents.ts'
import type { HttpExchange } from './http-exchange.ts'
import { takeBody, type BodyLimits } from './http-input.ts'
import type { Route, RouteParams } from './http-routes.ts'

export interface MetadataContext extends BodyLimits {
  readonly dispatcher: Dispatcher
  readonly facts: DoorFacts
  /** What `?appid=` must be; the host's id when undefined. */
  readonly appId: string | undefined
  readonly version: string
}

/** Those that change nothing. */
export const healthRoutes = (context: MetadataContext): Route[] => [
  [['GET'], '/v1.0/metadata', exchange => exchange.sendJson(200, metadataOf(context.dispatcher.hostStatus(), context.facts, context.version))],
  [['GET'], '/v1.0/healthz', exchange => health(context, exchange)],
  [['GET'], '/v1.0/healthz/outbound', exchange => outboundHealth(context, exchange)],
]

export const metadataRoutes = (context: MetadataContext): Route[] => [
  ...healthRoutes(context),
  [['PUT'], '/v1.0/metadata/:key', (exchange, params) => setMetadata(context, exchange, params)],
  [['POST'], '/v1.0/shutdown', exchange => shutdown(context, exchange)],
]

function setMetadata(context: MetadataContext, exchange: HttpExchange, params: RouteParams): void {
  takeBody(context, exchange, body => {
    setExtended(context.facts, params.key!, body === undefined ? '' : body.toString())
    exchange.send(204, undefined, undefined)
  })
}

/** The reply is out before the end begins. */
function shutdown({ facts }: MetadataContext, exchange: HttpExchange): void {
  if (facts.shutdown === undefined) throw new TroupeError('FORBIDDEN', 'clients may not stop this host; stop its process')
  exchange.response.once('close', facts.shutdown)
  exchange.send(204, undefined, undefined)
}

function health(context: MetadataContext, exchange: HttpExchange): void {
  const { dispatcher } = context
  const url = exchange.request.url!
  const asked = new URLSearchParams(url.includes('?') ? url.slice(url.indexOf('?')) : '').get('appid')
  const appId = context.appId ?? context.facts.appId ?? dispatcher.hostStatus().id
  if (asked !== null && asked !== appId) {
    const error = new TroupeError('NOT_READY', `dapr app-id does not match: this host is ${JSON.stringify(appId)}`, { retryable: false })
    return exchange.fail(error, { errorCode: 'ERR_HEALTH_APPID_NOT_MATCH' })
  }
  const reasons = dispatcher.notReady()
  if (reasons.length === 0) return exchange.send(204, undefined, undefined)
  exchange.fail(new TroupeError('NOT_READY', `dapr is not ready: [${reasons.join(' ')}]`, { data: { reasons } }))
}

/** Ready for calls to the outside: what the host itself needs is up, whether or not actors can be called already. */
function outboundHealth(context: MetadataContext, exchange: HttpExchange): void {
  // A sidecar is ready as soon as its doors are: SDKs wait for that before they open the port that it waits for.
  const isSidecar = context.facts.appId !== undefined
  if (isSidecar || context.dispatcher.hostStatus().phase !== 'starting') return exchange.send(204, undefined, undefined)
  const error = new TroupeError('NOT_READY', 'dapr outbound is not ready: the host is starting')
  exchange.fail(error, { errorCode: 'ERR_OUTBOUND_HEALTH_NOT_READY' })
}
