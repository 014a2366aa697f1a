/**
 * All routes of the HTTP door in one table. What each does is in http-invoke.ts, http-state.ts, http-reminders.ts,
 * http-timers.ts and http-metadata.ts (the Dapr actor API), and http-management.ts and here (Troupe's own).
 */
import type { Clock } from '../core/clock.ts'
import type { Dispatcher } from '../runtime/dispatch/dispatcher.ts'
import type { DoorFacts } from './dapr/door-facts.ts'
import type { HttpExchange } from './http-exchange.ts'
import type { BodyLimits } from './http-input.ts'
import { invoke } from './http-invoke.ts'
import { managementRoutes } from './http-management.ts'
import { healthRoutes, metadataRoutes } from './http-metadata.ts'
import { reminderRoutes } from './http-reminders.ts'
import { HttpRoutes, type Route } from './http-routes.ts'
import { stateRoutes } from './http-state.ts'
import { timerRoutes } from './http-timers.ts'
import { refuseKey } from './idempotency-key.ts'

export interface HandlerContext extends BodyLimits {
  readonly dispatcher: Dispatcher
  readonly clock: Clock
  readonly facts: DoorFacts
  /** What `?appid=` must be; the facts' or the host's id when undefined. */
  readonly appId: string | undefined
  readonly version: string
}

/** How long the status route waits for other hosts. */
const STATUS_TIMEOUT_MS = 1000

export const httpRoutes = (context: HandlerContext): HttpRoutes => new HttpRoutes([
  [['POST', 'PUT', 'GET', 'DELETE'], '/v1.0/actors/:type/:id/method/:method', (exchange, params) => invoke(context, exchange, params)],
  ...([
    ...stateRoutes(context),
    ...reminderRoutes(context),
    ...timerRoutes(context),
    ...metadataRoutes(context),
    ...managementRoutes(context),
    [['GET'], '/troupe/v1/status', exchange => status(context, exchange)],
    [['GET'], '/troupe/v1/actors/:type/:id', (exchange, { type, id }) => exchange.sendJson(200, context.dispatcher.locate(type!, id!))],
  ] satisfies Route[]).map(withoutKey),
])

/** For a port that strangers may see: health and metadata, nothing that reaches an actor or changes anything. */
export const publicRoutes = (context: HandlerContext): HttpRoutes => new HttpRoutes(healthRoutes(context))

/** No call, so an idempotency key would promise what nobody keeps. */
const withoutKey = ([verbs, path, handler]: Route): Route => [verbs, path, (exchange, params) => {
  refuseKey(exchange.request.headers['idempotency-key'])
  handler(exchange, params)
}]

function status(context: HandlerContext, exchange: HttpExchange): void {
  context.dispatcher.clusterStatus(STATUS_TIMEOUT_MS).then(found => exchange.sendJson(200, found), error => exchange.fail(error))
}
