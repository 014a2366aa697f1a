/**
 * Reminders and undelivered sends of a whole type, in pages, read from the store by any host: what is committed, shard by
 * shard in the order of due times.
 */
import { decode, encode } from '../../core/codec.ts'
import { TroupeError } from '../../core/errors.ts'
import { decodeReminder, originalName, reminderEntry, showReminder } from '../../reminders/reminder.ts'
import { NEVER_DUE, type ActorStore, type DuePlace, type DueRow } from '../../stores/actor-store.ts'
import { showSend } from '../activation/activation-sends.ts'
import { decodeSend, SEND_PREFIX } from '../delivery/send-row.ts'
import type { PageRequest, ReminderPage, SendPage } from './dispatcher.ts'

/** Where the next page begins: a shard and a place in it. */
interface Cursor {
  readonly shard: number
  readonly after: DuePlace | undefined
}

/** Shards asked in one call of the store: few at first, as one may fill the page; more while they give little. */
const FIRST_SHARDS = 4
const MOST_SHARDS = 256
/** Rows asked of one shard at a time. */
const ROWS_A_SHARD = 100
/** A page ends early when its rows take so much. */
const PAGE_BYTES = 4 * 1024 * 1024
const JUST_BEFORE_DEAD: DuePlace = { due: NEVER_DUE - 1, id: '\uffff', name: '\uffff' }

export class DueLists {
  readonly #store: ActorStore
  readonly #shards: number

  constructor(store: ActorStore, shardBits: number) {
    this.#store = store
    this.#shards = 2 ** shardBits
  }

  async reminders(type: string, page: PageRequest): Promise<ReminderPage> {
    const prefix = reminderEntry('')
    const { rows, cursor } = await this.#page(type, prefix, page)
    return {
      reminders: rows.map(row => ({ id: row.id, ...showReminder(originalName(row.name.slice(prefix.length)), decodeReminder(row.value, `${type}/${row.id}`), row.due) })),
      cursor,
    }
  }

  async sends(type: string, page: PageRequest): Promise<SendPage> {
    const { rows, cursor } = await this.#page(type, SEND_PREFIX, page)
    return { sends: rows.map(row => ({ from: row.id, ...showSend(decodeSend(row.name, row.value, `${type}/${row.id}`)) })), cursor }
  }

  async #page(type: string, prefix: string, { dead = false, cursor, limit = 100 }: PageRequest): Promise<{ rows: DueRow[]; cursor: string | undefined }> {
    if (!Number.isInteger(limit) || limit < 1 || limit > 1000) throw new TroupeError('BAD_REQUEST', `limit must be 1 to 1000, not ${String(limit)}`)
    let { shard, after } = cursor === undefined ? { shard: 0, after: undefined } : readCursor(cursor)
    const rows: DueRow[] = []
    let bytes = 0
    let breadth = FIRST_SHARDS
    while (shard < this.#shards) {
      const asked = Math.min(breadth, this.#shards - shard)
      const pages = await this.#store.due(Array.from({ length: asked }, (_, i) =>
        ({ type, shard: shard + i, after: (i === 0 ? after : undefined) ?? (dead ? JUST_BEFORE_DEAD : undefined), until: NEVER_DUE, limit: Math.min(limit, ROWS_A_SHARD) })))
      breadth = Math.min(MOST_SHARDS, breadth * 4)
      for (const page of pages) {
        for (const row of page.rows) {
          if (rows.length === limit || bytes > PAGE_BYTES) return { rows, cursor: writeCursor({ shard, after }) }
          if (row.name.startsWith(prefix)) {
            rows.push(row)
            bytes += row.value.length
          }
          after = { due: row.due, id: row.id, name: row.name }
        }
        // A full page: this shard has more.
        if (page.rows.length === Math.min(limit, ROWS_A_SHARD) && page.next !== undefined) break
        shard++
        after = undefined
      }
    }
    return { rows, cursor: undefined }
  }
}

const writeCursor = ({ shard, after }: Cursor): string => Buffer.from(encode([shard, after?.due ?? null, after?.id ?? null, after?.name ?? null], 'cursor')).toString('base64url')

function readCursor(text: string): Cursor {
  try {
    const [shard, due, id, name] = decode(Buffer.from(text, 'base64url'), 'cursor') as unknown[]
    if (Number.isSafeInteger(shard) && Number(shard) >= 0) {
      if (due === null) return { shard: Number(shard), after: undefined }
      if (typeof due === 'number' && typeof id === 'string' && typeof name === 'string') return { shard: Number(shard), after: { due, id, name } }
    }
  } catch {
    // Told below.
  }
  throw new TroupeError('BAD_REQUEST', 'this is no cursor of an earlier page; pass on what the page gave, or none for the first one')
}
