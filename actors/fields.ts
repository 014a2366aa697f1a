/**
 * The durable fields of one instance: what changed since the last turn, how to take it back, and how it is stored.
 *
 * A `Fields` holds the values as of the last completed turn: primitives themselves, everything else as encoded bytes. So
 * one comparison finds the changes of a turn (`capture`), a throw is undone from it (`restore`), and a commit is written
 * from it (`takeHead`) at any later time without looking at the instance, which may be in the middle of its next turn.
 *
 * Stored form: the head is `[shape version, { field: primitive }, { field: bytes } | null, [spilled names] | null]`, and
 * after that the tally of the actor's other entries (`EntryTally`) when it has any; a value over SPILL_BYTES is an entry
 * of its own, so that a small change does not rewrite it.
 */
import { decode, encode, isPrimitive } from '../core/codec.ts'
import { TroupeError, messageOf } from '../core/errors.ts'
import { mechanisms } from '../core/mechanisms.ts'
import type { EntryChange } from '../stores/actor-store.ts'

export const SPILL_BYTES = 1024
/** Entries of the store are named by what they are: `f:` a field, `s:` a storage key. */
export const fieldEntry = (name: string): string => `f:${name}`

/** What the head says of entries that are no fields, so that nobody has to count them. */
export interface EntryTally {
  /** Reminders that the actor has, dead occurrences not counted. */
  readonly reminders: number
  /** Number of its last durable send; rises for ever. */
  readonly sent: number
  /** When old replies and inbox rows are swept next, ms since the epoch; 0: there are none. */
  readonly sweepAt: number
  /** Whether a storage key ever had a time to live. */
  readonly expiring: boolean
}

export const noEntries: EntryTally = { reminders: 0, sent: 0, sweepAt: 0, expiring: false }

type Instance = Record<string, unknown>
type Held = unknown // a primitive, or the Uint8Array of an encoded value: no primitive is an object

const isBytes = (held: Held): held is Uint8Array => typeof held === 'object' && held !== null
const isLarge = (held: Held): held is Uint8Array | string => (isBytes(held) || typeof held === 'string') && held.length > SPILL_BYTES

function sameBytes(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && Buffer.compare(a, b) === 0
}

function hold(value: unknown, name: string): Held {
  if (isPrimitive(value)) return value
  return encode(value, name, 'STATE_NOT_STORABLE')
}

export class Fields {
  #names: readonly string[]
  #held: Held[]
  /** Names that are entries in the store now; what must be rewritten or removed there at the next commit. */
  #spilled: Set<string> | undefined
  #unsaved: Set<string> | undefined

  /**
   * Of an instance as its class made it: nothing is stored yet. `known` are the names of another instance of the class:
   * a million activations share one list. @throws STATE_NOT_STORABLE naming the field
   */
  constructor(instance: object, known?: readonly string[]) {
    const names = Object.keys(instance)
    this.#names = known !== undefined && sameNames(names, known) ? known : names
    this.#held = this.#names.map(name => hold((instance as Instance)[name], name))
    this.#names.forEach((name, i) => this.#noteLarge(name, this.#held[i]))
  }

  get names(): readonly string[] {
    return this.#names
  }

  #noteLarge(name: string, held: Held): void {
    if (isLarge(held) || this.#spilled?.has(name)) (this.#unsaved ??= new Set()).add(name)
  }

