/** Turns that remove what has expired: storage keys with a time to live, stored replies and inbox rows that nobody will ask for. */
import { decode, encode } from '../../core/codec.ts'
import type { Activation } from '../activation/activation.ts'
import { listEntries, readEntry } from '../activation/entry-pages.ts'
import { INBOX_PREFIX, KEEP_INBOX_MS, REPLY_PREFIX, SWEEP_ENTRY, type StoredReply } from '../activation/once-entries.ts'
import { expiryOf } from '../activation/stored-value.ts'

const PAGE = 1000
const PAGES_A_TURN = 5
/** Between two sweeps of an actor, as a share of what is kept longest. */
const SWEEPS_A_LIFE = 8

/** Removes a storage key whose time is over; one that was put again stays. @returns when it is over, if it is not yet */
export async function expireKey(activation: Activation, entry: string): Promise<number | undefined> {
  const bytes = await readEntry(activation, entry)
  const at = bytes && expiryOf(bytes)
  if (at === undefined) return undefined
  if (at > activation.services.wallMs()) return Math.ceil(at)
  activation.entries.write([entry, null, null])
  return undefined
}

/** Where a sweep is: an actor may have more rows than one turn should read. */
interface Progress {
  /** The last entry that was looked at. */
  readonly after: string
  /** When the first of those looked at that stay is over. */
  readonly next: number
}

/** Removes some of the old rows; comes again soon when there are more, or when the next one is old. */
export async function sweep(activation: Activation, stored: Uint8Array): Promise<void> {
  const now = activation.services.wallMs()
  const { after, next: nextSoFar } = stored.length === 0 ? { after: '', next: Infinity } : decode(stored, 'sweep', 'STATE_UNREADABLE') as Progress
  let next = nextSoFar
  let last = after
  let pages = 0
  for (const prefix of [INBOX_PREFIX, REPLY_PREFIX].filter(each => each >= after.slice(0, 2))) {
    for (let full = true; full && pages < PAGES_A_TURN; pages++) {
      const page = await listEntries(activation, { prefix, after: last.startsWith(prefix) ? last : undefined, limit: PAGE })
      for (const [name, value] of page) {
        const over = endOf(activation, prefix, value)
        if (over <= now) activation.entries.write([name, null])
        else next = Math.min(next, over)
        last = name
      }
      full = page.length === PAGE
      if (!full && prefix === REPLY_PREFIX) return sweepAgain(activation, next, now)
    }
    if (pages >= PAGES_A_TURN) break
  }
  activation.entries.write([SWEEP_ENTRY, encode({ after: last, next } satisfies Progress, 'sweep'), Math.ceil(now)])
}

function sweepAgain(activation: Activation, next: number, now: number): void {
  const pause = Math.max(1_000, activation.type.keepRepliesMs / SWEEPS_A_LIFE)
  const sweepAt = next === Infinity ? 0 : Math.ceil(Math.max(next, now + pause))
  activation.entries.write(sweepAt === 0 ? [SWEEP_ENTRY, null, null] : [SWEEP_ENTRY, new Uint8Array(0), sweepAt])
  activation.entries.retally({ sweepAt })
}

/** When a row is of no use any more. */
function endOf(activation: Activation, prefix: string, value: Uint8Array): number {
  if (prefix === INBOX_PREFIX) return (decode(value, 'inbox', 'STATE_UNREADABLE') as [number, number])[1] + KEEP_INBOX_MS
  return (decode(value, 'reply', 'STATE_UNREADABLE') as unknown as StoredReply)[1] + activation.type.keepRepliesMs
}
