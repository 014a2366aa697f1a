/**
 * The mechanisms that promises hang on, each of which a test may switch off to see that something notices.
 *
 * Nothing is off in production: a mechanism that can be switched off costs one comparison. A checker that stays green with its
 * mechanism off proves nothing; `npm run sim -- --mutants` looks for such.
 */

export interface Mechanisms {
  /** Names of those that are off; undefined: all are on. */
  off: ReadonlySet<string> | undefined
}

export const mechanisms = ((globalThis as Record<symbol, unknown>)[Symbol.for('troupe.mechanisms')] ??= { off: undefined }) as Mechanisms
