// Every row of the Dapr actor API's table of errors, over HTTP, in both modes: status, code and text.
import { expect, test } from 'vitest'
import { ActorError } from '../../../../actors/errors.ts'
import { TroupeError, type ErrorCode } from '../../../../core/errors.ts'
import { hostFacts, type DoorFacts } from '../../../../gateway/dapr/door-facts.ts'
import { serve, type Serving } from '../serving.ts'

class Insufficient extends ActorError<{ missing: number }> { static readonly code = 'INSUFFICIENT'; static readonly status = 409 }

type Told = readonly [status: number, errorCode: string, message: string | RegExp]

interface Row {
  readonly what: string
  /** `POST /path`, below `/v1.0`. */
  readonly ask: string
  readonly body?: string
  /** What the host answers with. */
  readonly thrown?: Error
  readonly strict: Told
  /** As strict where it is not given. */
  readonly plain?: Told
}

const error = (code: ErrorCode, message = `what ${code} says`): TroupeError => new TroupeError(code, message)
const INVOKE = 'ERR_ACTOR_INVOKE_METHOD'
const SAVE = 'ERR_ACTOR_STATE_TRANSACTION_SAVE'
const call = 'POST /actors/Shop/a/method/sell'
const save = 'POST /actors/Shop/a/state'
const reminder = '/actors/Shop/a/reminders/r1'
const timer = '/actors/Shop/a/timers/t1'
const upsert = '[{"operation":"upsert","request":{"key":"k","value":1}}]'
const saving = 'error saving actor transaction state'
const notHosted = "error invoke actor method: failed to lookup actor: api error: code = FailedPrecondition desc = did not find address for actor 'Shop/a'"
const reserved = 'actor type "dapr.internal.ns.app.workflow" is reserved for the Dapr workflow runtime; direct actor API access is not permitted'

