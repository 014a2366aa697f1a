/** Options of gateways and clients, checked when they are given: every problem at once, unknown names refused. */
import type { Clock } from '../core/clock.ts'
import { durationMs, type Duration } from '../core/duration.ts'
import { messageOf, TroupeError } from '../core/errors.ts'
import { tokensProblem } from './api-token.ts'
import type { AppStreams } from './dapr/app-streams.ts'
import type { DoorFacts } from './dapr/door-facts.ts'

export type OptionKind = 'port' | 'count' | 'duration' | 'text' | 'clock' | 'flag' | 'tokens' | 'tls' | 'facts' | 'routes' | 'streams'

export type OptionKinds = Readonly<Record<string, OptionKind>>

/**
 * `required` must be there; everything else may be missing or undefined.
 * @throws BAD_OPTION naming `what` and each option that is wrong
 */
export function checkOptions(what: string, given: object, kinds: OptionKinds, required: readonly string[] = []): void {
  const problems = Object.keys(given).filter(name => !Object.hasOwn(kinds, name))
    .map(name => `${name}: unknown option; there are ${Object.keys(kinds).join(', ')}`)
  for (const [name, kind] of Object.entries(kinds)) {
    const value = (given as Record<string, unknown>)[name]
    const problem = value !== undefined ? problemOf(kind, value) : required.includes(name) ? 'is missing' : undefined
    if (problem !== undefined) problems.push(`${name}: ${problem}`)
  }
  if (problems.length > 0) throw new TroupeError('BAD_OPTION', `${what}: ${problems.join(' · ')}`, { data: { problems } })
}

function problemOf(kind: OptionKind, value: unknown): string | undefined {
  switch (kind) {
    case 'port':
      return Number.isInteger(value) && (value as number) >= 0 && (value as number) <= 65_535
        ? undefined : `${String(value)} is no port; give a whole number from 0 (any free one) to 65535`
    case 'count': return Number.isSafeInteger(value) && (value as number) > 0 ? undefined : `${String(value)} is no positive whole number`
    case 'text': return typeof value === 'string' && value !== '' ? undefined : 'must be a string that is not empty'
    case 'flag': return typeof value === 'boolean' ? undefined : 'must be true or false'
    case 'clock': return typeof (value as Partial<Clock> | null)?.after === 'function' ? undefined : 'must be a Clock'
    case 'duration': return durationProblem(value)
    case 'tokens': return tokensProblem(value)
    case 'tls': return tlsProblem(value)
    case 'facts': return typeof (value as Partial<DoorFacts> | null)?.runtimeStatus === 'function' ? undefined : 'must be the facts of a door'
    case 'streams': return typeof (value as Partial<AppStreams> | null)?.accept === 'function' ? undefined : 'must be AppStreams'
    case 'routes': return value === 'all' || value === 'health' ? undefined : `${JSON.stringify(value)} must be all or health`
  }
}

function tlsProblem(value: unknown): string | undefined {
  if (typeof value !== 'object' || value === null) return 'must be an object with the paths ca, cert and key'
  const given = value as Record<string, unknown>
  for (const name of ['ca', 'cert', 'key', 'namespace', 'clients']) {
    if (given[name] === undefined ? ['ca', 'cert', 'key'].includes(name) : typeof given[name] !== 'string' || given[name] === '') {
      return `${name} must be ${name.length > 4 ? 'a string that is not empty' : 'the path of a PEM file'}`
    }
  }
  return given.clients === undefined || given.clients === 'demanded' || given.clients === 'unasked' ? undefined : 'clients must be demanded or unasked'
}

function durationProblem(value: unknown): string | undefined {
  try {
    const ms = durationMs(value as Duration, 'duration')
    return ms >= 1 && ms <= 2 ** 31 - 1 ? undefined : `${JSON.stringify(value)} is out of range; give 1 ms to 24 days`
  } catch (error) {
    return messageOf(error).replace(/^duration: /, '')
  }
}
