/** All checkers, by name. */
import type { Checker, Violation } from '../history.ts'
import { acknowledgedIsKept } from './acknowledged-is-kept.ts'
import { everyCallSettles } from './every-call-settles.ts'
import { linearizable } from './linearizable.ts'
import { nothingTwice } from './nothing-twice.ts'
import { oneCommitter } from './one-committer.ts'
import { oneOrder, readsAreFresh } from './one-order.ts'
import { onlyDurableIsSeen } from './only-durable-is-seen.ts'
import { plannedChangesFailNothing } from './planned-changes-fail-nothing.ts'
import { queuesKeepTheirBounds } from './queues-keep-their-bounds.ts'
import { remindersTakeEffectOnce } from './reminders-take-effect-once.ts'
import { bankTotalIsConstant, sendsArriveOnceInOrder } from './sends-arrive-once-in-order.ts'
import { tablesGoForward } from './tables-go-forward.ts'

/** What actors saw themselves. */
const ownEyes = (name: Violation['checker']): Checker => ({ violations }) => violations.filter(({ checker }) => checker === name).map(({ what }) => what)

export const checkers = {
  'nothing-breaks-down': ({ breakdowns }) => [...breakdowns],
  'acknowledged-is-kept': acknowledgedIsKept,
  'nothing-twice': nothingTwice,
  'one-order': oneOrder,
  'reads-are-fresh': readsAreFresh,
  'only-durable-is-seen': onlyDurableIsSeen,
  'sends-arrive-once-in-order': sendsArriveOnceInOrder,
  'bank-total-is-constant': bankTotalIsConstant,
  'reminders-take-effect-once': remindersTakeEffectOnce,
  'one-committer': oneCommitter,
  'linearizable': linearizable,
  'one-turn-at-a-time': ownEyes('one-turn-at-a-time'),
  'reminders-are-never-early': ownEyes('reminders-are-never-early'),
  'every-call-settles': everyCallSettles,
  'planned-changes-fail-nothing': plannedChangesFailNothing,
  'queues-keep-their-bounds': queuesKeepTheirBounds,
  'tables-go-forward': tablesGoForward,
} satisfies Readonly<Record<string, Checker>>

export type CheckerName = keyof typeof checkers

/** What must hold of a run whose store lost writes, of the calls that ended before those or began when all knew of it. */
export const afterLosses: readonly CheckerName[] = [
  'nothing-breaks-down', 'acknowledged-is-kept', 'one-turn-at-a-time', 'reminders-are-never-early', 'every-call-settles', 'queues-keep-their-bounds', 'tables-go-forward',
]
