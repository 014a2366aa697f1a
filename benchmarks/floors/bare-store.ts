/**
 * The floors under durable state: each store's own client, asked for the least that makes a value of the same size as
 * durable as the product makes it. No fence, no version, no encoding.
 */
import type { Clocked } from '../harness/cpu.ts'

export interface BareStore {
  /** Processes that work for the store, by name; the product's calls make the same ones work. */
  readonly servers: Readonly<Record<string, Clocked>>
  /** Writes the value under `key`; settles when it is as durable as this store makes things. */
  put(key: string): Promise<unknown>
  /** The value under `key`: at once where the client can, as a promise where it cannot. */
  get(key: string): unknown
}