const rows: readonly Row[] = [
  // The request.
  { what: 'an illegal id', ask: 'POST /actors/Shop/a%2Fb/method/sell', strict: [400, 'ERR_BAD_REQUEST', /^invalid request: invalid actorId: /] },
  { what: 'an illegal type', ask: 'POST /actors/a%23/a/method/sell', strict: [400, 'ERR_BAD_REQUEST', /^invalid request: invalid actorType: /] },
  { what: 'an illegal reminder', ask: 'PUT /actors/Shop/a/reminders/a%3Fb', body: '{"dueTime":"1s"}', strict: [400, 'ERR_BAD_REQUEST', /^invalid request: invalid reminder: /] },
  { what: 'an illegal timer', ask: 'DELETE /actors/Shop/a/timers/a%00', strict: [400, 'ERR_BAD_REQUEST', /^invalid request: invalid timer: /] },
  { what: 'a transaction that is no JSON', ask: save, body: '{', strict: [400, 'ERR_MALFORMED_REQUEST', /^failed deserializing HTTP body: /] },
  { what: 'a transaction that is no list', ask: save, body: '{}', strict: [400, 'ERR_MALFORMED_REQUEST', /^failed deserializing HTTP body: /] },
  { what: 'a reminder that is no JSON', ask: `PUT ${reminder}`, body: '{', strict: [400, 'ERR_MALFORMED_REQUEST', /^failed deserializing HTTP body: /] },
  { what: 'a timer that is no object', ask: `PUT ${timer}`, body: '[]', strict: [400, 'ERR_MALFORMED_REQUEST', /^failed deserializing HTTP body: /] },
  // Invoking.
  { what: 'an application that fails', ask: call, thrown: error('METHOD_FAILED', 'error from actor service: (500) custom error'), strict: [500, INVOKE, 'error invoke actor method: error from actor service: (500) custom error'] },
  { what: 'an application without the method', ask: call, thrown: error('UNKNOWN_METHOD', 'actor method not found: actors/Shop/a/method/sell'), strict: [500, INVOKE, 'error invoke actor method: actor method not found: actors/Shop/a/method/sell'] },
  { what: 'a class that throws', ask: call, thrown: error('METHOD_FAILED', 'Shop.sell failed: boom'), strict: [500, INVOKE, 'error invoke actor method: error from actor service: (500) Shop.sell failed: boom'], plain: [500, INVOKE, 'Shop.sell failed: boom'] },
  { what: "a class that throws an author's error", ask: call, thrown: new Insufficient({ missing: 5 }, 'too little'), strict: [500, INVOKE, 'error invoke actor method: error from actor service: (409) too little'], plain: [409, INVOKE, 'too little'] },
  { what: 'a class without the method', ask: call, thrown: error('UNKNOWN_METHOD', 'Shop has no method sell'), strict: [500, INVOKE, 'error invoke actor method: actor method not found: actors/Shop/a/method/sell'], plain: [404, INVOKE, 'Shop has no method sell'] },
  { what: 'a type that nobody runs', ask: call, thrown: error('UNKNOWN_TYPE', 'no host runs Shop'), strict: [500, INVOKE, notHosted], plain: [404, 'ERR_ACTOR_NO_ADDRESS', 'no host runs Shop'] },
  { what: 'a type without a living host', ask: call, thrown: error('NO_HOST'), strict: [500, INVOKE, notHosted], plain: [503, 'ERR_ACTOR_NO_ADDRESS', 'what NO_HOST says'] },
  { what: 'a cycle', ask: call, thrown: error('CALL_CYCLE', 'A/1 → A/1'), strict: [500, INVOKE, 'error invoke actor method: A/1 → A/1'], plain: [508, INVOKE, 'A/1 → A/1'] },
  { what: 'a full mailbox', ask: call, thrown: error('MAILBOX_FULL'), strict: [500, INVOKE, 'error invoke actor method: what MAILBOX_FULL says'], plain: [429, INVOKE, 'what MAILBOX_FULL says'] },
  { what: 'arguments that the class refuses', ask: call, thrown: error('INVALID_ARGUMENT'), strict: [500, INVOKE, 'error invoke actor method: what INVALID_ARGUMENT says'], plain: [400, INVOKE, 'what INVALID_ARGUMENT says'] },
  { what: 'an application that is away', ask: call, thrown: error('APP_UNREACHABLE'), strict: [500, INVOKE, 'error invoke actor method: what APP_UNREACHABLE says'], plain: [503, INVOKE, 'what APP_UNREACHABLE says'] },
  { what: 'too deep a chain', ask: call, thrown: error('STACK_DEPTH', 'maximum stack depth exceeded'), strict: [500, 'ERR_ACTOR_STACK_DEPTH', 'maximum stack depth exceeded'] },
  { what: 'what nobody expected', ask: call, thrown: new Error('secret'), strict: [500, INVOKE, 'error invoke actor method: internal error of this host; its log tells more'], plain: [500, INVOKE, 'internal error of this host; its log tells more'] },
  // The host.
  { what: 'a host without placement', ask: call, thrown: error('PLACEMENT_UNREACHABLE'), strict: [400, 'ERR_ACTOR_NO_PLACEMENT', 'placement service is not configured'], plain: [503, 'ERR_ACTOR_NO_PLACEMENT', 'what PLACEMENT_UNREACHABLE says'] },
  { what: 'a host whose application is away', ask: `DELETE ${timer}`, thrown: error('APP_UNREACHABLE'), strict: [400, 'ERR_ACTOR_NO_APP_CHANNEL', 'app channel is not initialized'], plain: [503, 'ERR_ACTOR_TIMER_DELETE', 'error deleting actor timer: what APP_UNREACHABLE says'] },
  { what: 'a host without a store', ask: save, body: upsert, thrown: error('STORE_OPEN_FAILED'), strict: [500, 'ERR_ACTOR_RUNTIME_NOT_FOUND', /^the state store is not configured to use the actor runtime\. Have you set the - name: actorStateStore value: "true" in your state store component file\?$/], plain: [503, 'ERR_BAD_REQUEST', 'what STORE_OPEN_FAILED says'] },
  { what: 'a host that stops', ask: call, thrown: error('HOST_STOPPING'), strict: [503, 'ERR_ACTOR_RUNTIME_CLOSED', 'actor runtime is closed'], plain: [503, 'ERR_ACTOR_RUNTIME_CLOSED', 'what HOST_STOPPING says'] },
  // State.
  { what: 'a state of nobody', ask: 'GET /actors/Shop/a/state/k', thrown: error('UNKNOWN_TYPE', 'no host runs Shop'), strict: [404, 'ERR_ACTOR_NO_ADDRESS', "did not find address for actor 'Shop/a'"], plain: [404, 'ERR_ACTOR_NO_ADDRESS', 'no host runs Shop'] },
  { what: 'a state that cannot be read', ask: 'GET /actors/Shop/a/state/k', thrown: error('STORE_UNAVAILABLE'), strict: [500, 'ERR_ACTOR_STATE_GET', 'error getting actor state: what STORE_UNAVAILABLE says'], plain: [503, 'ERR_ACTOR_STATE_GET', 'what STORE_UNAVAILABLE says'] },
  { what: 'an actor that is not active', ask: save, body: upsert, thrown: error('NOT_ACTIVE', 'Shop/a is not active here'), strict: [400, 'ERR_ACTOR_INSTANCE_MISSING', 'actor instance is missing'] },
  { what: 'a transaction that fails', ask: save, body: upsert, thrown: error('STORE_UNAVAILABLE'), strict: [500, SAVE, `${saving}: what STORE_UNAVAILABLE says`] },
  { what: 'a change without a key', ask: save, body: '[{"operation":"upsert","request":{"value":1}}]', strict: [500, SAVE, `${saving}: missing key`] },
  { what: 'a change without an operation', ask: save, body: '[{"request":{"key":"k"}}]', strict: [500, SAVE, `${saving}: operation is empty`] },
  { what: 'a change of nothing', ask: save, body: '[{"operation":"upsert"}]', strict: [500, SAVE, `${saving}: request data is empty`] },
  { what: 'a change of another kind', ask: save, body: '[{"operation":"merge","request":{"key":"k"}}]', strict: [500, SAVE, `${saving}: operation type merge not supported`] },
  { what: 'an end of a value', ask: save, body: '[{"operation":"upsert","request":{"key":"k","metadata":{"ttlInSeconds":"x"}}}]', strict: [500, SAVE, `${saving}: ttlInSeconds is not supported without the "ActorStateTTL" feature enabled`], plain: [500, SAVE, /^error saving actor transaction state: ttlInSeconds of key "k": "x" must be a whole number of seconds/] },
  // Reminders.
  { what: 'a reminder of nobody', ask: `DELETE ${reminder}`, thrown: error('UNKNOWN_TYPE', 'no host runs Shop'), strict: [403, 'ERR_ACTOR_REMINDER_NON_HOSTED', 'operations on actor reminders are only possible on hosted actor types'], plain: [403, 'ERR_ACTOR_REMINDER_NON_HOSTED', /^operations on actor reminders are only possible on hosted actor types: /] },
  { what: 'a reminder that cannot be set', ask: `PUT ${reminder}`, body: '{"dueTime":"1s"}', thrown: error('STORE_UNAVAILABLE'), strict: [500, 'ERR_ACTOR_REMINDER_CREATE', 'error creating actor reminder: what STORE_UNAVAILABLE says'], plain: [503, 'ERR_ACTOR_REMINDER_CREATE', 'what STORE_UNAVAILABLE says'] },
  { what: 'a reminder without a time', ask: `PUT ${reminder}`, body: '{}', strict: [500, 'ERR_ACTOR_REMINDER_CREATE', /^error creating actor reminder: .*job must have either a due time or a schedule/], plain: [400, 'ERR_ACTOR_REMINDER_CREATE', /job must have either a due time or a schedule/] },
  { what: 'a reminder that cannot be read', ask: `GET ${reminder}`, thrown: error('STORE_UNAVAILABLE'), strict: [500, 'ERR_ACTOR_REMINDER_GET', 'error getting actor reminder: what STORE_UNAVAILABLE says'], plain: [503, 'ERR_ACTOR_REMINDER_GET', 'what STORE_UNAVAILABLE says'] },
  { what: 'a reminder that cannot be deleted', ask: `DELETE ${reminder}`, thrown: error('STORE_UNAVAILABLE'), strict: [500, 'ERR_ACTOR_REMINDER_DELETE', 'error deleting actor reminder: what STORE_UNAVAILABLE says'], plain: [503, 'ERR_ACTOR_REMINDER_DELETE', 'what STORE_UNAVAILABLE says'] },
  { what: 'a reminder that is not there', ask: `GET ${reminder}`, strict: [404, 'ERR_ACTOR_REMINDER_NOT_FOUND', 'actor reminder not found: r1'] },
  { what: 'a reminder that is there', ask: `PUT ${reminder}`, body: '{"dueTime":"1s","overwrite":false}', thrown: error('REMINDER_EXISTS'), strict: [409, 'ERR_ACTOR_REMINDER_ALREADY_EXISTS', 'actor reminder already exists: r1'] },
  // Timers.
  { what: 'a timer of nobody', ask: `PUT ${timer}`, body: '{}', thrown: error('UNKNOWN_TYPE', 'no host runs Shop'), strict: [403, 'ERR_ACTOR_TIMER_NON_HOSTED', 'operations on actor timers are only possible on hosted actor types'], plain: [403, 'ERR_ACTOR_TIMER_NON_HOSTED', 'operations on actor timers are only possible on hosted actor types: no host runs Shop'] },
  { what: 'a timer of another host', ask: `PUT ${timer}`, body: '{}', thrown: error('MOVED'), strict: [403, 'ERR_ACTOR_TIMER_NOT_OWNED', 'operations on actor timers are only possible on the host that owns the actor'], plain: [503, 'ERR_ACTOR_TIMER_CREATE', 'error creating actor timer: what MOVED says'] },
  { what: 'a timer that is none', ask: `PUT ${timer}`, body: '{"period":"R0/1s"}', strict: [500, 'ERR_ACTOR_TIMER_CREATE', /^error creating actor timer: .*has zero repetitions/], plain: [400, 'ERR_ACTOR_TIMER_CREATE', /^error creating actor timer: .*has zero repetitions/] },
  { what: 'more timers than there may be', ask: `PUT ${timer}`, body: '{}', thrown: error('QUOTA_EXCEEDED'), strict: [500, 'ERR_ACTOR_TIMER_CREATE', 'error creating actor timer: what QUOTA_EXCEEDED says'], plain: [429, 'ERR_ACTOR_TIMER_CREATE', 'error creating actor timer: what QUOTA_EXCEEDED says'] },
  { what: 'a timer that cannot be read', ask: `GET ${timer}`, thrown: error('CALL_TIMEOUT'), strict: [500, 'ERR_ACTOR_TIMER_GET', 'error getting actor timer: what CALL_TIMEOUT says'], plain: [504, 'ERR_ACTOR_TIMER_GET', 'error getting actor timer: what CALL_TIMEOUT says'] },
  { what: 'a timer that is not there', ask: `GET ${timer}`, strict: [404, 'ERR_ACTOR_TIMER_NOT_FOUND', 'actor timer not found: t1'] },
  // Reserved types, and no others.
  ...['POST /actors/dapr.internal.ns.app.workflow/a/state', 'GET /actors/dapr.internal.ns.app.workflow/a/state/k', 'PUT /actors/dapr.internal.ns.app.workflow/a/reminders/r', 'GET /actors/dapr.internal.ns.app.workflow/a/reminders', 'DELETE /actors/dapr.internal.ns.app.workflow/a/timers/t']
    .map((ask): Row => ({ what: `a reserved type at ${ask}`, ask, strict: [403, 'ERR_ACTOR_TYPE_RESERVED', reserved] })),
]

