/**
 * The changes of a state transaction, over whatever door they came: what each may say, and in whose words it is refused.
 *
 * INVALID_ARGUMENT is for what an operation holds, METHOD_NOT_ALLOWED for one that is neither; their texts are the Dapr API's.
 */
import type { DoorData, StateChange } from '../../actors/management.ts'
import { TroupeError } from '../../core/errors.ts'
import type { DoorFacts } from './door-facts.ts'

const MOST_CHANGES = 10_000
/** Until the year 10000. */
const MAX_TTL_SECONDS = 253_402_300_799
const TTL_FEATURE = 'ActorStateTTL'

export interface GivenChange {
  readonly operation: 'upsert' | 'delete'
  readonly key: unknown
  /** Of an upsert; asked for only then. */
  readonly value: () => DoorData
  readonly ttlInSeconds: unknown
}

/** @throws INVALID_ARGUMENT */
export function checkChangeCount(count: number): void {
  if (count > MOST_CHANGES) throw refused(`the transaction contains more operations than supported by the state store: ${count} of at most ${MOST_CHANGES}`)
}

/** @throws INVALID_ARGUMENT · METHOD_NOT_ALLOWED */
export function readOperation(given: unknown): 'upsert' | 'delete' {
  if (given === 'upsert' || given === 'delete') return given
  if (isNone(given)) throw refused('operation is empty')
  throw new TroupeError('METHOD_NOT_ALLOWED', `operation type ${String(given).slice(0, 100)} not supported`)
}

/** @throws INVALID_ARGUMENT */
export function readChange({ operation, key, value, ttlInSeconds }: GivenChange, facts: DoorFacts): StateChange {
  if (isNone(key)) throw refused('missing key')
  if (typeof key !== 'string') throw refused(`key ${JSON.stringify(key).slice(0, 100)} is no text`)
  if (operation === 'delete') return { key, value: undefined }
  const ttlMs = readTtl(key, ttlInSeconds, facts)
  return ttlMs === undefined ? { key, value: value() } : { key, value: value(), ttlMs }
}

/** Nothing and less than nothing: it has no end. */
function readTtl(key: string, given: unknown, { strict, enabledFeatures }: DoorFacts): number | undefined {
  if (isNone(given)) return undefined
  if (strict && !enabledFeatures.includes(TTL_FEATURE)) throw refused(`ttlInSeconds is not supported without the "${TTL_FEATURE}" feature enabled`)
  const seconds = typeof given === 'number' || typeof given === 'string' && /^[+-]?\d{1,15}$/.test(given) ? Number(given) : NaN
  if (!Number.isInteger(seconds) || seconds > MAX_TTL_SECONDS) {
    throw refused(`ttlInSeconds of key ${JSON.stringify(key)}: ${JSON.stringify(given).slice(0, 100)} must be a whole number of seconds, up to ${MAX_TTL_SECONDS}`)
  }
  return seconds <= 0 ? undefined : seconds * 1000
}

export const refused = (why: string): TroupeError => new TroupeError('INVALID_ARGUMENT', why)

export const isNone = (given: unknown): given is null | undefined | '' => given === undefined || given === null || given === ''
