// Tries, pauses, limits and breakers of calls, on a clock moved by hand.
import { getEventListeners } from 'node:events'
import { expect, test } from 'vitest'
import { ActorError } from '../../../../actors/errors.ts'
import { ManualClock } from '../../../../core/clock.ts'
import { TroupeError, type ErrorCode } from '../../../../core/errors.ts'
import { SeededRandom } from '../../../../core/random.ts'
import { ActorResiliency } from '../../../../gateway/dapr/actor-resiliency.ts'
import { BackOff, LONGEST_MS } from '../../../../gateway/dapr/resiliency/back-off.ts'
import { Breakers } from '../../../../gateway/dapr/resiliency/breakers.ts'
import type { ActorPolicy, BreakerPolicy, ResiliencySpec, RetryPolicy } from '../../../../gateway/dapr/resiliency/resiliency-spec.ts'
import { worthRetrying } from '../../../../gateway/dapr/resiliency/worth-retrying.ts'

const retry = (given: Partial<RetryPolicy> = {}): RetryPolicy =>
  ({ name: 'again', pauses: { kind: 'constant', pauseMs: 100 }, maxRetries: 3, httpStatuses: undefined, grpcStatuses: undefined, ...given })
const breaker = (given: Partial<BreakerPolicy> = {}): BreakerPolicy =>
  ({ name: 'fuse', maxRequests: 1, intervalMs: 0, openMs: 1_000, trip: counts => counts.consecutiveFailures > 1, ...given })
const policy = (given: Partial<ActorPolicy>): ActorPolicy =>
  ({ timeoutMs: undefined, retry: undefined, breaker: undefined, breakerScope: 'type', breakerCacheSize: 5_000, ...given })

function resiliency(given: Partial<ActorPolicy> | undefined, otherwise?: Partial<ActorPolicy>, timeouts = true) {
  const clock = new ManualClock()
  const spec: ResiliencySpec = {
    types: new Map(given === undefined ? [] : [['A', policy(given)]]), otherwise: otherwise === undefined ? undefined : policy(otherwise),
  }
  return { clock, calls: new ActorResiliency(spec, { clock, random: new SeededRandom(7), timeouts }) }
}

/** Fails so many times, then answers; keeps when it was tried. */
function failing(clock: ManualClock, times: number, error: () => unknown = () => new TroupeError('METHOD_FAILED', 'no')) {
  const at: number[] = []
  const attempt = async (): Promise<string> => {
    at.push(clock.monotonicMs())
    if (at.length <= times) throw error()
    return 'done'
  }
  return { at, attempt }
}

/** How a promise ended, as soon as the clock has been moved so far. */
async function after<T>(clock: ManualClock, ms: number, promise: Promise<T>): Promise<T | TroupeError> {
  const end = promise.catch((error: unknown) => error as TroupeError)
  await clock.advance(ms)
  return Promise.race([end, new Promise<never>((_, reject) => { setImmediate(() => reject(new Error('it has not ended'))) })])
}
const codeOf = (end: unknown): unknown => TroupeError.is(end) ? end.code : end

test('a type without a policy is called as if nothing were there', async () => {
  const { calls } = resiliency({ retry: retry() })
  const signal = new AbortController().signal
  const seen: unknown[] = []
  const promise = Promise.resolve('x')
  expect(calls.run('B', '1', given => { seen.push(given); return promise }, signal)).toBe(promise)
  expect(seen).toEqual([signal])
  await expect(calls.run('B', '1', async given => given)).resolves.toBe(undefined)
})

test('errors of the application are retried, so often, at such times', async () => {
  const { clock, calls } = resiliency({ retry: retry() })
  const twice = failing(clock, 2)
  expect(await after(clock, 1_000, calls.run('A', '1', twice.attempt))).toBe('done')
  expect(twice.at).toEqual([0, 100, 200])
  const always = failing(clock, 99, () => new ActorError(undefined, 'broke'))
  const error = await after(clock, 1_000, calls.run('A', '1', always.attempt))
  expect((error as Error).message).toBe('broke')
  expect(always.at).toEqual([1_000, 1_100, 1_200, 1_300])
})

test('what the error asks for is waited for', async () => {
  const { clock, calls } = resiliency({ retry: retry() })
  const busy = failing(clock, 1, () => new TroupeError('OVERLOADED', 'busy', { retryAfterMs: 700 }))
  expect(await after(clock, 1_000, calls.run('A', '1', busy.attempt))).toBe('done')
  expect(busy.at).toEqual([0, 700])
})

