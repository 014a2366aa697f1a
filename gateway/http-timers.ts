/**
 * Timers over HTTP, in the routes, bodies and texts of the Dapr actor API. Each is one operation on the actor
 * (`Dispatcher.manage`), wherever it lives.
 */
import type { TimerInfo, TimerSetting } from '../actors/management.ts'
import type { Clock } from '../core/clock.ts'
import { TroupeError } from '../core/errors.ts'
import { checkMember } from '../core/ids.ts'
import type { Dispatcher } from '../runtime/dispatch/dispatcher.ts'
import { parseJson } from '../actors/call-body.ts'
import type { DoorFacts } from './dapr/door-facts.ts'
import { timerNotFound } from './dapr/door-errors.ts'
import { inOrder, readTimerSetting } from './dapr/timer-fields.ts'
import type { HttpExchange } from './http-exchange.ts'
import { workRoute } from './http-failures.ts'
import { readTarget, takeBody, type BodyLimits } from './http-input.ts'
import type { Route, RouteParams } from './http-routes.ts'
import { compactJson, memberText } from './json-source.ts'
import { namedTimer, timerDocument } from './timer-document.ts'

export interface TimerContext extends BodyLimits {
  readonly dispatcher: Dispatcher
  readonly clock: Clock
  readonly facts: DoorFacts
}

const ONE = '/v1.0/actors/:type/:id/timers/:name'
const MAX_LIST_BYTES = 16 * 1024 * 1024

export const timerRoutes = (context: TimerContext): Route[] => [
  [['POST', 'PUT'], ONE, workRoute(context, 'timer.create', (exchange, params) => set(context, exchange, params))],
  [['GET'], ONE, workRoute(context, 'timer.get', (exchange, params) => get(context, exchange, params))],
  [['DELETE'], ONE, workRoute(context, 'timer.delete', (exchange, params) => remove(context, exchange, params))],
  [['GET'], '/v1.0/actors/:type/:id/timers', workRoute(context, 'timer.get', (exchange, params) => list(context, exchange, params))],
]

async function set(context: TimerContext, exchange: HttpExchange, params: RouteParams): Promise<void> {
  const { actor, work } = readTarget(exchange, params)
  checkMember('timer', params.name)
  const body = await new Promise<Buffer | undefined>(resolve => takeBody(context, exchange, resolve))
  const setting = settingOf(body, context.clock.wallMs())
  await context.dispatcher.manage({ ...actor, operation: 'timers.set', args: [params.name, setting], ...work })
  exchange.send(204, undefined, undefined)
}

/** @throws MALFORMED_BODY · BAD_SCHEDULE */
function settingOf(body: Buffer | undefined, nowMs: number): TimerSetting {
  if (body === undefined || body.length === 0) return readTimerSetting({}, nowMs)
  const given = parseJson(body)
  if (typeof given !== 'object' || given === null || Array.isArray(given)) {
    throw new TroupeError('MALFORMED_BODY', 'failed deserializing HTTP body: a timer is a JSON object, such as {"dueTime":"10s","callback":"tick"}')
  }
  const { dueTime, period, ttl, callback } = given as Readonly<Record<string, unknown>>
  const json = memberText(body.toString(), 'data')
  return readTimerSetting({ dueTime, period, ttl, callback, data: json === undefined ? undefined : { json: compactJson(json) } }, nowMs)
}

async function get({ dispatcher }: TimerContext, exchange: HttpExchange, params: RouteParams): Promise<void> {
  const { actor, work } = readTarget(exchange, params)
  checkMember('timer', params.name)
  const { value } = await dispatcher.manage({ ...actor, operation: 'timers.get', args: [params.name], ...work })
  if (value === undefined) throw timerNotFound(params.name!)
  exchange.sendText(200, timerDocument(actor, value as TimerInfo))
}

/** One that is not there is deleted as well: the standard has it so. */
async function remove({ dispatcher }: TimerContext, exchange: HttpExchange, params: RouteParams): Promise<void> {
  const { actor, work } = readTarget(exchange, params)
  checkMember('timer', params.name)
  await dispatcher.manage({ ...actor, operation: 'timers.delete', args: [params.name], ...work })
  exchange.send(204, undefined, undefined)
}

async function list({ dispatcher }: TimerContext, exchange: HttpExchange, params: RouteParams): Promise<void> {
  const { actor, work } = readTarget(exchange, params)
  const { value } = await dispatcher.manage({ ...actor, operation: 'timers.list', args: [], ...work })
  const text = `{"timers":[${inOrder(value as readonly TimerInfo[]).map(info => namedTimer(actor, info)).join(',')}]}`
  if (text.length > MAX_LIST_BYTES) throw new TroupeError('RESULT_TOO_LARGE', `the list is larger than ${MAX_LIST_BYTES} bytes; ask for each timer by its name`)
  exchange.sendText(200, text)
}
