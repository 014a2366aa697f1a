/**
 * Named points of the paths that promises hang on, for tests that crash a process exactly there.
 *
 * Nothing listens in production: a point costs one comparison. A test's preload (`--import`) sets `seams.at`. The object
 * hangs on a global symbol, so that a preload finds it in any copy of this package.
 */

export type SeamPoint =
  /** A due reminder was taken from the queue · its turn starts · its method has returned, nothing is stored. */
  | 'reminder.fire' | 'reminder.run' | 'reminder.ran'
  /** A flush begins with it · the store has it, nobody was told. */
  | 'commit.begin' | 'commit.durable'
  /** A send is about to leave · its target has it durable and has not answered · the answer came · its row is removed. */
  | 'send.deliver' | 'send.applied' | 'send.acknowledged' | 'send.removed'

export interface Seams {
  at: ((point: SeamPoint) => void) | undefined
}

export const seams = ((globalThis as Record<symbol, unknown>)[Symbol.for('troupe.seams')] ??= { at: undefined }) as Seams
