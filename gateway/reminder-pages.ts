/**
 * Work on many reminders through the port of one page, one operation: all of an actor, and deleting those of a type.
 *
 * Deleting goes through the owner of each actor (`manage`), like any other change: what the store lists may be a moment
 * old, so a reminder set meanwhile stays, and one that is gone already is not counted.
 */
import type { ReminderInfo } from '../actors/actor-reminders.ts'
import type { Caller } from '../actors/authorize.ts'
import type { ActorKey } from '../core/ids.ts'
import type { Dispatcher, PageRequest } from '../runtime/dispatch/dispatcher.ts'

export interface WorkOptions {
  readonly signal?: AbortSignal | undefined
  readonly timeoutMs?: number | undefined
  /** Who asked for it. */
  readonly caller?: Caller | undefined
}

export interface Deleted {
  readonly deleted: number
  /** For the next page; undefined at the end. */
  readonly cursor: string | undefined
}

/** Each may carry 256 KiB of arguments, and a page of them lies in memory. */
export const PAGE = 200
/** Deletions in flight of one request. */
const AT_ONCE = 32

/** One page of an actor's reminders, in order of names. */
export async function listPage(
  dispatcher: Dispatcher, { type, id }: ActorKey, options: { prefix?: string; after?: string; limit?: number }, work: WorkOptions,
): Promise<readonly ReminderInfo[]> {
  const { value } = await dispatcher.manage({ type, id, operation: 'reminders.list', args: [options], ...work })
  return value as readonly ReminderInfo[]
}

/** All reminders of an actor, page by page. */
export async function* allReminders(
  dispatcher: Dispatcher, actor: ActorKey, options: { prefix?: string; after?: string }, work: WorkOptions,
): AsyncGenerator<readonly ReminderInfo[], void> {
  let { after } = options
  for (;;) {
    const page = await listPage(dispatcher, actor, { ...options, limit: PAGE, ...(after === undefined ? {} : { after }) }, work)
    if (page.length > 0) yield page
    if (page.length < PAGE) return
    after = page.at(-1)!.name
  }
}

/** Deletes the reminders of one page of a type, dead letters of the same names included. A failure may leave some of them deleted: the same page again does the rest. */
export async function deletePage(dispatcher: Dispatcher, type: string, page: PageRequest, work: WorkOptions): Promise<Deleted> {
  const { reminders, cursor } = await dispatcher.listReminders(type, page, work.caller)
  return { deleted: await deleteEach(dispatcher, reminders.map(({ id, name }) => ({ type, id, name })), work), cursor }
}

/** How many of `reminders` were there to delete. */
export async function deleteEach(
  dispatcher: Dispatcher, reminders: readonly (ActorKey & { name: string })[], work: WorkOptions,
): Promise<number> {
  let deleted = 0
  let next = 0
  const worker = async (): Promise<void> => {
    while (next < reminders.length) {
      const { type, id, name } = reminders[next++]!
      try {
        work.signal?.throwIfAborted()
        const { value } = await dispatcher.manage({ type, id, operation: 'reminders.delete', args: [name], ...work })
        if (value === true) deleted++
      } catch (error) {
        // The other workers end with what they are at.
        next = reminders.length
        throw error
      }
    }
  }
  await Promise.all(Array.from({ length: Math.min(AT_ONCE, reminders.length) }, worker))
  return deleted
}
