/**
 * Storage keys that an activation changed and the store does not hold yet, in three layers: of the running turn, of
 * completed turns that wait for a flush, of the flush in flight. A read sees the newest; a rollback drops the first. Pure.
 */

type Layer = Map<string, Uint8Array | null>

export class StorageBuffer {
  #turn: Layer | undefined
  #queued: Layer | undefined
  #inFlight: Layer | undefined

  /** Bytes, null for a deleted key, undefined when the store knows best. */
  find(key: string): Uint8Array | null | undefined {
    for (const layer of [this.#turn, this.#queued, this.#inFlight]) {
      const value = layer?.get(key)
      if (value !== undefined) return value
    }
    return undefined
  }

  write(key: string, value: Uint8Array | null): void {
    (this.#turn ??= new Map()).set(key, value)
  }

  /** Keys with a prefix that any layer changed, with the newest value. */
  changed(prefix: string): Layer {
    const all: Layer = new Map()
    for (const layer of [this.#inFlight, this.#queued, this.#turn]) {
      if (layer !== undefined) for (const [key, value] of layer) if (key.startsWith(prefix)) all.set(key, value)
    }
    return all
  }

  /** What the running turn wrote so far: to come back to with `rollback`. */
  savepoint(): ReadonlyMap<string, Uint8Array | null> | undefined {
    return this.#turn === undefined ? undefined : new Map(this.#turn)
  }

  rollback(savepoint?: ReadonlyMap<string, Uint8Array | null>): void {
    this.#turn = savepoint === undefined ? undefined : new Map(savepoint)
  }

  /** The turn is complete: true when it wrote anything. */
  complete(): boolean {
    if (this.#turn === undefined) return false
    if (this.#queued === undefined) this.#queued = this.#turn
    else for (const [key, value] of this.#turn) this.#queued.set(key, value)
    this.#turn = undefined
    return true
  }

  /** A flush begins: what it has to write. */
  take(): Layer | undefined {
    this.#inFlight = this.#queued
    this.#queued = undefined
    return this.#inFlight
  }

  /** The flush is durable. */
  flushed(): void {
    this.#inFlight = undefined
  }
}
