/** All checkers, by name. */
import type { Checker } from '../history.ts'
import { acknowledgedIsKept } from './acknowledged-is-kept.ts'
import { everyCallSettles } from './every-call-settles.ts'
import { nothingTwice } from './nothing-twice.ts'
import { oneCommitter } from './one-committer.ts'
import { oneOrder, readsAreFresh } from './one-order.ts'
import { onlyDurableIsSeen } from './only-durable-is-seen.ts'
import { remindersTakeEffectOnce } from './reminders-take-effect-once.ts'
import { bankTotalIsConstant, sendsArriveOnceInOrder } from './sends-arrive-once-in-order.ts'

export const checkers: Readonly<Record<string, Checker>> = {
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
  'every-call-settles': everyCallSettles,
}
