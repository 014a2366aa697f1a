/** `this.ctx` of one activation: made when it is first asked for, so that actors that never use it pay nothing. */
import type { ActorContext, ActorStorage, StorageListOptions } from '../../actors/actor-context.ts'
import type { ActorClass } from '../../actors/actor-type.ts'
import { turnScope, type Invocation } from '../../actors/invocation.ts'
import { decode, encode } from '../../core/codec.ts'
import { TroupeError } from '../../core/errors.ts'
import { nameProblem } from '../../core/ids.ts'
import type { Logger } from '../../core/logger.ts'
import type { Activation } from './activation.ts'

const PREFIX = 's:'
const MAX_KEY_BYTES = 256
const MAX_LIST = 1000

/** The store's entry of a storage key. */
export const storageEntry = (key: string): string => PREFIX + key

export class ActivationContext implements ActorContext {
  readonly id: string
  readonly type: string
  readonly storage: ActorStorage
  readonly #activation: Activation
  #log: Logger | undefined

  constructor(activation: Activation) {
    this.#activation = activation
    this.id = activation.id
    this.type = activation.type.name
    this.storage = new ActivationStorage(activation)
  }

  get log(): Logger {
    return (this.#log ??= this.#activation.services.log.child({ actor: this.#activation.name }))
  }

  get signal(): AbortSignal {
    return presentTurn(this.#activation, 'ctx.signal').signal
  }

  actor(target: ActorClass | string, id: string): never {
    const { refs } = this.#activation.services
    return (typeof target === 'string' ? refs.byName(target, id) : refs.actor(target, id)) as never
  }
}

function presentTurn(activation: Activation, what: string): Invocation {
  const turn = turnScope.getStore()
  if (turn !== undefined && turn.turnPhase === 'running' && turn.id === activation.id && turn.typeName === activation.type.name && activation.phase !== 'ended') return turn
  throw new TroupeError('OUTSIDE_TURN', `${activation.name}: ${what} was used outside a turn; await everything before the method returns`)
}

class ActivationStorage implements ActorStorage {
  readonly #activation: Activation

  constructor(activation: Activation) {
    this.#activation = activation
  }

  async get<T>(key: string): Promise<T | undefined> {
    checkKey(key)
    presentTurn(this.#activation, 'ctx.storage.get')
    const changed = this.#activation.storage.find(key)
    if (changed !== undefined) return changed === null ? undefined : decode(changed, key, 'STATE_UNREADABLE') as T
    const { services } = this.#activation
    const [bytes] = await services.store.loadEntries(this.#address(), [storageEntry(key)])
    return bytes === undefined ? undefined : decode(bytes, key, 'STATE_UNREADABLE') as T
  }

  async put(key: string, value: unknown): Promise<void> {
    checkKey(key)
    this.#writable('ctx.storage.put')
    const bytes = encode(value, `storage key ${JSON.stringify(key)}`, 'STATE_NOT_STORABLE')
    const { maxPayloadBytes } = this.#activation.services
    if (bytes.length > maxPayloadBytes) {
      throw new TroupeError('STATE_NOT_STORABLE', `storage key ${JSON.stringify(key)} takes ${bytes.length} bytes, ${maxPayloadBytes} may be stored; split it`)
    }
    this.#activation.storage.write(key, bytes)
  }

  async delete(key: string): Promise<void> {
    checkKey(key)
    this.#writable('ctx.storage.delete')
    this.#activation.storage.write(key, null)
  }

  async list<T>(options: StorageListOptions = {}): Promise<Map<string, T>> {
    const { prefix = '', after, limit = MAX_LIST } = options
    if (!Number.isInteger(limit) || limit < 1 || limit > MAX_LIST) {
      throw new TroupeError('BAD_OPTION', `ctx.storage.list: limit must be 1 to ${MAX_LIST}, not ${String(limit)}`)
    }
    presentTurn(this.#activation, 'ctx.storage.list')
    const changed = this.#activation.storage.changed(prefix)
    const found: (readonly [string, Uint8Array])[] = [...changed].filter((e): e is [string, Uint8Array] => e[1] !== null)
    let cursor = after === undefined ? undefined : storageEntry(after)
    let stored = 0
    let complete = false
    // Deleted keys of this turn may thin out a page: ask on until the limit is reached or nothing follows.
    for (let more = true; more && stored < limit;) {
      const page = await this.#activation.services.store.listEntries(this.#address(), storageEntry(prefix), cursor, limit)
      for (const [name, value] of page.entries) {
        const key = name.slice(PREFIX.length)
        if (changed.has(key)) continue
        found.push([key, value])
        stored++
      }
      cursor = page.entries.at(-1)?.[0]
      more = page.more && cursor !== undefined
      complete = !more
    }
    const last = complete || cursor === undefined ? undefined : cursor.slice(PREFIX.length)
    return new Map(found
      .filter(([key]) => (after === undefined || compareUtf8(key, after) > 0) && (last === undefined || compareUtf8(key, last) <= 0))
      .sort((a, b) => compareUtf8(a[0], b[0])).slice(0, limit)
      .map(([key, value]) => [key, decode(value, key, 'STATE_UNREADABLE') as T]))
  }

  #address(): { type: string; shard: number; id: string } {
    return { type: this.#activation.type.name, shard: this.#activation.shard, id: this.#activation.id }
  }

  #writable(what: string): void {
    const turn = presentTurn(this.#activation, what)
    if (turn.method === undefined || turn.method.readonly) {
      throw new TroupeError('READONLY_VIOLATION', `${this.#activation.name}.${turn.methodName} is declared readonly and may not use ${what}`)
    }
  }
}

const compareUtf8 = (a: string, b: string): number => Buffer.compare(Buffer.from(a), Buffer.from(b))

function checkKey(key: unknown): void {
  if (typeof key === 'string' && key.length > 0 && Buffer.byteLength(key) <= MAX_KEY_BYTES && key.isWellFormed()) return
  throw new TroupeError('BAD_REQUEST', `storage keys are strings of 1 to ${MAX_KEY_BYTES} bytes`, { data: { problem: nameProblem(key, MAX_KEY_BYTES) } })
}