  /**
   * Compares the instance with what is held, and holds its values from now on. True when anything differs.
   * On a throw nothing is held differently. @throws STATE_NOT_STORABLE naming the field and the path in it
   */
  capture(instance: object): boolean {
    const names = Object.keys(instance)
    if (!sameNames(names, this.#names)) return this.#captureNewShape(instance as Instance, names)
    let next: Held[] | undefined
    for (let i = 0; i < names.length; i++) {
      const value = (instance as Instance)[names[i]!]
      const before = this.#held[i]
      if (Object.is(value, before) && !isBytes(before)) continue
      const held = hold(value, names[i]!)
      if (isBytes(held) && isBytes(before) && sameBytes(held, before)) continue
      ;(next ??= this.#held.slice())[i] = held
    }
    if (next === undefined) return false
    const before = this.#held
    this.#held = next
    for (let i = 0; i < next.length; i++) if (next[i] !== before[i]) this.#noteLarge(names[i]!, next[i])
    return true
  }

  #captureNewShape(instance: Instance, names: readonly string[]): true {
    const held = names.map(name => hold(instance[name], name))
    for (const name of this.#names) if (!Object.hasOwn(instance, name)) this.#noteLarge(name, undefined)
    this.#names = names
    this.#held = held
    names.forEach((name, i) => this.#noteLarge(name, held[i]))
    return true
  }

  /** True when `capture` would find a change; holds nothing. */
  differs(instance: object): boolean {
    const names = Object.keys(instance)
    if (!sameNames(names, this.#names)) return true
    return names.some((name, i) => {
      const value = (instance as Instance)[name]
      const before = this.#held[i]
      if (!isBytes(before)) return !Object.is(value, before)
      return isPrimitive(value) || !sameBytes(encode(value, name, 'STATE_NOT_STORABLE'), before)
    })
  }

  /** Gives the instance the held values again; objects are fresh copies. */
  restore(instance: object): void {
    if (mechanisms.off?.has('rollback')) return
    const target = instance as Instance
    // Names in another order would look like a change of shape.
    const names = Object.keys(target)
    if (!sameNames(names, this.#names)) for (const name of names) delete target[name]
    this.#names.forEach((name, i) => setOwn(target, name, thaw(this.#held[i], name)))
  }

  /** A savepoint: what the instance is now, to go back to with `restore` without touching what this one holds. */
  static savepoint(instance: object): Fields {
    return new Fields(instance)
  }

  /** The head to store now, and the entries that must change with it; from here on they count as stored. */
  takeHead(shapeVersion: number, tally: EntryTally = noEntries): { head: Uint8Array; entries: EntryChange[] | undefined } {
    const small: Instance = {}
    let complex: Record<string, Uint8Array> | null = null
    let spilled: string[] | null = null
    let entries: EntryChange[] | undefined
    for (let i = 0; i < this.#names.length; i++) {
      const name = this.#names[i]!
      const held = this.#held[i]
      if (isLarge(held)) {
        (spilled ??= []).push(name)
        // Not in the store yet: a change, or the first value of a field that is newer than the stored state.
        if (this.#unsaved?.has(name) || !this.#spilled?.has(name)) (entries ??= []).push([fieldEntry(name), isBytes(held) ? held : encode(held, name)])
      } else if (isBytes(held)) setOwn((complex ??= {}) as Instance, name, held)
      else setOwn(small, name, held)
    }
    if (this.#spilled !== undefined) {
      for (const name of this.#spilled) if (spilled === null || !spilled.includes(name)) (entries ??= []).push([fieldEntry(name), null])
    }
    this.#spilled = spilled === null ? undefined : new Set(spilled)
    this.#unsaved = undefined
    const parts: unknown[] = [shapeVersion, small, complex, spilled]
    if (tally !== noEntries) parts.push([tally.reminders, tally.sent, tally.sweepAt, tally.expiring])
    return { head: encode(parts, 'state'), entries }
  }

  /** Holds what the store holds: called once, after `adopt` gave the instance its stored values and nothing was migrated. */
  stored(spilled: readonly string[]): void {
    this.#spilled = spilled.length > 0 ? new Set(spilled) : undefined
    this.#unsaved = undefined
  }

  /** After a migration every large value must be written again, and old entries that are gone removed. */
  storedOtherwise(spilled: readonly string[]): void {
    this.#spilled = spilled.length > 0 ? new Set(spilled) : undefined
    this.#names.forEach((name, i) => this.#noteLarge(name, this.#held[i]))
  }

  /** The value of a field as of the last completed turn. */
  read(name: string): { found: boolean; value: unknown } {
    const i = this.#names.indexOf(name)
    return i < 0 ? { found: false, value: undefined } : { found: true, value: thaw(this.#held[i], name) }
  }
}

const thaw = (held: Held, name: string): unknown => (isBytes(held) ? decode(held, name, 'STATE_UNREADABLE') : held)

/** Names are data: `__proto__` must become an own property. */
function setOwn(target: Instance, name: string, value: unknown): void {
  if (name === '__proto__') Object.defineProperty(target, name, { value, writable: true, enumerable: true, configurable: true })
  else target[name] = value
}

function sameNames(a: readonly string[], b: readonly string[]): boolean {
  if (a.length !== b.length) return false
  for (let i = 0; i < a.length; i++) if (a[i] !== b[i]) return false
  return true
}

/** A stored head, taken apart; spilled fields still have to be loaded. */
export interface StoredState {
  readonly shapeVersion: number
  readonly values: Record<string, unknown>
  readonly spilled: readonly string[]
  readonly tally: EntryTally
}

/** @throws STATE_UNREADABLE when the bytes are no head. */
export function readHead(head: Uint8Array, who: string): StoredState {
  const parts = decode(head, `stored state of ${who}`, 'STATE_UNREADABLE')
  if (!Array.isArray(parts) || parts.length < 4 || parts.length > 5 || typeof parts[0] !== 'number') {
    throw new TroupeError('STATE_UNREADABLE', `stored state of ${who}: these bytes are no actor state`)
  }
  const [shapeVersion, small, complex, spilled, tally] = parts as [number, Instance, Record<string, Uint8Array> | null, string[] | null, unknown]
  if (!isPlain(small) || !(complex === null || isPlain(complex)) || !(spilled === null || Array.isArray(spilled) && spilled.every(n => typeof n === 'string'))) {
    throw new TroupeError('STATE_UNREADABLE', `stored state of ${who}: these bytes are no fields`)
  }
  if (complex !== null) for (const name of Object.keys(complex)) setOwn(small, name, decode(complex[name]!, name, 'STATE_UNREADABLE'))
  return { shapeVersion, values: small, spilled: spilled ?? [], tally: readTally(tally, who) }
}

function readTally(stored: unknown, who: string): EntryTally {
  if (stored === undefined) return noEntries
  const [reminders, sent, sweepAt, expiring] = Array.isArray(stored) ? stored as unknown[] : []
  if (!Number.isSafeInteger(reminders) || !Number.isSafeInteger(sent) || typeof sweepAt !== 'number' || typeof expiring !== 'boolean') {
    throw new TroupeError('STATE_UNREADABLE', `stored state of ${who}: these bytes are no tally of entries`)
  }
  return { reminders: reminders as number, sent: sent as number, sweepAt, expiring }
}

/**
 * Gives a fresh instance its stored values, migrated when they are of an older version. Fields that the class has and the
 * store has not keep their first values. True when a migration ran.
 * @throws STATE_TOO_NEW · ACTIVATION_FAILED when `migrate` is missing, throws or returns no object
 */
export function adopt(
  instance: object, state: StoredState, version: number,
  migrate: ((state: Record<string, unknown>, from: number) => Record<string, unknown>) | undefined, who: string,
): boolean {
  if (state.shapeVersion > version) {
    throw new TroupeError('STATE_TOO_NEW', `${who}: its stored state has version ${state.shapeVersion}, this code knows ${version}; deploy the newer code`)
  }
  let values: unknown = state.values
  if (state.shapeVersion < version) values = migrated(state, version, migrate, who)
  for (const name of Object.keys(values as object)) setOwn(instance as Instance, name, (values as Instance)[name])
  return state.shapeVersion < version
}

function migrated(
  state: StoredState, version: number,
  migrate: ((state: Record<string, unknown>, from: number) => Record<string, unknown>) | undefined, who: string,
): Record<string, unknown> {
  if (migrate === undefined) {
    throw new TroupeError('ACTIVATION_FAILED', `${who}: its stored state has version ${state.shapeVersion}, the class ${version}; add static migrate(state, from)`)
  }
  let result: unknown
  try {
    result = migrate(state.values, state.shapeVersion)
  } catch (error) {
    throw new TroupeError('ACTIVATION_FAILED', `${who}: migrate from version ${state.shapeVersion} threw: ${messageOf(error)}`, { cause: error })
  }
  // A promise or a list has no fields: taking it would drop the whole state.
  if (!isPlain(result)) {
    throw new TroupeError('ACTIVATION_FAILED', `${who}: migrate must return the state as a plain object, at once, not ${
      result instanceof Promise ? 'a promise' : Array.isArray(result) ? 'a list' : result === null ? 'null' : typeof result}`)
  }
  return result
}

function isPlain(value: unknown): value is Record<string, unknown> {
  if (typeof value !== 'object' || value === null) return false
  const prototype: unknown = Object.getPrototypeOf(value)
  return prototype === Object.prototype || prototype === null
}
