import { describe, expect, it } from 'vitest'
import { Actor } from '../../../actors/actor.ts'
import type { SendOptions } from '../../../actors/actor-ref.ts'
import { SendReferences, type SendTarget } from '../../../runtime/dispatch/send-references.ts'

class Account extends Actor {
  deposit(_cents: number, _note?: unknown) { return 1 }
  async *history() { yield 1 }
  _inner() {}
}

function open() {
  const sent: { target: SendTarget; method: string; args: readonly unknown[] }[] = []
  const refs = new SendReferences()
  const sink = (target: SendTarget, method: string, args: readonly unknown[]): void => { sent.push({ target, method, args }) }
  return {
    sent, refs, sink,
    to: (options?: SendOptions) => refs.actor(Account, 'a', options, sink),
    byName: (options?: SendOptions) => refs.byName('Account', 'a', options, sink),
  }
}

describe('a reference that sends', () => {
  it('hands method and arguments to the sink and returns nothing', () => {
    const { to, byName, sent } = open()
    expect(to().deposit(5)).toBeUndefined()
    expect(byName({ retry: { attempts: 3, backoff: '2s' } }).deposit!(6)).toBeUndefined()
    expect(sent).toEqual([
      { target: { typeName: 'Account', id: 'a', attempts: 10, backoffMs: 100 }, method: 'deposit', args: [5] },
      { target: { typeName: 'Account', id: 'a', attempts: 3, backoffMs: 2_000 }, method: 'deposit', args: [6] },
    ])
  })

  it('copies what it is given', () => {
    const { to, sent } = open()
    const note = { tags: ['x'] }
    to().deposit(1, note)
    note.tags.push('y')
    expect(sent[0]!.args).toEqual([1, { tags: ['x'] }])
    expect(() => to().deposit(1, () => 1)).toThrow(expect.objectContaining({ code: 'NOT_ENCODABLE' }) as Error)
  })

  it('makes one class an actor class, with its methods alone', () => {
    const { to } = open()
    expect(Object.getPrototypeOf(to())).toBe(Object.getPrototypeOf(to({ retry: { attempts: 2 } })))
    const ref = to() as unknown as Record<string, unknown>
    expect([ref._inner, ref.then, ref.onActivate, ref.ctx]).toEqual([undefined, undefined, undefined, undefined])
  })

  it('is no promise', async () => {
    const { byName, sent } = open()
    const ref = byName()
    expect(await ref).toBe(ref)
    expect((ref as unknown as Record<symbol, unknown>)[Symbol.toPrimitive]).toBeUndefined()
    expect(sent).toEqual([])
  })

  it('refuses streams, hooks, inner methods and names that are none', () => {
    const { to, byName, sent } = open()
    const stream = to() as unknown as Record<string, () => void>
    expect(() => stream.history!()).toThrow(expect.objectContaining({ code: 'UNKNOWN_METHOD', message: expect.stringContaining('stream') as string }) as Error)
    for (const name of ['_inner', 'onReminder', 'onActivate']) {
      expect(() => byName()[name]!()).toThrow(expect.objectContaining({ code: 'UNKNOWN_METHOD' }) as Error)
    }
    for (const name of ['a/b', '', 'x'.repeat(300)]) expect(() => byName()[name]!()).toThrow(expect.objectContaining({ code: 'BAD_REQUEST' }) as Error)
    expect(sent).toEqual([])
  })

  it('passes on what the sink throws', () => {
    const { refs } = open()
    const ref = refs.actor(Account, 'a', undefined, () => { throw new Error('outside') })
    expect(() => ref.deposit(1)).toThrow('outside')
  })
})

describe('what cannot be sent to is refused by name', () => {
  it.each([
    { retry: { attempts: 0 } }, { retry: { attempts: 1.5 } }, { retry: { attempts: Number.NaN } }, { retry: { attempts: Infinity } }, { retry: { attempts: '3' } },
    { retry: { backoff: -1 } }, { retry: { backoff: 'soon' } }, { retry: { backoff: Number.NaN } }, { retry: { backoff: 1n } }, { retry: { backoff: null } },
    { retry: { tries: 3 } }, { retry: 5 }, { retry: null }, { attempts: 3 }, 5, null,
  ])('options %#', options => {
    const { to, byName } = open()
    for (const make of [to, byName]) expect(() => make(options as SendOptions)).toThrow(expect.objectContaining({ code: 'BAD_OPTION' }) as Error)
  })

  it('types and ids', () => {
    const { refs, sink } = open()
    expect(() => refs.byName('', 'a', undefined, sink)).toThrow(expect.objectContaining({ code: 'BAD_REQUEST' }) as Error)
    expect(() => refs.byName('Account', 'a/b', undefined, sink)).toThrow(expect.objectContaining({ code: 'BAD_REQUEST' }) as Error)
    expect(() => refs.actor(Account, '', undefined, sink)).toThrow(expect.objectContaining({ code: 'BAD_REQUEST' }) as Error)
    expect(() => refs.actor(class Bad extends Actor { with() {} }, 'a', undefined, sink)).toThrow(expect.objectContaining({ code: 'BAD_ACTOR_CLASS' }) as Error)
  })
})