test('retries without a limit end after an hour; maxRetries 0 means none', async () => {
  const { clock, calls } = resiliency({ retry: retry({ maxRetries: -1, pauses: { kind: 'constant', pauseMs: 600_000 } }) })
  const always = failing(clock, Infinity)
  expect(codeOf(await after(clock, 2 * LONGEST_MS, calls.run('A', '1', always.attempt)))).toBe('METHOD_FAILED')
  expect(always.at.length).toBe(7)
  const none = resiliency({ retry: retry({ maxRetries: 0 }) })
  const once = failing(none.clock, 1)
  expect(codeOf(await after(none.clock, 0, none.calls.run('A', '1', once.attempt)))).toBe('METHOD_FAILED')
})

test('exponential pauses grow to their longest, spread by chance, within their time', () => {
  const pauses = { kind: 'exponential' as const, initialMs: 100, randomization: 0, multiplier: 2, longestMs: 500, withinMs: 2_000 }
  const plain = new BackOff(retry({ maxRetries: -1, pauses }), new SeededRandom(1))
  let elapsedMs = 0
  const seen: number[] = []
  for (let pause = plain.next(0); pause !== undefined; pause = plain.next(elapsedMs)) {
    seen.push(pause)
    elapsedMs += pause
  }
  expect(seen).toEqual([100, 200, 400, 500, 500])
  const spread = new BackOff(retry({ maxRetries: -1, pauses: { ...pauses, randomization: 0.5, multiplier: 1 } }), new SeededRandom(1))
  const many = Array.from({ length: 200 }, () => spread.next(0)!)
  expect([Math.min(...many) >= 50, Math.max(...many) <= 150, new Set(many).size > 100]).toEqual([true, true, true])
})

test.each<ErrorCode>(['BAD_REQUEST', 'MALFORMED_BODY', 'CANCELLED', 'STACK_DEPTH', 'CALL_CYCLE', 'UNKNOWN_METHOD', 'FORBIDDEN', 'QUARANTINED', 'STATE_UNREADABLE'])('%s is not tried again', async code => {
  const { clock, calls } = resiliency({ retry: retry() })
  const tries = failing(clock, 9, () => new TroupeError(code, 'no'))
  expect(codeOf(await after(clock, 0, calls.run('A', '1', tries.attempt)))).toBe(code)
  expect(tries.at).toEqual([0])
})

test('where a policy names statuses, others are not retried', () => {
  const http = retry({ httpStatuses: [[429, 429], [500, 503]] })
  const grpc = retry({ grpcStatuses: [[14, 14]] })
  class Full extends ActorError { static readonly status = 429 }
  const from = (status: number): TroupeError => new TroupeError('METHOD_FAILED', 'no', { data: { status } })
  expect([from(500), from(404), from(429), new Full(), new TroupeError('CALL_TIMEOUT', ''), new TypeError()].map(error => worthRetrying(error, http))).toEqual([true, false, true, true, false, true])
  expect([new TroupeError('MOVED', ''), new TroupeError('METHOD_FAILED', '')].map(error => worthRetrying(error, grpc))).toEqual([true, false])
  expect(worthRetrying(new TroupeError('MOVED', ''), retry({ httpStatuses: [[500, 500]], grpcStatuses: [[14, 14]] }))).toBe(true)
  expect(worthRetrying(new TroupeError('BAD_REQUEST', ''), retry({ httpStatuses: [[400, 400]] }))).toBe(false)
})

test('each try has its own time, and what is late is aborted', async () => {
  const { clock, calls } = resiliency({ timeoutMs: 50, retry: retry({ maxRetries: 1 }) })
  const signals: AbortSignal[] = []
  const end = await after(clock, 1_000, calls.run('A', '7', signal => {
    signals.push(signal!)
    return new Promise(() => undefined)
  }))
  expect(codeOf(end)).toBe('CALL_TIMEOUT')
  expect((end as Error).message).toMatch(/^A\/7 did not answer within the 50 ms of its resiliency policy/)
  expect(signals.map(signal => [signal.aborted, codeOf(signal.reason)])).toEqual([[true, 'CALL_TIMEOUT'], [true, 'CALL_TIMEOUT']])
  const late = calls.run('A', '7', async () => 'in time')
  expect(await after(clock, 1_000, late)).toBe('in time')
})

test('limits that are kept elsewhere are told, not kept', async () => {
  const { clock, calls } = resiliency({ timeoutMs: 50 }, { timeoutMs: 70 }, false)
  expect([calls.turnTimeoutMs('A'), calls.turnTimeoutMs('B')]).toEqual([50, 70])
  let settle = (_: string): void => undefined
  const running = calls.run('A', '1', () => new Promise<string>(resolve => { settle = resolve }))
  await clock.advance(1_000)
  settle('slow')
  expect(await running).toBe('slow')
})

