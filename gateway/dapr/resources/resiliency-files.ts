/**
 * Resiliency documents as one set of policies for actors. Policies of all documents share one space of names, as in Dapr; what
 * targets applications and components is passed over with a warning.
 *
 * A type that is a target has the policies named there and no others. For the rest count DefaultActorTimeoutPolicy,
 * DefaultActorRetryPolicy, DefaultActorCircuitBreakerPolicy, and without them the names without `Actor`.
 */
import type { Logger } from '../../../core/logger.ts'
import { DEFAULT_CACHE_SIZE, type ActorPolicy, type BreakerPolicy, type ResiliencySpec, type RetryPolicy, type StatusRange } from '../resiliency/resiliency-spec.ts'
import { parseTrip } from '../resiliency/trip-expression.ts'
import { shown, type Field } from './field-reader.ts'
import type { Resource } from './resource-files.ts'

interface Policies {
  readonly timeouts: Map<string, number>
  readonly retries: Map<string, RetryPolicy>
  readonly breakers: Map<string, BreakerPolicy>
  /** Of any kind: a policy that could not be read is not missing too. */
  readonly defined: Set<string>
}

const MOST_RETRIES = 1_000_000
const LARGEST_CACHE = 1_000_000
const DEFAULT_TRIP = 'consecutiveFailures > 5'

export function readResiliency(resources: readonly Resource[], log: Logger): ResiliencySpec {
  const policies: Policies = { timeouts: new Map(), retries: new Map(), breakers: new Map(), defined: new Set() }
  for (const { root } of resources) readPolicies(root.at('spec'), policies, log)
  const types = new Map<string, ActorPolicy>()
  for (const { root, name } of resources) {
    const targets = root.at('spec').at('targets')
    targets.onlyKnown(['actors', 'apps', 'components'])
    const others = ['apps', 'components'].filter(kind => targets.at(kind).given)
    if (others.length > 0) log.warn({ resiliency: name, ignored: others }, `resiliency ${name}: Troupe calls actors alone; its targets ${others.join(' and ')} are passed over`)
    for (const [type, target] of targets.at('actors').entries()) {
      if (types.has(type)) target.refuse(`the type ${type} is a target of another document too; leave one`)
      types.set(type, readTarget(target, policies))
    }
  }
  return { types, otherwise: defaultPolicy(policies) }
}

function readPolicies(spec: Field, all: Policies, log: Logger): void {
  spec.onlyKnown(['policies', 'targets'])
  const policies = spec.at('policies')
  policies.onlyKnown(['timeouts', 'retries', 'circuitBreakers'])
  const each = <P>(kind: string, into: Map<string, P>, read: (name: string, field: Field) => P | undefined): void => {
    for (const [name, field] of policies.at(kind).entries()) {
      if (all.defined.has(`${kind} ${name}`)) field.refuse('there is another policy of this kind and name; leave one')
      all.defined.add(`${kind} ${name}`)
      const policy = read(name, field)
      if (policy !== undefined) into.set(name, policy)
      if (!name.startsWith('DaprBuiltIn')) continue
      log.warn({ policy: name }, `policy ${name}: Troupe repeats what has not run in its own way; this one is passed over unless a target names it`)
    }
  }
  each('timeouts', all.timeouts, (_, field) => field.given ? field.durationMs() : field.refuse('is missing; write a duration'))
  each('retries', all.retries, readRetry)
  each('circuitBreakers', all.breakers, readBreaker)
}

function readRetry(name: string, field: Field): RetryPolicy | undefined {
  field.onlyKnown(['policy', 'duration', 'maxRetries', 'maxInterval', 'initialInterval', 'randomizationFactor', 'multiplier', 'maxElapsedTime', 'matching'])
  const kind = (field.at('policy').text() || 'constant').toLowerCase()
  const maxRetries = field.at('maxRetries').whole(-1, MOST_RETRIES) ?? -1
  const matching = field.at('matching')
  matching.onlyKnown(['httpStatusCodes', 'gRPCStatusCodes'])
  const httpStatuses = readRanges(matching.at('httpStatusCodes'), 100, 599)
  const grpcStatuses = readRanges(matching.at('gRPCStatusCodes'), 0, 16)
  const pauseMs = field.at('duration').durationMs() ?? 5_000
  const longestMs = field.at('maxInterval').durationMs() ?? 60_000
  const exponential = {
    kind: 'exponential' as const,
    initialMs: field.at('initialInterval').durationMs() ?? 500,
    randomization: field.at('randomizationFactor').decimal(0, 1) ?? 0.5,
    multiplier: field.at('multiplier').decimal(1, 1_000) ?? 1.5,
    longestMs,
    withinMs: field.at('maxElapsedTime').durationMs() ?? 900_000,
  }
  if (kind !== 'constant' && kind !== 'exponential') return field.at('policy').refuse(`${shown(kind)} is neither constant nor exponential`)
  return { name, pauses: kind === 'constant' ? { kind, pauseMs } : exponential, maxRetries, httpStatuses, grpcStatuses }
}

