// What doors say of a failure over gRPC, in both modes (over HTTP: ../dapr-error-table.test.ts), and of errors that came from another host.
import { status as grpc } from '@grpc/grpc-js'
import { expect, test } from 'vitest'
import { ActorError } from '../../../../actors/errors.ts'
import { TroupeError, type ErrorCode } from '../../../../core/errors.ts'
import { doorAnswer, type DoorWork } from '../../../../gateway/dapr/door-errors.ts'
import { fromHost } from '../../../../runtime/dispatch/remote-error.ts'

class Insufficient extends ActorError { static readonly status = 409 }

const target = { type: 'Shop', id: 'a', name: 'n' }
const INVOKE = 'error invoke actor method'
const SAVE = 'error saving actor transaction state'
const LOOKUP = "failed to lookup actor: api error: code = FailedPrecondition desc = did not find address for actor 'Shop/a'"
const REMINDERS = 'operations on actor reminders are only possible on hosted actor types'
const TIMERS = 'operations on actor timers are only possible on hosted actor types'
type Told = readonly [code: number, details: string]

function both(code: number, text: string): readonly [Told, Told] {
  return [[code, text], [code, text]]
}

const rows: readonly (readonly [ErrorCode, string, DoorWork, plain: Told, strict: Told])[] = [
  ['METHOD_FAILED', 'error from actor service: (500) custom error', 'invoke', ...both(grpc.INTERNAL, `${INVOKE}: error from actor service: (500) custom error`)],
  ['UNKNOWN_METHOD', 'actor method not found: actors/Shop/a/method/n', 'invoke', ...both(grpc.INTERNAL, `${INVOKE}: actor method not found: actors/Shop/a/method/n`)],
  ['UNKNOWN_METHOD', 'Shop has no method n', 'invoke', [grpc.NOT_FOUND, `${INVOKE}: Shop has no method n`], [grpc.INTERNAL, `${INVOKE}: actor method not found: actors/Shop/a/method/n`]],
  ['METHOD_FAILED', 'Shop.n failed: x', 'invoke', [grpc.INTERNAL, `${INVOKE}: Shop.n failed: x`], [grpc.INTERNAL, `${INVOKE}: error from actor service: (500) Shop.n failed: x`]],
  ['STACK_DEPTH', 'Shop/a → …', 'invoke', ...both(grpc.RESOURCE_EXHAUSTED, 'maximum stack depth exceeded')],
  ['UNKNOWN_TYPE', 'no host runs Shop', 'invoke', [grpc.FAILED_PRECONDITION, "did not find address for actor 'Shop/a': no host runs Shop"], [grpc.INTERNAL, `${INVOKE}: ${LOOKUP}`]],
  ['NO_HOST', 'nobody now', 'invoke', [grpc.UNAVAILABLE, "did not find address for actor 'Shop/a': nobody now"], [grpc.INTERNAL, `${INVOKE}: ${LOOKUP}`]],
  ['MAILBOX_FULL', 'wait', 'invoke', [grpc.RESOURCE_EXHAUSTED, `${INVOKE}: wait`], [grpc.INTERNAL, `${INVOKE}: wait`]],
  ['APP_UNREACHABLE', 'it is away', 'invoke', [grpc.UNAVAILABLE, `${INVOKE}: it is away`], [grpc.INTERNAL, `${INVOKE}: it is away`]],
  ['APP_UNREACHABLE', 'it is away', 'timer.delete', [grpc.UNAVAILABLE, 'error deleting actor timer: it is away'], [grpc.UNAVAILABLE, 'app channel is not initialized']],
  ['HOST_STOPPING', 'bye', 'invoke', [grpc.UNAVAILABLE, 'actor runtime is closed: bye'], [grpc.UNAVAILABLE, 'actor runtime is closed']],
  ['PLACEMENT_UNREACHABLE', 'alone', 'invoke', [grpc.UNAVAILABLE, 'placement service is not configured: alone'], [grpc.UNAVAILABLE, 'placement service is not configured']],
  ['BAD_REQUEST', 'invalid request: x', 'invoke', ...both(grpc.INVALID_ARGUMENT, 'invalid request: x')],
  ['PAYLOAD_TOO_LARGE', 'too large', 'invoke', ...both(grpc.RESOURCE_EXHAUSTED, 'too large')],
  ['STORE_UNAVAILABLE', 'why', 'state.get', [grpc.UNAVAILABLE, 'error getting actor state: why'], [grpc.INTERNAL, 'error getting actor state: why']],
  ['STORE_UNAVAILABLE', 'why', 'state.save', [grpc.UNAVAILABLE, `${SAVE}: why`], [grpc.INTERNAL, `${SAVE}: why`]],
  ['NOT_ACTIVE', 'why', 'state.save', ...both(grpc.INTERNAL, 'actor instance is missing')],
  ['UNKNOWN_TYPE', 'why', 'state.save', ...both(grpc.INTERNAL, 'actor instance is missing')],
  ['INVALID_ARGUMENT', 'missing key', 'state.save', ...both(grpc.INTERNAL, `${SAVE}: missing key`)],
  ['METHOD_NOT_ALLOWED', 'operation type x not supported', 'state.save', ...both(grpc.UNIMPLEMENTED, 'operation type x not supported')],
  ['REMINDER_EXISTS', 'why', 'reminder.create', ...both(grpc.ALREADY_EXISTS, 'actor reminder already exists: n')],
  ['REMINDER_NOT_FOUND', 'why', 'reminder.get', ...both(grpc.NOT_FOUND, 'actor reminder not found: n')],
  ['UNKNOWN_TYPE', 'why', 'reminder.delete', [grpc.PERMISSION_DENIED, `${REMINDERS}: why`], [grpc.PERMISSION_DENIED, REMINDERS]],
  ['STORE_UNAVAILABLE', 'why', 'reminder.create', [grpc.UNAVAILABLE, 'error creating actor reminder: why'], [grpc.INTERNAL, 'error creating actor reminder: why']],
  ['BAD_SCHEDULE', 'why', 'reminder.create', [grpc.INVALID_ARGUMENT, 'error creating actor reminder: why'], [grpc.INTERNAL, 'error creating actor reminder: why']],
  ['TIMER_NOT_FOUND', 'why', 'timer.get', ...both(grpc.NOT_FOUND, 'actor timer not found: n')],
  ['UNKNOWN_TYPE', 'why', 'timer.create', [grpc.PERMISSION_DENIED, `${TIMERS}: why`], [grpc.PERMISSION_DENIED, TIMERS]],
  ['MOVED', 'why', 'timer.create', [grpc.UNAVAILABLE, 'error creating actor timer: why'], [grpc.PERMISSION_DENIED, 'operations on actor timers are only possible on the host that owns the actor']],
]

