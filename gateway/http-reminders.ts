/**
 * Reminders over HTTP, in the routes, bodies and texts of the Dapr actor API. Each is one operation on the actor
 * (`Dispatcher.manage`), or a walk over pages of them.
 */
import type { ReminderInfo } from '../actors/actor-reminders.ts'
import type { Clock } from '../core/clock.ts'
import { TroupeError } from '../core/errors.ts'
import { checkMember } from '../core/ids.ts'
import type { Dispatcher } from '../runtime/dispatch/dispatcher.ts'
import { reminderNotFound } from './dapr/door-errors.ts'
import type { DoorFacts } from './dapr/door-facts.ts'
import type { HttpExchange } from './http-exchange.ts'
import { workRoute } from './http-failures.ts'
import { readQuery, readTarget, takeBody, wholeNumber, type BodyLimits } from './http-input.ts'
import type { Route, RouteParams } from './http-routes.ts'
import { readReminderRequest } from './reminder-body.ts'
import { isShown, namedReminder, reminderDocument } from './reminder-document.ts'
import { allReminders, listPage } from './reminder-pages.ts'

export interface ReminderContext extends BodyLimits {
  readonly dispatcher: Dispatcher
  readonly clock: Clock
  readonly facts: DoorFacts
}

const ONE = '/v1.0/actors/:type/:id/reminders/:name'
const ALL = '/v1.0/actors/:type/:id/reminders'
/** A list that was not asked for in pages is one reply: larger ones are refused. */
const MAX_LIST_BYTES = 16 * 1024 * 1024

export const reminderRoutes = (context: ReminderContext): Route[] => [
  [['POST', 'PUT'], ONE, workRoute(context, 'reminder.create', (exchange, params) => set(context, exchange, params))],
  [['GET'], ONE, workRoute(context, 'reminder.get', (exchange, params) => get(context, exchange, params))],
  [['DELETE'], ONE, workRoute(context, 'reminder.delete', (exchange, params) => remove(context, exchange, params))],
  [['GET'], ALL, workRoute(context, 'reminder.get', (exchange, params) => list(context, exchange, params))],
]

async function set(context: ReminderContext, exchange: HttpExchange, params: RouteParams): Promise<void> {
  const { actor, work } = readTarget(exchange, params)
  checkMember('reminder', params.name)
  const body = await new Promise<Buffer | undefined>(resolve => takeBody(context, exchange, resolve))
  const asked = readReminderRequest(params.name!, body ?? Buffer.alloc(0), context.clock.wallMs(), context.facts.strict)
  await context.dispatcher.manage({ ...actor, ...asked, ...work })
  exchange.send(204, undefined, undefined)
}

async function get({ dispatcher, facts }: ReminderContext, exchange: HttpExchange, params: RouteParams): Promise<void> {
  const { actor, work } = readTarget(exchange, params)
  checkMember('reminder', params.name)
  const { value } = await dispatcher.manage({ ...actor, operation: 'reminders.get', args: [params.name], ...work })
  const info = value as ReminderInfo | undefined
  if (info === undefined || !isShown(info, facts.strict)) throw reminderNotFound(params.name!)
  exchange.sendText(200, reminderDocument(actor, info, facts.strict))
}

/** One that is not there is deleted as well: the standard has it so. */
async function remove({ dispatcher }: ReminderContext, exchange: HttpExchange, params: RouteParams): Promise<void> {
  const { actor, work } = readTarget(exchange, params)
  checkMember('reminder', params.name)
  await dispatcher.manage({ ...actor, operation: 'reminders.delete', args: [params.name], ...work })
  exchange.send(204, undefined, undefined)
}

/** `?limit` asks for a page; the next one is `?after` its last name. */
async function list({ dispatcher, facts }: ReminderContext, exchange: HttpExchange, params: RouteParams): Promise<void> {
  const { actor, work } = readTarget(exchange, params)
  const { prefix, after, limit } = readQuery(exchange.request.url!, ['prefix', 'after', 'limit'])
  const from = { ...(prefix === undefined ? {} : { prefix }), ...(after === undefined ? {} : { after }) }
  const most = limit === undefined ? undefined : wholeNumber('limit', limit, 1000)
  const pages = most === undefined ? allReminders(dispatcher, actor, from, work) : [await listPage(dispatcher, actor, { ...from, limit: most }, work)]
  const texts: string[] = []
  let bytes = 0
  for await (const page of pages) {
    for (const info of page) {
      if (!isShown(info, facts.strict)) continue
      const text = namedReminder(actor, info, facts.strict)
      bytes += text.length
      if (bytes > MAX_LIST_BYTES) {
        throw new TroupeError('RESULT_TOO_LARGE', `the list is larger than ${MAX_LIST_BYTES} bytes; ask for pages with ?limit=100, and ?after=NAME for the next`)
      }
      texts.push(text)
    }
  }
  exchange.sendText(200, `{"reminders":[${texts.join(',')}]}`)
}