/** `429,500-503`; undefined: all. */
function readRanges(field: Field, least: number, most: number): StatusRange[] | undefined {
  const text = field.text()?.trim()
  if (text === undefined || text === '') return undefined
  const ranges = text.split(',').map(part => {
    const [, from = '', to = from] = /^\s*(\d{1,3})(?:\s*-\s*(\d{1,3}))?\s*$/.exec(part) ?? []
    return [Number(from || NaN), Number(to || NaN)] as const
  })
  if (ranges.every(([from, to]) => from >= least && to <= most && from <= to)) return ranges
  return field.refuse(`${shown(text)} is no list of codes and ranges from ${least} to ${most}, as ${least},${most - 3}-${most}`)
}

function readBreaker(name: string, field: Field): BreakerPolicy | undefined {
  field.onlyKnown(['maxRequests', 'interval', 'timeout', 'trip'])
  const maxRequests = field.at('maxRequests').whole(0, MOST_RETRIES) ?? 1
  const intervalMs = field.at('interval').durationMs() ?? 0
  const openMs = field.at('timeout').durationMs() ?? 60_000
  const trip = parseTrip(field.at('trip').text() || DEFAULT_TRIP)
  if (typeof trip === 'string') return field.at('trip').refuse(`${trip}; Troupe understands comparisons of counts, joined by && and ||, as 'consecutiveFailures > 5 || totalFailures >= 20'`)
  return { name, maxRequests: Math.max(1, maxRequests), intervalMs, openMs: openMs === 0 ? 60_000 : openMs, trip }
}

function readTarget(target: Field, policies: Policies): ActorPolicy {
  target.onlyKnown(['timeout', 'retry', 'circuitBreaker', 'circuitBreakerScope', 'circuitBreakerCacheSize'])
  const named = <P>(field: Field, kind: string, from: ReadonlyMap<string, P>): P | undefined => {
    const name = field.text()
    if (name === undefined || name === '') return undefined
    return policies.defined.has(`${kind} ${name}`) ? from.get(name) : field.refuse(`no document defines ${name} under policies.${kind}; add it, or correct the name`)
  }
  const timeoutMs = named(target.at('timeout'), 'timeouts', policies.timeouts)
  const breaker = named(target.at('circuitBreaker'), 'circuitBreakers', policies.breakers)
  const scope = target.at('circuitBreakerScope').text()
  if (scope === undefined && breaker !== undefined) target.at('circuitBreakerScope').refuse('is missing; write type (one breaker for all actors of the type), id or both (one for each actor)')
  else if (scope !== undefined && !['type', 'id', 'both'].includes(scope)) target.at('circuitBreakerScope').refuse(`${shown(scope)} is none of type, id, both`)
  return {
    timeoutMs: timeoutMs === 0 ? undefined : timeoutMs,
    retry: named(target.at('retry'), 'retries', policies.retries),
    breaker,
    breakerScope: scope === 'type' ? 'type' : 'actor',
    breakerCacheSize: target.at('circuitBreakerCacheSize').whole(0, LARGEST_CACHE) || DEFAULT_CACHE_SIZE,
  }
}

function defaultPolicy({ timeouts, retries, breakers }: Policies): ActorPolicy | undefined {
  const timeoutMs = timeouts.get('DefaultActorTimeoutPolicy') ?? timeouts.get('DefaultTimeoutPolicy')
  const retry = retries.get('DefaultActorRetryPolicy') ?? retries.get('DefaultRetryPolicy')
  const breaker = breakers.get('DefaultActorCircuitBreakerPolicy') ?? breakers.get('DefaultCircuitBreakerPolicy')
  if (!timeoutMs && retry === undefined && breaker === undefined) return undefined
  return { timeoutMs: timeoutMs || undefined, retry, breaker, breakerScope: 'type', breakerCacheSize: DEFAULT_CACHE_SIZE }
}
