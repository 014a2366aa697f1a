import { expect, test } from 'vitest'
import { problemsOf, read } from './resource-folder.ts'

const full = `apiVersion: dapr.io/v1alpha1
kind: Resiliency
metadata:
  name: myresiliency
scopes:
- shop
spec:
  policies:
    timeouts:
      general: 5s
      important: 60000
    retries:
      pubsubRetry:
        policy: constant
        duration: 5s
        maxRetries: 10
      retryForever:
        policy: exponential
        maxInterval: 15s
        maxRetries: -1 # Retry indefinitely
      some:
        matching:
          httpStatusCodes: "429,500-503"
          gRPCStatusCodes: 14
    circuitBreakers:
      simpleCB:
        maxRequests: 1
        timeout: 30s
        trip: consecutiveFailures >= 5
      plain: {}
  targets:
    actors:
      myActorType:
        timeout: general
        retry: retryForever
        circuitBreaker: simpleCB
        circuitBreakerScope: both
        circuitBreakerCacheSize: 100
      other:
        timeout: important
        retry: some
        circuitBreaker: plain
        circuitBreakerScope: type
      none: {}
`
const counts = (consecutiveFailures: number) => ({ requests: 0, totalSuccesses: 0, totalFailures: 0, consecutiveSuccesses: 0, consecutiveFailures })

test('policies and actors as targets', () => {
  const { resiliency: { types, otherwise }, warnings } = read({ 'components/resiliency.yaml': full })
  expect([warnings, otherwise, [...types.keys()]]).toEqual([[], undefined, ['myActorType', 'other', 'none']])
  const first = types.get('myActorType')!
  expect(first).toMatchObject({
    timeoutMs: 5_000, breakerScope: 'actor', breakerCacheSize: 100,
    retry: { name: 'retryForever', maxRetries: -1, httpStatuses: undefined, pauses: { kind: 'exponential', initialMs: 500, randomization: 0.5, multiplier: 1.5, longestMs: 15_000, withinMs: 900_000 } },
    breaker: { name: 'simpleCB', maxRequests: 1, intervalMs: 0, openMs: 30_000 },
  })
  expect([4, 5].map(n => first.breaker!.trip(counts(n)))).toEqual([false, true])
  const second = types.get('other')!
  expect(second).toMatchObject({
    timeoutMs: 60_000, breakerScope: 'type', breakerCacheSize: 5_000, breaker: { maxRequests: 1, openMs: 60_000 },
    retry: { pauses: { kind: 'constant', pauseMs: 5_000 }, maxRetries: -1, httpStatuses: [[429, 429], [500, 503]], grpcStatuses: [[14, 14]] },
  })
  expect([5, 6].map(n => second.breaker!.trip(counts(n)))).toEqual([false, true])
  expect(types.get('none')).toMatchObject({ timeoutMs: undefined, retry: undefined, breaker: undefined })
})

test('documents share their policies; those of other applications are not read; other targets are passed over', () => {
  const { resiliency, warnings } = read({
    'components/a.yaml': 'kind: Resiliency\nmetadata: {name: a}\nspec:\n  targets:\n    apps: {cart: {timeout: t}}\n    components: {db: {outbound: {timeout: t}}}\n    actors: {A: {timeout: t}}\n',
    'components/b.yaml': 'kind: Resiliency\nmetadata: {name: b}\nspec: {policies: {timeouts: {t: 1.5s}}}\n',
    'components/c.yaml': 'kind: Resiliency\nmetadata: {name: c}\nscopes: [till]\nspec: {policies: {timeouts: {t: never}}}\n',
  })
  expect(resiliency.types.get('A')).toMatchObject({ timeoutMs: 1_500 })
  expect(warnings).toEqual(['resiliency a: Troupe calls actors alone; its targets apps and components are passed over'])
})

test('default policies are for types that are no targets, those for actors first', () => {
  const spec = (more: string): Record<string, string> => ({
    'components/a.yaml': `kind: Resiliency\nmetadata: {name: a}\nspec:\n  policies:\n    timeouts: {DefaultTimeoutPolicy: 9s${more}}\n    retries: {DefaultRetryPolicy: {maxRetries: 2}}\n    circuitBreakers: {DefaultActorCircuitBreakerPolicy: {}}\n  targets: {actors: {A: {}}}\n`,
  })
  expect(read(spec('')).resiliency.otherwise).toMatchObject({ timeoutMs: 9_000, retry: { maxRetries: 2 }, breaker: { name: 'DefaultActorCircuitBreakerPolicy' }, breakerScope: 'type' })
  const { resiliency } = read(spec(', DefaultActorTimeoutPolicy: 3s'))
  expect(resiliency.otherwise).toMatchObject({ timeoutMs: 3_000 })
  expect(resiliency.types.get('A')).toMatchObject({ timeoutMs: undefined, retry: undefined })
})

