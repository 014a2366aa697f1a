/** Lists of an actor's entries as its running turn sees them: what the store holds, with what is not stored yet laid over it. */
import type { Activation } from './activation.ts'

export type Entry = readonly [name: string, value: Uint8Array]

export interface EntryQuery {
  readonly prefix: string
  /** Whole name of an entry: only those after it. */
  readonly after: string | undefined
  readonly limit: number
  /** Leaves out what it is false for. */
  readonly keep?: (entry: Entry) => boolean
}

/** Sorted by name, in order of UTF-8. @throws STORE_UNAVAILABLE */
export async function listEntries(activation: Activation, { prefix, after, limit, keep = () => true }: EntryQuery): Promise<Entry[]> {
  const changed = activation.entries.changed(prefix)
  const found: Entry[] = []
  for (const [name, value] of changed.values()) if (value !== null && keep([name, value])) found.push([name, value])
  const address = activation.address
  const { store } = activation.services
  let cursor = after
  let stored = 0
  let complete = activation.unstored
  // Entries that this turn deleted, or that are left out, thin out a page: ask on until the limit is reached or nothing follows.
  while (!complete && stored < limit) {
    const page = await store.listEntries(address, prefix, cursor, limit)
    for (const entry of page.entries) {
      if (changed.has(entry[0]) || !keep(entry)) continue
      found.push(entry)
      stored++
    }
    cursor = page.entries.at(-1)?.[0]
    complete = !page.more || cursor === undefined
  }
  const last = complete ? undefined : cursor
  return found
    .filter(([name]) => (after === undefined || compareUtf8(name, after) > 0) && (last === undefined || compareUtf8(name, last) <= 0))
    .sort((a, b) => compareUtf8(a[0], b[0])).slice(0, limit)
}

/** One entry as the running turn sees it; `dated` as in EntryRead. @throws STORE_UNAVAILABLE */
export async function readEntry(activation: Activation, name: string, dated?: boolean): Promise<Uint8Array | undefined> {
  const changed = activation.entries.find(name)
  if (changed !== undefined) return changed[1] ?? undefined
  if (activation.unstored) return undefined
  const [bytes] = await activation.services.loads.entries({ actor: activation.address, names: [name], dated })
  // Another branch of this turn may have changed it meanwhile.
  const since = activation.entries.find(name)
  return since === undefined ? bytes : since[1] ?? undefined
}

const compareUtf8 = (a: string, b: string): number => Buffer.compare(Buffer.from(a), Buffer.from(b))