test('the caller gives up: during a try, during a pause', async () => {
  const { clock, calls } = resiliency({ timeoutMs: 1_000, retry: retry() })
  const first = new AbortController()
  const trying = calls.run('A', '1', signal => new Promise((_, reject) => { signal!.addEventListener('abort', () => reject(new TroupeError('CANCELLED', 'gone'))) }), first.signal)
  await clock.advance(10)
  first.abort()
  expect(codeOf(await after(clock, 0, trying))).toBe('CANCELLED')
  const second = new AbortController()
  const tries = failing(clock, 9)
  const pausing = calls.run('A', '1', tries.attempt, second.signal)
  await clock.advance(50)
  second.abort()
  expect(codeOf(await after(clock, 1_000, pausing))).toBe('METHOD_FAILED')
  expect(tries.at.length).toBe(1)
  const third = new AbortController()
  expect(await after(clock, 500, calls.run('A', '1', failing(clock, 2).attempt, third.signal))).toBe('done')
  expect(getEventListeners(third.signal, 'abort').length).toBe(0)
})

test('a result that is a failure is tried again, and handed out at last', async () => {
  const { clock, calls } = resiliency({ retry: retry({ maxRetries: 2 }), breaker: breaker({ trip: counts => counts.totalFailures > 2 }) })
  const results = ['bad', 'bad', 'good', 'bad', 'bad', 'bad']
  const run = (): Promise<string> => calls.run('A', '1', async () => results.shift()!, undefined, result => result === 'bad')
  expect(await after(clock, 1_000, run())).toBe('good')
  // The breaker opens with its third failure, so the fourth call of this line is not made.
  expect(codeOf(await after(clock, 1_000, run()))).toBe('OVERLOADED')
  expect(results).toEqual(['bad', 'bad'])
})

test('an open breaker refuses at once, and lets one through after its time', async () => {
  const { clock, calls } = resiliency({ retry: retry({ maxRetries: 5 }), breaker: breaker() })
  const broken = failing(clock, Infinity)
  const refused = await after(clock, 300, calls.run('A', '1', broken.attempt)) as TroupeError
  expect(broken.at).toEqual([0, 100])
  expect(refused).toMatchObject({ code: 'OVERLOADED', executed: 'no', retryAfterMs: 900 })
  expect(refused.message).toBe('A/1 was not called: circuit breaker fuse of the type A is open: too many calls before this one failed; repeat the call after 900 ms')
  expect(await after(clock, 0, calls.run('A', '2', async () => 'x'))).toMatchObject({ code: 'OVERLOADED', retryAfterMs: 800 })
  await clock.advance(800)
  let settle = (_: string): void => undefined
  const probe = calls.run('A', '3', () => new Promise<string>(resolve => { settle = resolve }))
  expect((await after(clock, 0, calls.run('A', '4', async () => 'x')) as Error).message).toMatch(/is half-open, and the calls that shall show/)
  settle('probe')
  expect(await after(clock, 0, probe)).toBe('probe')
  expect(await after(clock, 0, calls.run('A', '5', async () => 'x'))).toBe('x')
})

test('a probe whose caller gives up leaves its place to the next', async () => {
  const { clock, calls } = resiliency({ breaker: breaker({ trip: counts => counts.totalFailures > 0 }) })
  await after(clock, 1_000, calls.run('A', '1', failing(clock, 1).attempt))
  await after(clock, 0, calls.run('A', '1', failing(clock, 1, () => new TroupeError('BAD_REQUEST', 'no')).attempt))
  const gone = new AbortController()
  gone.abort()
  await after(clock, 0, calls.run('A', '1', failing(clock, 1).attempt, gone.signal))
  expect(await after(clock, 0, calls.run('A', '1', async () => 'x'))).toBe('x')
})

test('breakers of actors are apart, and the least used is forgotten', async () => {
  const one = breaker({ trip: counts => counts.totalFailures > 0 })
  const { clock, calls } = resiliency({ breaker: one, breakerScope: 'actor', breakerCacheSize: 2 })
  const call = async (id: string, fails = 0): Promise<unknown> => codeOf(await after(clock, 0, calls.run('A', id, failing(clock, fails).attempt)))
  expect([await call('1', 1), await call('1'), await call('2')]).toEqual(['METHOD_FAILED', 'OVERLOADED', 'done'])
  expect([await call('1'), await call('3'), await call('1'), await call('4'), await call('5'), await call('1')]).toEqual(['OVERLOADED', 'done', 'OVERLOADED', 'done', 'done', 'done'])
  const kept = new Breakers(one, 2)
  for (let i = 0; i < 100; i++) kept.get(String(i), 0)
  expect(kept.size).toBe(2)
})

test('types that no policy names have one breaker each where there is a default', async () => {
  const { clock, calls } = resiliency({}, { breaker: breaker({ trip: counts => counts.totalFailures > 0 }) })
  const call = async (type: string, fails = 0): Promise<unknown> => codeOf(await after(clock, 0, calls.run(type, '1', failing(clock, fails).attempt)))
  expect([await call('B', 1), await call('B'), await call('C'), await call('A', 1), await call('A')]).toEqual(['METHOD_FAILED', 'OVERLOADED', 'done', 'METHOD_FAILED', 'done'])
})
