/** Waiting times between attempts: exponential, capped, with half of each left to chance so that hosts do not come in step. */
import type { Random } from '../core/random.ts'

export const backoffMs = (failures: number, firstMs: number, mostMs: number, random: Random): number => {
  const full = Math.min(mostMs, firstMs * 2 ** Math.min(failures, 30))
  return full / 2 + (random.float() * full) / 2
}
