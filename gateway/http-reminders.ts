/**
 * Reminders over HTTP, in the routes, bodies and texts of the Dapr actor API. Each is one operation on the actor
 * (`Dispatcher.manage`), or a walk over pages of them.
 */
import type { ReminderInfo } from '../actors/actor-reminders.ts'
import type { Clock } from '../core/clock.ts'
import { TroupeError } from '../core/errors.ts'
import { checkMember, type ActorKey } from '../core/ids.ts'
import type { Dispatcher } from '../runtime/dispatch/dispatcher.ts'
import { JSON_TYPE, parseJson } from '../actors/call-body.ts'
import type { HttpExchange } from './http-exchange.ts'
import { callTimeout, checkNames, readQuery, takeBody, wholeNumber, type BodyLimits } from './http-input.ts'
import type { Route, RouteHandler, RouteParams } from './http-routes.ts'
import { jsonText } from '../actors/json-values.ts'
import { readReminderBody } from './reminder-body.ts'
import { namedReminder, reminderDocument } from './reminder-document.ts'
import { reminderFailure, reminderNotFound, type ReminderVerb } from './reminder-errors.ts'
import { allReminders, listPage, type WorkOptions } from './reminder-pages.ts'

export interface ReminderContext extends BodyLimits {
  readonly dispatcher: Dispatcher
  readonly clock: Clock
}

const ONE = '/v1.0/actors/:type/:id/reminders/:name'
const ALL = '/v1.0/actors/:type/:id/reminders'
/** A list that was not asked for in pages is one reply: larger ones are refused. */
const MAX_LIST_BYTES = 16 * 1024 * 1024

export const reminderRoutes = (context: ReminderContext): Route[] => [
  [['POST', 'PUT'], ONE, route('CREATE', (exchange, params) => set(context, exchange, params))],
  [['GET'], ONE, route('GET', (exchange, params) => get(context, exchange, params))],
  [['DELETE'], ONE, route('DELETE', (exchange, params) => remove(context, exchange, params))],
  [['GET'], ALL, route('GET', (exchange, params) => list(context, exchange, params))],
]

/** Replies with what a handler fails with, in the words of the standard. */
const route = (verb: ReminderVerb, handler: (exchange: HttpExchange, params: RouteParams) => Promise<void>): RouteHandler => (exchange, params) => {
  handler(exchange, params).catch((thrown: unknown) => {
    const { error, errorCode, status } = reminderFailure(thrown, verb, params.name)
    exchange.fail(error, { ...(errorCode === undefined ? {} : { errorCode }), ...(status === undefined ? {} : { status }) })
  })
}

/** The actor, and what limits the work on it. @throws BAD_REQUEST */
function readTarget(exchange: HttpExchange, params: RouteParams): { actor: ActorKey; work: WorkOptions } {
  checkNames(params)
  const timeoutMs = callTimeout(exchange.request.headers['troupe-timeout'])
  return { actor: { type: params.type!, id: params.id! }, work: { timeoutMs, signal: exchange.signal, caller: exchange.caller } }
}

async function set(context: ReminderContext, exchange: HttpExchange, params: RouteParams): Promise<void> {
  const { actor, work } = readTarget(exchange, params)
  checkMember('reminder', params.name)
  const body = await new Promise<Buffer | undefined>(resolve => takeBody(context, exchange, resolve))
  const setting = readReminderBody(body === undefined || body.length === 0 ? {} : parseJson(body), context.clock.wallMs())
  await context.dispatcher.manage({ ...actor, operation: 'reminders.set', args: [params.name, ...setting], ...work })
  exchange.send(204, undefined, undefined)
}

async function get({ dispatcher }: ReminderContext, exchange: HttpExchange, params: RouteParams): Promise<void> {
  const { actor, work } = readTarget(exchange, params)
  checkMember('reminder', params.name)
  const { value } = await dispatcher.manage({ ...actor, operation: 'reminders.get', args: [params.name], ...work })
  if (value === undefined) throw reminderNotFound(params.name!)
  exchange.sendJson(200, reminderDocument(actor.type, actor.id, value as ReminderInfo))
}

/** One that is not there is deleted as well: the standard has it so. */
async function remove({ dispatcher }: ReminderContext, exchange: HttpExchange, params: RouteParams): Promise<void> {
  const { actor, work } = readTarget(exchange, params)
  checkMember('reminder', params.name)
  await dispatcher.manage({ ...actor, operation: 'reminders.delete', args: [params.name], ...work })
  exchange.send(204, undefined, undefined)
}

/** `?limit` asks for a page; the next one is `?after` its last name. */
async function list({ dispatcher }: ReminderContext, exchange: HttpExchange, params: RouteParams): Promise<void> {
  const { actor, work } = readTarget(exchange, params)
  const { prefix, after, limit } = readQuery(exchange.request.url!, ['prefix', 'after', 'limit'])
  const from = { ...(prefix === undefined ? {} : { prefix }), ...(after === undefined ? {} : { after }) }
  const most = limit === undefined ? undefined : wholeNumber('limit', limit, 1000)
  const pages = most === undefined ? allReminders(dispatcher, actor, from, work) : [await listPage(dispatcher, actor, { ...from, limit: most }, work)]
  const texts: string[] = []
  let bytes = 0
  for await (const page of pages) {
    for (const info of page) {
      const text = jsonText(namedReminder(actor.type, actor.id, info))
      bytes += text.length
      if (bytes > MAX_LIST_BYTES) {
        throw new TroupeError('RESULT_TOO_LARGE', `the list is larger than ${MAX_LIST_BYTES} bytes; ask for pages with ?limit=100, and ?after=NAME for the next`)
      }
      texts.push(text)
    }
  }
  exchange.send(200, JSON_TYPE, `{"reminders":[${texts.join(',')}]}`)
}