async function serving(facts: Partial<DoorFacts>, thrown: Error | undefined): Promise<Serving> {
  const raise = (): undefined => { if (thrown !== undefined) throw thrown }
  const served = await serve({ sell: raise }, { facts: { ...hostFacts(), ...facts } })
  const { dispatcher } = served
  dispatcher.status = { ...dispatcher.status, types: ['Shop'] }
  if (thrown !== undefined) dispatcher.state.set('Shop\u0000a\u0000k', thrown)
  for (const operation of ['reminders.setData', 'reminders.get', 'reminders.delete', 'timers.set', 'timers.get', 'timers.delete', 'state.transact'] as const) dispatcher.operations[operation] = raise
  return served
}

async function asked(served: Serving, { ask, body }: Row): ReturnType<Serving['ask']> {
  const [method, path] = ask.split(' ') as [string, string]
  return served.ask(`/v1.0${path}`, { method, ...(body === undefined ? {} : { body }) })
}

function check(answer: { status: number; body: any }, [status, errorCode, message]: Told): void {
  expect([answer.status, answer.body.errorCode]).toEqual([status, errorCode])
  if (typeof message === 'string') expect(answer.body.message).toBe(message)
  else expect(answer.body.message).toMatch(message)
}

test.each(rows.map(row => [row.what, row] as const))('strictly: %s', async (_what, row) => {
  const served = await serving({ strict: true }, row.thrown)
  const answer = await asked(served, row)
  check(answer, row.strict)
  expect(Object.keys(answer.body)).toEqual(['errorCode', 'message'])
  expect(answer.headers.get('content-type')).toBe('application/json')
  expect(answer.headers.get('troupe-host')).toBeNull()
})