test.each(rows)('%s (%s) of %s', (code, text, work, plain, strict) => {
  const told = (strictly: boolean): Told => {
    const answer = doorAnswer(new TroupeError(code, text), work, target, strictly)
    return [answer.grpc, answer.details]
  }
  expect(told(false)).toEqual(plain)
  expect(told(true)).toEqual(strict)
})

test("an author's error, and what nobody expected", () => {
  const { details, message, status } = doorAnswer(new Insufficient(undefined, 'too little'), 'invoke', target, false)
  expect([status, message, details]).toEqual([409, 'too little', `${INVOKE}: error from actor service: (409) too little`])
  expect(doorAnswer(new Insufficient(undefined, 'too little'), 'invoke', target, true)).toMatchObject({ status: 500, message: `${INVOKE}: error from actor service: (409) too little` })
  for (const strict of [false, true]) expect(doorAnswer(new Error('secret'), 'timer.get', target, strict).details).toBe('error getting actor timer: internal error of this host; its log tells more')
})

test('types of the workflow runtime have an answer of their own, but not to calls', () => {
  const workflow = { ...target, type: 'dapr.internal.x' }
  const error = new TroupeError('FORBIDDEN', 'why')
  for (const strict of [false, true]) {
    expect(doorAnswer(error, 'state.get', workflow, strict)).toMatchObject({ errorCode: 'ERR_ACTOR_TYPE_RESERVED', status: 403, grpc: grpc.PERMISSION_DENIED })
    expect(doorAnswer(error, 'invoke', workflow, strict)).toMatchObject({ errorCode: 'ERR_PERMISSION_DENIED', message: 'why' })
    expect(doorAnswer(error, 'state.get', target, strict)).toMatchObject({ errorCode: 'ERR_PERMISSION_DENIED', message: 'why' })
  }
})

test('what another host answered is said once more, strictly, and of general failures of calls alone', () => {
  const failed = (): TroupeError => fromHost(new TroupeError('METHOD_FAILED', 'error from actor service: (500) custom error'), 'h2')
  const once = `${INVOKE}: error from actor service: (500) custom error`
  expect(doorAnswer(failed(), 'invoke', target, true)).toMatchObject({ message: `${INVOKE}: rpc error: code = Internal desc = ${once}`, details: `${INVOKE}: rpc error: code = Internal desc = ${once}` })
  expect(doorAnswer(failed(), 'invoke', target, false)).toMatchObject({ message: once, details: once })
  expect(doorAnswer(fromHost(new Insufficient(undefined, 'x'), 'h2'), 'invoke', target, true).message).toBe(`${INVOKE}: rpc error: code = Internal desc = ${INVOKE}: error from actor service: (409) x`)
  expect(doorAnswer(fromHost(new TroupeError('STACK_DEPTH', 'x'), 'h2'), 'invoke', target, true).message).toBe('maximum stack depth exceeded')
  expect(doorAnswer(fromHost(new TroupeError('STORE_UNAVAILABLE', 'x'), 'h2'), 'state.get', target, true).message).toBe('error getting actor state: x')
})
