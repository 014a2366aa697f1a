/**
 * The cluster's rows as etcd keys, and the pieces of a transaction on them.
 *
 *     troupe/NAMESPACE/leader            JSON of who leads, under a lease: gone when it ends
 *     troupe/NAMESPACE/lease/ID          a host's lease, until it is revoked or ended
 *     troupe/NAMESPACE/live/ID           its time in ms, under an etcd lease: gone when it is over
 *     troupe/NAMESPACE/term              the newest term that ever led; has no lease
 *     troupe/NAMESPACE/saved             JSON that says which table is the saved one
 *     troupe/NAMESPACE/table/STAMP/PART  its bytes, in parts below etcd's largest request (1.5 MiB by default)
 *
 * Namespace and ids are percent-encoded: no slash is left, so no two namespaces share a key.
 */
import type { LeaderRow, SavedTable } from '../cluster-store.ts'
import { EtcdFailure, type Calls, type Compare, type KeyValue, type Operation } from './rpc.ts'

export const PART_BYTES = 1024 * 1024

export class EtcdKeys {
  readonly leader: Buffer
  readonly term: Buffer
  readonly saved: Buffer
  readonly #tables: string
  readonly #leases: string
  readonly #live: string

  constructor(namespace: string) {
    const prefix = `troupe/${encodeURIComponent(namespace)}/`
    this.leader = Buffer.from(`${prefix}leader`)
    this.term = Buffer.from(`${prefix}term`)
    this.saved = Buffer.from(`${prefix}saved`)
    this.#tables = `${prefix}table`
    this.#leases = `${prefix}lease/`
    this.#live = `${prefix}live/`
  }

  lease(id: string): Buffer {
    return Buffer.from(this.#leases + encodeURIComponent(id))
  }

  live(id: string): Buffer {
    return Buffer.from(this.#live + encodeURIComponent(id))
  }

  /** All leases, and all that are not over. */
  get leases(): Range {
    return under(this.#leases)
  }
  get allLive(): Range {
    return under(this.#live)
  }

  /** Of the row of a lease, over or not. */
  idIn({ key }: KeyValue): string {
    const text = key.toString()
    return decodeURIComponent(text.slice(text.lastIndexOf('/') + 1))
  }

  part(stamp: string, index: number): Buffer {
    return Buffer.from(`${this.#tables}/${stamp}/${String(index).padStart(6, '0')}`)
  }

  partsOf(stamp: string): Range {
    return under(`${this.#tables}/${stamp}/`)
  }

  /** All parts but those of `stamp`. */
  partsBeside(stamp: string): [Range, Range] {
    const { key, range_end } = this.partsOf(stamp)
    return [{ key: Buffer.from(`${this.#tables}/`), range_end: key }, { key: range_end, range_end: Buffer.from(`${this.#tables}0`) }]
  }
}

/** What begins with `folder`, which ends in a slash; '0' is the byte after it. */
const under = (folder: string): Range => ({ key: Buffer.from(folder), range_end: Buffer.from(`${folder.slice(0, -1)}0`) })

/** From `key` up to `range_end`, which is not in it. */
export interface Range {
  readonly key: Buffer
  readonly range_end: Buffer
}

export const get = (key: Buffer): Operation => ({ request_range: { key } })
export const list = (range: Range): Operation => ({ request_range: range })
export const put = (key: Buffer, value: Uint8Array | string, lease?: string): Operation =>
  ({ request_put: { key, value: typeof value === 'string' ? Buffer.from(value) : value, ...(lease === undefined ? {} : { lease }) } })
export const remove = (range: Range): Operation => ({ request_delete_range: range })
export const removeOne = (key: Buffer): Operation => ({ request_delete_range: { key } })

/** The condition that the row is as it was read; undefined: that it is still absent. */
export const unchanged = (key: Buffer, row: { readonly revision: string } | undefined): Compare =>
  ({ result: 'EQUAL', target: 'MOD', key, mod_revision: row?.revision ?? '0' })

/** What the `index`-th operation of a transaction, a read, found. */
export const found = (reply: Calls['KV/Txn']['reply'], index: number): readonly KeyValue[] => reply.responses[index]?.response_range?.kvs ?? []

export interface StoredLeader extends LeaderRow {
  readonly lease: string
  readonly revision: string
}

export interface StoredTerm {
  readonly term: number
  readonly revision: string
}

/** Which table is saved; `stamp` is of this one save. */
export interface Saved extends Pick<SavedTable, 'term' | 'version'> {
  readonly stamp: string
  readonly parts: number
}

export type StoredSaved = Saved & { readonly revision: string }

export function readLeader([row]: readonly KeyValue[]): StoredLeader | undefined {
  return row && { ...read<LeaderRow>(row), lease: row.lease, revision: row.mod_revision }
}

export function readTerm([row]: readonly KeyValue[]): StoredTerm | undefined {
  return row && { term: read<number>(row), revision: row.mod_revision }
}

export function readSaved([row]: readonly KeyValue[]): StoredSaved | undefined {
  return row && { ...read<Saved>(row), revision: row.mod_revision }
}

function read<T>(row: KeyValue): T {
  try {
    return JSON.parse(row.value.toString()) as T
  } catch {
    throw new EtcdFailure('lasting', `the row ${row.key.toString()} holds something that Troupe did not write`)
  }
}

export const rowOf = ({ nonce, address, term }: LeaderRow): LeaderRow => ({ nonce, address, term })

/** The least that etcd can count which is no shorter. */
export const wholeSeconds = (ms: number): number => Math.max(1, Math.ceil(ms / 1_000))

/** At least one part. */
export function partsOf(bytes: Uint8Array): Uint8Array[] {
  const parts = [bytes.subarray(0, PART_BYTES)]
  for (let at = PART_BYTES; at < bytes.length; at += PART_BYTES) parts.push(bytes.subarray(at, at + PART_BYTES))
  return parts
}
