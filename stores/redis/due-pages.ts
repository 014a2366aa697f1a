/** Questions for due entries, and their answers, in the form of `dueScript`. A row's member is its id, 0, its name. */
import type { DuePage, DueQuery, DueRow } from '../actor-store.ts'
import type { RedisArgument } from './connection.ts'

/** A query as `dueScript` (scripts.ts) takes it. */
export const dueArguments = ({ after, until, limit }: DueQuery): RedisArgument[] =>
  [after === undefined ? '' : String(after.due), after === undefined ? '' : `${after.id}\0${after.name}`, String(until), String(limit)]

/** A page as `dueScript` gives it. */
export function duePage([next, ...found]: Buffer[]): DuePage {
  const rows: DueRow[] = []
  for (let at = 0; at < found.length; at += 3) {
    const member = found[at]!
    const idEnd = member.indexOf(0)
    rows.push({
      due: Number(found[at + 1]), id: member.toString('utf8', 0, idEnd), name: member.toString('utf8', idEnd + 1), value: found[at + 2]!,
    })
  }
  return { rows, next: next!.length === 0 ? undefined : Number(next) }
}
