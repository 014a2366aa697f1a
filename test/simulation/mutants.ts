/**
 * Mutants: runs with a mechanism switched off, which a checker must notice. A checker that cannot fail proves nothing.
 *
 * Not here: 'table-order'. An older table can come only from a leader of an older term, whose tables are refused by their term; what
 * slips through both is put right by the next table, and the fence refuses what is done meanwhile.
 *
 * Some mechanisms are second lines of defence behind others, and cannot be seen to be off while those hold (`behind`). Rare chains
 * of events are provoked by faults of the kinds that make them.
 */
import type { Mechanism } from '../../core/mechanisms.ts'
import type { CheckerName } from './checkers/checkers.ts'
import type { RunOptions } from './run-seed.ts'

export interface Mutant {
  readonly off: readonly Mechanism[]
  /** Defences in front of it, which are off as well: with only them off, the same seed must be clean. */
  readonly behind?: readonly Mechanism[]
  /** What does not hold with it off. */
  readonly says: string
  /** Who must notice. */
  readonly by: CheckerName
  /** Of its runs; by default as of any seed. */
  readonly options?: Omit<RunOptions, 'off'>
}

export const mutants: readonly Mutant[] = [
  // P1 turns
  { off: ['turn-gate'], says: 'exclusive turns wait for each other', by: 'one-turn-at-a-time' },
  // P2 transactions
  { off: ['rollback'], says: 'a turn that throws leaves no trace', by: 'bank-total-is-constant' },
  // P3 output gate
  { off: ['answers-wait'], says: 'answers leave when what they saw is durable', by: 'acknowledged-is-kept', options: { kinds: ['kill', 'kill-at', 'slow-store'] } },
  { off: ['calls-wait'], says: 'calls of turns leave when what they saw is durable', by: 'only-durable-is-seen', options: { kinds: ['kill', 'kill-at', 'slow-store'] } },
  // P4 one committer
  { off: ['fence'], says: 'the store refuses commits of older epochs', by: 'one-committer', options: { kinds: ['freeze', 'cut-off', 'slow-store', 'kill'] } },
  { off: ['version'], says: 'the store refuses a write that is not the next of its actor', by: 'acknowledged-is-kept', options: { kinds: ['repeating-store'] } },
  { off: ['claim-before-load'], behind: ['lease'], says: 'a shard is claimed before anything is loaded from it', by: 'reads-are-fresh', options: { kinds: ['slow-store', 'freeze', 'cut-off'] } },
  { off: ['doubt'], says: 'after an unknown commit the shard is claimed anew', by: 'nothing-twice', options: { kinds: ['lossy-store', 'slow-store'] } },
  { off: ['commit-result'], says: 'a commit that was refused is one', by: 'one-order' },
  { off: ['new-epoch'], says: 'a host that comes back has new epochs', by: 'nothing-breaks-down', options: { kinds: ['kill'] } },
  { off: ['lease'], says: 'a host whose lease has run out starts no turns', by: 'reads-are-fresh', options: { kinds: ['freeze', 'cut-off'] } },
  { off: ['revocation'], says: 'shards are given to others when the lease of their owner is revoked', by: 'linearizable', options: { kinds: ['freeze', 'slow-store', 'stalled-store'] } },
  { off: ['table-term'], says: 'tables of leaders that were replaced are refused', by: 'tables-go-forward', options: { kinds: ['cut', 'cut-off', 'kill', 'stop', 'slow-store'], everyMs: 250 } },
  // P5 reminders
  { off: ['never-early'], says: 'a reminder waits for its time', by: 'reminders-are-never-early' },
  { off: ['reminder-advance'], says: 'the advance of a reminder is in the commit of its turn', by: 'nothing-twice', options: { kinds: ['kill-at', 'kill'] } },
  { off: ['reminder-current'], says: 'a reminder asks whether it is still due when it runs', by: 'reminders-take-effect-once' },
  { off: ['read-again'], says: 'a shard whose rows are in doubt is read again', by: 'reminders-take-effect-once', options: { kinds: ['slow-store'] } },
  // P6 calls and sends
  { off: ['resend-proof'], says: 'a call is sent again only with proof that it did not run', by: 'nothing-twice', options: { kinds: ['reset', 'kill', 'cut-off'] } },
  { off: ['stored-replies'], says: 'the repeat of a call with a key gets the stored reply', by: 'nothing-twice' },
  { off: ['send-once'], says: 'a send that was applied is not applied again', by: 'nothing-twice' },
  { off: ['send-order'], says: 'a send whose predecessor is missing is not applied', by: 'sends-arrive-once-in-order', options: { kinds: ['stalled-store', 'lossy-store', 'slow-store'] } },
  { off: ['outbox-order'], says: 'sends wait until those before them are read', by: 'sends-arrive-once-in-order' },
  // P7 bounds
  { off: ['mailbox-bound'], says: 'a mailbox that is full takes no more', by: 'queues-keep-their-bounds' },
  { off: ['parked-bound'], says: 'no more calls wait for shards and places than may', by: 'queues-keep-their-bounds' },
  { off: ['call-deadline'], says: 'a call ends with its deadline', by: 'every-call-settles' },
  { off: ['peer-loss'], behind: ['call-deadline'], says: 'a call ends when the link breaks that it went over', by: 'every-call-settles', options: { kinds: ['reset'] } },
  // P9 availability
  { off: ['release-wait'], says: 'a shard that moves is served when its former owner released it', by: 'planned-changes-fail-nothing', options: { kinds: ['restart'] } },
  { off: ['drain'], says: 'turns of a shard that moves may end', by: 'planned-changes-fail-nothing', options: { kinds: ['restart'] } },
  { off: ['parked-go-on'], says: 'calls that wait for a shard go on when it comes', by: 'planned-changes-fail-nothing', options: { kinds: ['restart'] } },
]

export const nameOf = ({ off }: Mutant): string => off.join('+')