test.each(rows.map(row => [row.what, row] as const))('by default: %s', async (_what, row) => {
  const answer = await asked(await serving({}, row.thrown), row)
  check(answer, row.plain ?? row.strict)
  // What Troupe knows of it stands beside.
  expect(answer.body).toMatchObject({ code: expect.any(String) as string, executed: expect.stringMatching(/^(?:no|yes|unknown)$/) as string })
})

test('strictly, reminders and timers are only for types that run here; state and calls are for all', async () => {
  const { ask, dispatcher } = await serve({ sell: () => 1 }, { facts: { ...hostFacts(), strict: true } })
  for (const [method, path] of [['PUT', '/reminders/r'], ['GET', '/reminders/r'], ['DELETE', '/reminders/r'], ['GET', '/reminders']] as const) {
    expect(await ask(`/v1.0/actors/Other/a${path}`, { method })).toMatchObject({ status: 403, body: { errorCode: 'ERR_ACTOR_REMINDER_NON_HOSTED' } })
  }
  for (const [method, path] of [['PUT', '/timers/r'], ['GET', '/timers/r'], ['DELETE', '/timers/r'], ['GET', '/timers']] as const) {
    expect(await ask(`/v1.0/actors/Other/a${path}`, { method })).toMatchObject({ status: 403, body: { errorCode: 'ERR_ACTOR_TIMER_NON_HOSTED' } })
  }
  expect(dispatcher.managed).toEqual([])
  expect((await ask('/v1.0/actors/Other/a/state/k')).status).toBe(204)
  expect((await ask('/v1.0/actors/Other/a/method/sell')).status).toBe(200)
})

test('strictly, a bad token is told in plain text', async () => {
  const { ask } = await serve({}, { apiToken: 'secret', facts: { ...hostFacts(), strict: true } })
  const answer = await ask('/v1.0/actors/Shop/a/method/sell', { method: 'POST' })
  expect([answer.status, answer.text, answer.headers.get('content-type')]).toEqual([401, 'invalid api token', 'text/plain; charset=utf-8'])
})

test("strictly too, Troupe's own clients get all they need", async () => {
  const served = await serving({ strict: true }, error('MAILBOX_FULL'))
  const answer = await served.ask('/v1.0/actors/Shop/a/method/sell', { headers: { accept: 'application/x-msgpack' } })
  expect([answer.status, answer.headers.get('content-type')]).toEqual([429, 'application/x-msgpack'])
  expect(answer.text).toContain('MAILBOX_FULL')
})