test('policies of Dapr’s own are named, not used', () => {
  const { resiliency, warnings } = read({ 'components/a.yaml': 'kind: Resiliency\nmetadata: {name: a}\nspec: {policies: {retries: {DaprBuiltInActorNotFoundRetries: {maxRetries: 5}}}}\n' })
  expect([resiliency.otherwise, warnings.length]).toEqual([undefined, 1])
})

test('everything that is wrong, at once', () => {
  const problems = problemsOf({
    'components/a.yaml': `kind: Resiliency
metadata: {name: a}
spec:
  policies:
    timeouts: {t: 5 s, u: 999h, w: , n: -1s}
    retries:
      r: {policy: linear, maxRetries: -2, duration: soon, retries: 3}
      m: {matching: {httpStatusCodes: "600", gRPCStatusCodes: "1-x", codes: 1}, randomizationFactor: 2, multiplier: 0.5}
      l: []
    circuitBreakers:
      c: {maxRequests: many, interval: x, timeout: y, trip: totalFailures / requests > 0.5}
    bulkheads: {}
  targets:
    actors:
      A: {timeout: gone, retry: r, circuitBreaker: c, circuitBreakerScope: all, circuitBreakerCacheSize: -1, retries: r}
      B: {circuitBreaker: ok}
    services: {}
---
kind: Resiliency
metadata: {name: b}
spec:
  policies: {timeouts: {t: 1s}, circuitBreakers: {ok: {}}}
  targets: {actors: {A: {}}}
`,
  })
  const first = 'components/a.yaml, document 1 (Resiliency a): spec.'
  expect(problems).toEqual([
    `${first}policies: there is no bulkheads here; there are timeouts, retries, circuitBreakers`,
    `${first}policies.timeouts.t: "5 s" is no duration; write '500ms', '5s', '1h30m', or a number of milliseconds`,
    `${first}policies.timeouts.u: "999h" is longer than 24 days; write a shorter time`,
    `${first}policies.timeouts.w: is missing; write a duration`,
    `${first}policies.timeouts.n: "-1s" is no duration; write '500ms', '5s', '1h30m', or a number of milliseconds`,
    expect.stringMatching(/retries\.r: there is no retries here; there are policy, duration/),
    `${first}policies.retries.r.maxRetries: "-2" is no whole number from -1 to 1000000`,
    expect.stringMatching(/retries\.r\.duration: "soon" is no duration/),
    `${first}policies.retries.r.policy: "linear" is neither constant nor exponential`,
    expect.stringMatching(/retries\.m\.matching: there is no codes here; there are httpStatusCodes, gRPCStatusCodes/),
    `${first}policies.retries.m.matching.httpStatusCodes: "600" is no list of codes and ranges from 100 to 599, as 100,596-599`,
    expect.stringMatching(/gRPCStatusCodes: "1-x" is no list of codes and ranges from 0 to 16/),
    `${first}policies.retries.m.randomizationFactor: "2" is no number from 0 to 1`,
    `${first}policies.retries.m.multiplier: "0.5" is no number from 1 to 1000`,
    `${first}policies.retries.l: must be a mapping of names to values, not a list`,
    `${first}policies.circuitBreakers.c.maxRequests: "many" is no whole number from 0 to 1000000`,
    expect.stringMatching(/circuitBreakers\.c\.interval: "x" is no duration/),
    expect.stringMatching(/circuitBreakers\.c\.timeout: "y" is no duration/),
    `${first}policies.circuitBreakers.c.trip: has "/" where a comparison should be; there are > >= < <= == !=; Troupe understands comparisons of counts, joined by && and ||, as 'consecutiveFailures > 5 || totalFailures >= 20'`,
    'components/a.yaml, document 2 (Resiliency b): spec.policies.timeouts.t: there is another policy of this kind and name; leave one',
    `${first}targets: there is no services here; there are actors, apps, components`,
    `${first}targets.actors.A: there is no retries here; there are timeout, retry, circuitBreaker, circuitBreakerScope, circuitBreakerCacheSize`,
    `${first}targets.actors.A.timeout: no document defines gone under policies.timeouts; add it, or correct the name`,
    `${first}targets.actors.A.circuitBreakerScope: "all" is none of type, id, both`,
    `${first}targets.actors.A.circuitBreakerCacheSize: "-1" is no whole number from 0 to 1000000`,
    `${first}targets.actors.B.circuitBreakerScope: is missing; write type (one breaker for all actors of the type), id or both (one for each actor)`,
    'components/a.yaml, document 2 (Resiliency b): spec.targets.actors.A: the type A is a target of another document too; leave one',
  ])
})
