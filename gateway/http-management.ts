/**
 * Troupe's own routes for what is stored and not yet done: one operation of management on an actor, and pages of the
 * reminders and sends of a type. They answer in JSON, and in codec bytes to those who accept them.
 */
import { managementOperations, type ManagementOperation } from '../actors/management.ts'
import type { Clock } from '../core/clock.ts'
import { TroupeError } from '../core/errors.ts'
import { checkMember, checkType } from '../core/ids.ts'
import { readSchedule } from '../reminders/schedule.ts'
import type { Dispatcher } from '../runtime/dispatch/dispatcher.ts'
import { argumentsOf, CODEC_TYPE, JSON_TYPE, resultBody, saysCodec } from '../actors/call-body.ts'
import type { HttpExchange } from './http-exchange.ts'
import { callTimeout, checkNames, readDead, readPage, readQuery, takeBody, wholeNumber, type BodyLimits } from './http-input.ts'
import type { Route, RouteParams } from './http-routes.ts'
import { deletePage } from './reminder-pages.ts'

export interface ManagementContext extends BodyLimits {
  readonly dispatcher: Dispatcher
  readonly clock: Clock
}

/** Those that doors make of a request's text have routes of their own, which check it. */
const ofDoors: ReadonlySet<ManagementOperation> = new Set<ManagementOperation>([
  'reminders.setData', 'timers.set', 'timers.get', 'timers.list', 'timers.delete', 'state.transact',
])
const operations = managementOperations.filter(operation => !ofDoors.has(operation))

const ACTOR = '/troupe/v1/actors/:type/:id'

export const managementRoutes = (context: ManagementContext): Route[] => [
  [['POST'], `${ACTOR}/manage/:operation`, (exchange, params) => manage(context, exchange, params)],
  [['POST'], `${ACTOR}/reminders/:name/retry`, (exchange, params) => {
    checkMember('reminder', params.name)
    operate(context, exchange, params, 'reminders.retry', [params.name])
  }],
  [['GET'], `${ACTOR}/sends`, (exchange, params) => operate(context, exchange, params, 'sends.list', [sendOptions(exchange)])],
  [['POST'], `${ACTOR}/sends/:number/retry`, (exchange, params) => operate(context, exchange, params, 'sends.retry', [sendNumber(params)])],
  [['DELETE'], `${ACTOR}/sends/:number`, (exchange, params) => operate(context, exchange, params, 'sends.delete', [sendNumber(params)])],
  [['GET'], '/troupe/v1/reminders/:type', (exchange, params) => page(exchange, params, type => context.dispatcher.listReminders(type, readPage(exchange.request.url!), exchange.caller))],
  [['DELETE'], '/troupe/v1/reminders/:type', (exchange, params) => page(exchange, params, type => {
    const work = { timeoutMs: callTimeout(exchange.request.headers['troupe-timeout']), signal: exchange.signal, caller: exchange.caller }
    // Not of dead letters alone: what is deleted is all of a name.
    return deletePage(context.dispatcher, type, readPage(exchange.request.url!, ['cursor', 'limit']), work)
  })],
  [['GET'], '/troupe/v1/sends/:type', (exchange, params) => page(exchange, params, type => context.dispatcher.listSends(type, readPage(exchange.request.url!), exchange.caller))],
]

/** Any operation by its name; the body is its argument list. For clients, whose values JSON would change. */
function manage(context: ManagementContext, exchange: HttpExchange, params: RouteParams): void {
  const operation = operations.find(known => known === params.operation)
  if (operation === undefined) {
    const shown = JSON.stringify(params.operation!.slice(0, 60))
    throw new TroupeError('NOT_FOUND', `there is no operation ${shown}; there are ${operations.join(', ')}`)
  }
  checkNames(params)
  takeBody(context, exchange, body => {
    const args = argumentsOf(body, saysCodec(exchange.request.headers['content-type']))
    // Refused here, it has proved that no turn ran.
    if (operation === 'reminders.set') readSchedule(args[1], context.clock.wallMs())
    operate(context, exchange, params, operation, args)
  })
}

function operate({ dispatcher }: ManagementContext, exchange: HttpExchange, params: RouteParams, operation: ManagementOperation, args: readonly unknown[]): void {
  checkNames(params)
  const timeoutMs = callTimeout(exchange.request.headers['troupe-timeout'])
  dispatcher.manage({ type: params.type!, id: params.id!, operation, args, timeoutMs, signal: exchange.signal, caller: exchange.caller })
    .then(reply => exchange.sendReply(reply), error => exchange.fail(error))
}

function page(exchange: HttpExchange, { type }: RouteParams, read: (type: string) => Promise<object>): void {
  checkType(type)
  const codec = exchange.wantsCodec
  read(type!).then(found => exchange.send(200, codec ? CODEC_TYPE : JSON_TYPE, resultBody(found, codec))).catch((error: unknown) => exchange.fail(error))
}

/** @throws BAD_REQUEST */
function sendOptions(exchange: HttpExchange): { dead?: boolean; after?: number; limit?: number } {
  const { dead, after, limit } = readQuery(exchange.request.url!, ['dead', 'after', 'limit'])
  return {
    ...readDead(dead),
    ...(after === undefined ? {} : { after: wholeNumber('after', after, undefined, 0) }),
    ...(limit === undefined ? {} : { limit: wholeNumber('limit', limit, 1000) }),
  }
}

const sendNumber = ({ number }: RouteParams): number => wholeNumber('number', number!)
