// P2 in its smallest form: what changed, how it is taken back, what is written of it, how it is read again.
import { describe, expect, it } from 'vitest'
import { adopt, fieldEntry, Fields, noEntries, readHead, SPILL_BYTES } from '../../../actors/fields.ts'
import { decode, encode } from '../../../core/codec.ts'

type Any = Record<string, any>
const large = (fill: string): string[] => Array.from({ length: 400 }, (_, i) => `${fill}${i}`)

/** Takes what a commit would write, and applies it to `stored` as a store would. */
function commit(fields: Fields, stored: Map<string, Uint8Array>, version = 1): string[] {
  const { head, entries } = fields.takeHead(version)
  stored.set('head', head)
  for (const [name, value] of entries ?? []) if (value === null) stored.delete(name)
  else stored.set(name, value)
  return (entries ?? []).map(([name, value]) => `${value === null ? '-' : '+'}${name}`)
}

/** What another host would find. */
function load(stored: Map<string, Uint8Array>): Any {
  const state = readHead(stored.get('head')!, 'Test/x')
  for (const name of state.spilled) state.values[name] = decode(stored.get(fieldEntry(name))!, name)
  const instance: Any = {}
  adopt(instance, state, 1, undefined, 'Test/x')
  return instance
}

describe('capture', () => {
  it('finds changes of every kind of value, in place or by replacement', () => {
    const changes: [string, (a: Any) => void][] = [
      ['number', a => { a.number++ }], ['text', a => { a.text += '!' }], ['flag', a => { a.flag = !a.flag }], ['big', a => { a.big += 1n }],
      ['nothing', a => { a.nothing = null }], ['list', a => { a.list[1].deep = 2 }], ['map', a => { a.map.get('k').push(3) }],
      ['set', a => { a.set.add('b') }], ['date', a => { a.date.setTime(5) }], ['bytes', a => { a.bytes[0] = 9 }],
      ['object', a => { a.object = { same: 2 } }], ['typed', a => { a.typed[0] = 1.5 }], ['nan', a => { a.nan = 1 }], ['zero', a => { a.zero = -0 }],
    ]
    for (const [name, change] of changes) {
      const instance = sample()
      const fields = new Fields(instance)
      expect(fields.capture(instance), `${name} before`).toBe(false)
      change(instance)
      expect(fields.differs(instance), name).toBe(true)
      expect(fields.capture(instance), name).toBe(true)
      expect(fields.differs(instance), name).toBe(false)
      expect(fields.capture(instance), `${name} after`).toBe(false)
    }
  })

  it('sees no change in an equal value', () => {
    const instance = sample()
    const fields = new Fields(instance)
    Object.assign(instance, sample())
    expect(fields.capture(instance)).toBe(false)
  })

  it('sees fields that come and go', () => {
    const instance: Any = { a: 1 }
    const fields = new Fields(instance)
    instance.b = [1]
    expect(fields.capture(instance)).toBe(true)
    delete instance.a
    expect(fields.capture(instance)).toBe(true)
    expect(fields.names).toEqual(['b'])
  })

  it.each([
    ['a function', () => 1, 'is a function'],
    ['a symbol', Symbol('s'), 'is a symbol'],
    ['a class instance', new (class Money { cents = 1 })(), 'is an instance of Money'],
    ['a promise', Promise.resolve(1), 'is a promise'],
    ['an error', new Error('e'), 'is an error'],
  ])('refuses %s with the path, and holds what it held', (_, bad, text) => {
    const instance: Any = { ok: 1, deep: { list: [1, { here: 0 as unknown }] } }
    const fields = new Fields(instance)
    instance.ok = 2
    instance.deep.list[1].here = bad
    expect(() => fields.capture(instance)).toThrow(expect.objectContaining({ code: 'STATE_NOT_STORABLE', message: expect.stringContaining(`deep.list[1].here ${text}`) }))
    fields.restore(instance)
    expect(instance).toEqual({ ok: 1, deep: { list: [1, { here: 0 }] } })
  })

  it('refuses a cycle', () => {
    const instance: Any = { ring: {} }
    const fields = new Fields(instance)
    instance.ring.self = instance.ring
    expect(() => fields.capture(instance)).toThrow(expect.objectContaining({ code: 'STATE_NOT_STORABLE', message: expect.stringContaining('contains itself') }))
  })
})

