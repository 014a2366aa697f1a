/**
 * The port to a state store that Dapr has written, for reading it once: keys in pages, values of some of them. Nothing is ever written
 * there. What holds more than a page or a slice of values at once is no reader of this kind.
 *
 * Adapters: redis/dapr-rows.ts, postgres/dapr-rows.ts, sqlite/dapr-rows.ts; from a URL by open-dapr-rows.ts.
 */

export interface DaprRow {
  /** Byte for byte as an application would get it. */
  readonly value: Uint8Array
  /** Milliseconds until it expires; undefined: never. */
  readonly ttlMs: number | undefined
}

/** A row that is there and is none that can be read; the reason is the same for all rows that have it. */
export interface UnreadableRow {
  readonly unreadable: string
}

export interface DaprRows {
  /** The URL without secrets. */
  readonly name: string
  /** @throws STORE_OPEN_FAILED · BAD_OPTION when the table is none of Dapr's */
  open(): Promise<void>
  /** All keys, in no order; Redis may give one more than once. What has expired is left out where that costs nothing. @throws STORE_UNAVAILABLE */
  keys(): AsyncIterable<readonly string[]>
  /** One answer a key; undefined: it is not there, or has expired. Ask for few at a time: values can be large. @throws STORE_UNAVAILABLE */
  read(keys: readonly string[]): Promise<(DaprRow | UnreadableRow | undefined)[]>
  close(): Promise<void>
}

export const isUnreadable = (row: DaprRow | UnreadableRow): row is UnreadableRow => 'unreadable' in row
