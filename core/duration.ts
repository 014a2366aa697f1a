/** Durations as people write them in options and flags: `500ms`, `2s`, `1h30m`, or a number of milliseconds. */
import { TroupeError } from './errors.ts'

export type Duration = number | string

const units: Record<string, number> = { ms: 1, s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 }
const shape = /^(\d+(?:\.\d+)?(?:ms|[smhd]))+$/

/**
 * Milliseconds of `value`.
 * @throws BAD_OPTION when it is no duration, negative or not finite; `what` names the option.
 */
export function durationMs(value: Duration, what: string): number {
  if (typeof value === 'number' && Number.isFinite(value) && value >= 0) return value
  if (typeof value === 'string' && shape.test(value)) {
    let total = 0
    for (const [, amount, unit] of value.matchAll(/(\d+(?:\.\d+)?)(ms|[smhd])/g)) total += Number(amount) * units[unit!]!
    return total
  }
  throw new TroupeError('BAD_OPTION', `${what}: ${JSON.stringify(value)} is no duration; write '500ms', '2s', '1h30m' or a number of milliseconds`)
}