function sample(): Any {
  return {
    number: 1, text: 'x', flag: true, big: 2n ** 80n, nothing: undefined, list: [1, { deep: 1 }], map: new Map([['k', [1, 2]]]), set: new Set(['a']),
    date: new Date(1), bytes: new Uint8Array([1, 2]), object: { same: 1 }, typed: new Float64Array([0.5]), nan: NaN, zero: 0,
  }
}

describe('restore', () => {
  it('brings back every kind of value, as fresh copies', () => {
    const instance = sample()
    const fields = new Fields(instance)
    const before = { ...instance }
    instance.list[1].deep = 7
    instance.map.clear()
    instance.set.add('z')
    instance.date.setTime(99)
    instance.bytes[1] = 77
    instance.typed[0] = 3
    Object.assign(instance, { number: 5, text: '', flag: null, big: 0n, nothing: 1, nan: 0, zero: -0, object: 'other', added: [1] })
    fields.restore(instance)
    expect(instance).toEqual(sample())
    expect(Object.is(instance.zero, 0)).toBe(true)
    expect(instance.list).not.toBe(before.list)
    expect(fields.differs(instance)).toBe(false)
  })

  it('brings back deleted fields in their old places', () => {
    const instance: Any = { a: 1, b: [2], c: 3 }
    const fields = new Fields(instance)
    delete instance.a
    instance.z = 1
    fields.restore(instance)
    expect(Object.keys(instance)).toEqual(['a', 'b', 'c'])
    expect(fields.differs(instance)).toBe(false)
    expect(fields.capture(instance)).toBe(false)
  })

  it('takes names as data', () => {
    const instance: Any = {}
    Object.defineProperty(instance, '__proto__', { value: [1], writable: true, enumerable: true, configurable: true })
    const fields = new Fields(instance)
    const stored = new Map<string, Uint8Array>()
    commit(fields, stored)
    instance.added = 1
    fields.restore(instance)
    expect(Object.keys(instance)).toEqual(['__proto__'])
    expect(Object.keys(load(stored))).toEqual(['__proto__'])
    expect(Object.getPrototypeOf(instance)).toBe(Object.prototype)
  })
})

