/**
 * The mechanisms that promises hang on, each of which a test may switch off to see that something notices.
 *
 * Nothing is off in production: a mechanism that can be switched off costs one comparison. A checker that stays green with its
 * mechanism off proves nothing; `npm run sim -- --mutants` looks for such. What each one is for is said where it is asked for,
 * and in the list of mutants (test/simulation/mutants.ts).
 */

export type Mechanism =
  // One committer (P4)
  | 'fence' | 'version' | 'claim-before-load' | 'doubt' | 'commit-result' | 'new-epoch' | 'lease' | 'revocation'
  // Turns and transactions (P1, P2)
  | 'turn-gate' | 'rollback'
  // Output gate (P3)
  | 'answers-wait' | 'calls-wait'
  // Calls and sends take effect once (P6)
  | 'resend-proof' | 'stored-replies' | 'send-once' | 'send-order' | 'outbox-order'
  // Reminders (P5)
  | 'never-early' | 'reminder-advance' | 'reminder-current' | 'read-again'
  // Calls are answered, and queues are bounded (P7, P9)
  | 'call-deadline' | 'peer-loss' | 'parked-go-on' | 'drain' | 'release-wait' | 'mailbox-bound' | 'parked-bound'
  // Placement
  | 'table-term' | 'table-order'

export interface Mechanisms {
  /** Those that are off; undefined: all are on. */
  off: ReadonlySet<Mechanism> | undefined
}

export const mechanisms = ((globalThis as Record<symbol, unknown>)[Symbol.for('troupe.mechanisms')] ??= { off: undefined }) as Mechanisms
