/** `ctx.storage`: keys of the actor, in the buffer of changes or in the store. Expired keys are gone for readers at once. */
import type { ActorStorage, StorageListOptions, StoragePutOptions } from '../../actors/actor-context.ts'
import { durationMs } from '../../core/duration.ts'
import { TroupeError } from '../../core/errors.ts'
import { checkKnown } from '../../core/known-options.ts'
import { checkKey } from '../../core/ids.ts'
import type { EntryChange } from '../../stores/actor-store.ts'
import type { Activation } from './activation.ts'
import { listEntries, readEntry } from './entry-pages.ts'
import { presentTurn, writableTurn } from './present-turn.ts'
import { decodeStored, encodeStored, expiryOf } from './stored-value.ts'

/** `gone`: the key is deleted. */
export interface StorageChange {
  readonly key: string
  readonly value: unknown
  readonly ttl?: number | string | undefined
  readonly gone?: boolean
}

const PREFIX = 's:'
const MAX_LIST = 1000

/** The store's entry of a storage key. */
export const storageEntry = (key: string): string => PREFIX + key
/** True for the entry of a storage key. */
export const isStorageEntry = (name: string): boolean => name.startsWith(PREFIX)

export class ActivationStorage implements ActorStorage {
  readonly #activation: Activation

  constructor(activation: Activation) {
    this.#activation = activation
  }

  async get<T>(key: string): Promise<T | undefined> {
    checkKey(key)
    presentTurn(this.#activation, 'ctx.storage.get')
    const bytes = await readEntry(this.#activation, storageEntry(key), this.#activation.entries.tally.expiring ? undefined : false)
    return bytes === undefined || this.#expired(bytes) ? undefined : decodeStored(bytes, key) as T
  }

  async put(key: string, value: unknown, options: StoragePutOptions = {}): Promise<void> {
    checkKnown('options of ctx.storage.put', options, ['ttl'])
    this.change([{ key, value, ttl: options.ttl }])
  }

  async delete(key: string): Promise<void> {
    this.change([{ key, value: undefined, ttl: undefined, gone: true }])
  }

  /** All of them at once, or none. @throws as `put` */
  change(changes: readonly StorageChange[]): void {
    const { entries } = this.#activation
    for (const change of changes.map(each => this.#read(each))) {
      const [, , due] = change
      if (typeof due === 'number' && !entries.tally.expiring) entries.retally({ expiring: true })
      // A key without an end. Only an actor that ever gave one an end can have one to take away.
      entries.write(due === undefined && entries.tally.expiring ? [change[0], change[1], null] : change)
    }
  }

  #read({ key, value, ttl, gone = false }: StorageChange): EntryChange {
    checkKey(key)
    const activation = this.#activation
    writableTurn(activation, gone ? 'ctx.storage.delete' : 'ctx.storage.put')
    if (gone) return [storageEntry(key), null]
    const expiresAt = ttl === undefined ? undefined : activation.services.wallMs() + ttlMs(ttl)
    const what = `storage key ${JSON.stringify(key)}`
    const bytes = encodeStored(value, what, expiresAt)
    const { maxPayloadBytes } = activation.services
    if (bytes.length > maxPayloadBytes) {
      throw new TroupeError('STATE_NOT_STORABLE', `${what} takes ${bytes.length} bytes, ${maxPayloadBytes} may be stored; split it`)
    }
    return expiresAt === undefined ? [storageEntry(key), bytes] : [storageEntry(key), bytes, Math.ceil(expiresAt)]
  }

  async list<T>(options: StorageListOptions = {}): Promise<Map<string, T>> {
    checkKnown('options of ctx.storage.list', options, ['prefix', 'after', 'limit'])
    const { prefix = '', after, limit = MAX_LIST } = options
    if (!Number.isInteger(limit) || limit < 1 || limit > MAX_LIST) {
      throw new TroupeError('BAD_OPTION', `ctx.storage.list: limit must be 1 to ${MAX_LIST}, not ${String(limit)}`)
    }
    presentTurn(this.#activation, 'ctx.storage.list')
    const found = await listEntries(this.#activation, {
      prefix: storageEntry(prefix), after: after === undefined ? undefined : storageEntry(after), limit, keep: ([, value]) => !this.#expired(value),
    })
    return new Map(found.map(([name, value]) => {
      const key = name.slice(PREFIX.length)
      return [key, decodeStored(value, key) as T]
    }))
  }

  #expired(bytes: Uint8Array): boolean {
    const at = expiryOf(bytes)
    return at !== undefined && at <= this.#activation.services.wallMs()
  }
}

function ttlMs(ttl: number | string): number {
  const ms = durationMs(ttl, 'ttl')
  if (ms >= 1 && ms <= MAX_TTL_MS) return ms
  throw new TroupeError('BAD_OPTION', `ttl: ${JSON.stringify(ttl)} must be at least 1 ms and at most a hundred years`)
}

const MAX_TTL_MS = 100 * 366 * 24 * 60 * 60_000