describe('what is written', () => {
  it('is the head alone while values are small', () => {
    const stored = new Map<string, Uint8Array>()
    expect(commit(new Fields(sample()), stored)).toEqual([])
    expect(load(stored)).toEqual(sample())
  })

  it.each([
    ['lists', large('a'), large('b')],
    ['bytes', new Uint8Array(SPILL_BYTES * 2), new Uint8Array(SPILL_BYTES * 3)],
    ['text', 'x'.repeat(SPILL_BYTES * 2), 'y'.repeat(SPILL_BYTES * 3)],
  ])('is of large %s only those that changed', (_, first, second) => {
    const instance: Any = { count: 0, big: first, other: large('o') }
    const fields = new Fields(instance)
    const stored = new Map<string, Uint8Array>()
    expect(commit(fields, stored)).toEqual(['+f:big', '+f:other'])
    instance.count++
    fields.capture(instance)
    expect(commit(fields, stored)).toEqual([])
    instance.big = second
    fields.capture(instance)
    expect(commit(fields, stored)).toEqual(['+f:big'])
    expect(load(stored)).toEqual({ count: 1, big: second, other: large('o') })
    instance.big = 'small now'
    fields.capture(instance)
    expect(commit(fields, stored)).toEqual(['-f:big'])
    instance.big = first
    delete instance.other
    fields.capture(instance)
    expect(commit(fields, stored).sort()).toEqual(['+f:big', '-f:other'])
    delete instance.big
    fields.capture(instance)
    expect(commit(fields, stored)).toEqual(['-f:big'])
    expect(load(stored)).toEqual({ count: 1 })
    expect([...stored.keys()]).toEqual(['head'])
  })

  it('includes the large first value of a field that is newer than the stored state', () => {
    const stored = new Map<string, Uint8Array>()
    commit(new Fields({ count: 1 }), stored)
    const newer: Any = { count: 0, table: large('t') }
    const state = readHead(stored.get('head')!, 'x')
    adopt(newer, state, 1, undefined, 'x')
    const fields = new Fields(newer)
    fields.stored(state.spilled)
    newer.count++
    fields.capture(newer)
    expect(commit(fields, stored)).toEqual(['+f:table'])
    expect(load(stored)).toEqual({ count: 2, table: large('t') })
  })

  it('is everything large after a migration, and removes what is gone', () => {
    const stored = new Map<string, Uint8Array>()
    commit(new Fields({ old: large('old'), kept: large('kept') }), stored)
    const state = readHead(stored.get('head')!, 'x')
    for (const name of state.spilled) state.values[name] = decode(stored.get(fieldEntry(name))!, name)
    const instance: Any = {}
    expect(adopt(instance, state, 2, values => ({ renamed: values.old, kept: values.kept }), 'x')).toBe(true)
    const fields = new Fields(instance)
    fields.storedOtherwise(state.spilled)
    expect(commit(fields, stored, 2).sort()).toEqual(['+f:kept', '+f:renamed', '-f:old'])
  })
})

describe('stored state', () => {
  it.each([
    ['nothing', new Uint8Array()],
    ['noise', new Uint8Array([0xc1, 0xff, 0x00, 7])],
    ['another value', encode({ a: 1 }, 'x')],
    ['a list of another length', encode([1, {}], 'x')],
    ['fields that are none', encode([1, 5, null, null], 'x')],
    ['no fields', encode([1, null, null, null], 'x')],
    ['encoded fields that are none', encode([1, {}, { a: 5 }, null], 'x')],
    ['encoded fields that are no values', encode([1, {}, { a: new Uint8Array([0xc1]) }, null], 'x')],
    ['names that are none', encode([1, {}, null, 5], 'x')],
    ['a name that is none', encode([1, {}, null, [5]], 'x')],
    ['no version', encode(['1', {}, null, null], 'x')],
  ])('of %s is STATE_UNREADABLE', (_, bytes) => {
    expect(() => readHead(bytes, 'Account/a')).toThrow(expect.objectContaining({ code: 'STATE_UNREADABLE', executed: 'no' }))
  })

  it('newer than the code is STATE_TOO_NEW, and names both versions', () => {
    const state = { shapeVersion: 3, values: {}, spilled: [], tally: noEntries }
    expect(() => adopt({}, state, 2, undefined, 'Account/a')).toThrow(expect.objectContaining({ code: 'STATE_TOO_NEW', message: expect.stringMatching(/Account\/a.*3.*2/) }))
  })

  it.each<[string, ((s: Record<string, unknown>, from: number) => any) | undefined, RegExp]>([
    ['is missing', undefined, /add static migrate/],
    ['throws', () => { throw new Error('boom') }, /threw: boom/],
    ['returns nothing', () => undefined, /not undefined/],
    ['returns null', () => null, /plain object/],
    ['returns a list', () => [1], /plain object/],
    ['returns a promise', async () => ({ a: 1 }), /promise/],
  ])('of an older version fails the activation when migrate %s', (_, migrate, text) => {
    expect(() => adopt({}, { shapeVersion: 1, values: {}, spilled: [], tally: noEntries }, 2, migrate, 'Account/a'))
      .toThrow(expect.objectContaining({ code: 'ACTIVATION_FAILED', message: expect.stringMatching(text) }))
  })
})
