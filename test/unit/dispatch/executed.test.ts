// P6: every error says whether the method ran, and says 'no' only when it never will.
import type { StandardSchemaV1 } from '@standard-schema/spec'
import { describe, expect, it } from 'vitest'
import { z } from 'zod'
import { Actor, ActorError, TroupeError, type ActorOptions, type MethodOptions } from 'troupe'
import { hostOf } from '../activation/running-host.ts'
import { failureOf, settle, Signal, until, watch } from '../activation/signal.ts'

class Refused extends ActorError<{ missing: number }> {
  static readonly code = 'REFUSED'
  static readonly status = 409
}

const gates = new Map<string, Signal>()
const gate = (name: string): Signal => {
  if (!gates.has(name)) gates.set(name, new Signal())
  return gates.get(name)!
}
const checking = { now: 0 }

/** A schema by hand: doubles every number, refuses others; asynchronous when told so. */
const doubled = (asynchronous?: string): StandardSchemaV1<unknown, readonly unknown[]> => ({
  '~standard': {
    version: 1, vendor: 'test',
    validate: value => {
      const args = value as unknown[]
      const result = args.every(a => typeof a === 'number') ? { value: args.map(a => a * 2) } : { issues: [{ message: 'no number', path: [0, { key: 'deep' }] }] }
      if (asynchronous === undefined) return result
      checking.now++
      return gate(asynchronous).wait().then(() => result)
    },
  },
})
const throwing: StandardSchemaV1<unknown, readonly unknown[]> = { '~standard': { version: 1, vendor: 'test', validate: () => { throw new Error('broken schema') } } }
const listless: StandardSchemaV1<unknown, readonly unknown[]> = { '~standard': { version: 1, vendor: 'test', validate: () => ({ value: 5 as unknown as unknown[] }) } }
const rejecting: StandardSchemaV1<unknown, readonly unknown[]> = { '~standard': { version: 1, vendor: 'test', validate: () => Promise.reject(new Error('no answer')) } }

class Desk extends Actor {
  ran: unknown[] = []
  typed(n: number, s?: string) { this.ran.push([n, s]); return n }
  byHand(...args: number[]) { this.ran.push(args); return args }
  later(...args: number[]) { this.ran.push(args); return args }
  broken() { this.ran.push('broken') }
  listless() { this.ran.push('listless') }
  rejecting() { this.ran.push('rejecting') }
  throwIt(kind: string): void {
    this.ran.push('thrown')
    const thrown: Record<string, unknown> = {
      error: new TypeError('boom'), string: 'text', null: null, undefined, object: { a: 1 }, bare: Object.create(null), symbol: Symbol('s'), refused: new Refused({ missing: 5 }, 'sorry'),
    }
    throw thrown[kind]
  }
  async hold(name: string) { await gate(name).wait(); this.ran.push(name); return name }
  read() { return this.ran }
  _hidden() { return 1 }
  get accessor() { return () => 1 }
  onActivate() {}
  static readonly methods = {
    read: { readonly: true }, typed: { input: z.tuple([z.number().int(), z.string().optional()]) }, byHand: { input: doubled() }, later: { input: doubled('later') },
    broken: { input: throwing }, listless: { input: listless }, rejecting: { input: rejecting },
  } satisfies MethodOptions<Desk>
  static readonly options: ActorOptions = { mailbox: 3 }
}

describe('before the method could start', () => {
  it.each(['constructor', '__proto__', 'then', 'toString', 'hasOwnProperty', 'onActivate', 'onDeactivate', '_hidden', 'ctx', 'accessor', 'ran', 'nothing'])('method %s is UNKNOWN_METHOD', async method => {
    const host = await hostOf([Desk])
    const expected = { code: 'UNKNOWN_METHOD', executed: 'no', retryable: false }
    // Cold, and with the activation there.
    expect(await failureOf(host.call({ type: 'Desk', id: 'a', method, args: [] }))).toMatchObject(expected)
    await host.actor(Desk, 'a').read()
    expect(await failureOf(host.call({ type: 'Desk', id: 'a', method, args: [] }))).toMatchObject(expected)
    if (method !== 'then') expect(await failureOf((host.actor('Desk', 'a') as any)[method]())).toMatchObject(expected)
  })

  it('an unknown type is UNKNOWN_TYPE', async () => {
    const host = await hostOf([Desk])
    expect(await failureOf(host.actor('Nobody', 'a').x!())).toMatchObject({ code: 'UNKNOWN_TYPE', executed: 'no', message: expect.stringContaining("'Nobody/a'") })
    class Stranger extends Actor { ping() { return 1 } }
    expect(await failureOf(host.actor(Stranger, 'a').ping())).toMatchObject({ code: 'UNKNOWN_TYPE', executed: 'no' })
  })

  it('a reference is no promise', async () => {
    const host = await hostOf([Desk])
    const untyped = host.actor('Desk', 'a')
    expect(await untyped).toBe(untyped)
    expect(await host.actor(Desk, 'a')).toBeDefined()
  })

  it.each([
    ['typed', ['1']], ['typed', [1.5]], ['typed', []], ['byHand', ['x']], ['broken', []], ['listless', []], ['rejecting', []],
  ] as const)('arguments that %s refuses (%j) are INVALID_ARGUMENT', async (method, args) => {
    const host = await hostOf([Desk])
    const error = await failureOf(host.call({ type: 'Desk', id: 'a', method, args }))
    expect(error).toMatchObject({ code: 'INVALID_ARGUMENT', executed: 'no', message: expect.stringContaining(`Desk.${method}`) })
    expect(await host.actor(Desk, 'a').read()).toEqual([])
    if (method === 'byHand') expect(error).toMatchObject({ message: expect.stringContaining('0.deep: no number'), data: { issues: [{ message: 'no number', path: '0.deep' }] } })
  })

  it('schemas convert, at once or later', async () => {
    const host = await hostOf([Desk])
    gate('later').fire()
    expect(await host.actor(Desk, 'a').typed(1)).toBe(1)
    expect(await host.actor(Desk, 'a').byHand(1, 2)).toEqual([2, 4])
    expect(await host.actor(Desk, 'a').later(3)).toEqual([6])
    gates.delete('later')
  })

  it('arguments that cannot travel are NOT_ENCODABLE', async () => {
    const host = await hostOf([Desk])
    expect(await failureOf(host.actor(Desk, 'a').typed((() => 1) as unknown as number))).toMatchObject({ code: 'NOT_ENCODABLE', executed: 'no', message: expect.stringContaining('args[0] is a function') })
    expect(await failureOf(host.actor('Desk', 'a').typed!({ deep: [Symbol('s')] }))).toMatchObject({ code: 'NOT_ENCODABLE', executed: 'no' })
  })

  it('a full mailbox is MAILBOX_FULL, at once, and frees again', async () => {
    const host = await hostOf([Desk])
    const desk = host.actor(Desk, 'a')
    await desk.read()
    const held = desk.hold('full')
    const waiting = [1, 2, 3].map(n => desk.typed(n))
    expect(await failureOf(desk.typed(4))).toMatchObject({ code: 'MAILBOX_FULL', executed: 'no', retryable: true, retryAfterMs: 100 })
    gate('full').fire()
    await held
    expect(await Promise.all(waiting)).toEqual([1, 2, 3])
    expect(await desk.typed(5)).toBe(5)
    expect(await desk.read()).toEqual(['full', [1, undefined], [2, undefined], [3, undefined], [5, undefined]])
  })
})

describe('a caller that gives up', () => {
  it.each(['timeout', 'signal'] as const)('by %s while it waits gets a no, and the method never runs', async how => {
    const host = await hostOf([Desk])
    const desk = host.actor(Desk, 'a')
    await desk.read()
    const name = `queued-${how}`
    const held = desk.hold(name)
    const controller = new AbortController()
    const call = failureOf(desk.with(how === 'timeout' ? { timeout: 30 } : { signal: controller.signal }).typed(1))
    await settle()
    if (how === 'signal') controller.abort()
    expect(await call).toMatchObject({ code: how === 'timeout' ? 'CALL_TIMEOUT' : 'CANCELLED', executed: 'no', message: expect.stringContaining('before its turn started') })
    gate(name).fire()
    await held
    expect(await desk.read()).toEqual([name])
  })

  it.each(['timeout', 'signal'] as const)('by %s while it runs gets an unknown', async how => {
    const host = await hostOf([Desk])
    const desk = host.actor(Desk, 'a')
    const name = `running-${how}`
    const controller = new AbortController()
    const call = failureOf(desk.with(how === 'timeout' ? { timeout: 30 } : { signal: controller.signal }).hold(name))
    await settle()
    if (how === 'signal') controller.abort()
    expect(await call).toMatchObject({ code: how === 'timeout' ? 'CALL_TIMEOUT' : 'CANCELLED', executed: 'unknown' })
    gate(name).fire()
    expect(await desk.read()).toEqual([name])
  })

  it('before it called gets a no', async () => {
    const host = await hostOf([Desk])
    expect(await failureOf(host.actor(Desk, 'a').with({ signal: AbortSignal.abort() }).typed(1))).toMatchObject({ code: 'CANCELLED', executed: 'no' })
    expect(await failureOf(host.call({ type: 'Desk', id: 'a', method: 'typed', args: [1], signal: AbortSignal.abort() }))).toMatchObject({ code: 'CANCELLED', executed: 'no' })
    expect(await host.actor(Desk, 'a').read()).toEqual([])
  })

  it.each(['timeout', 'signal'] as const)('by %s while its arguments are checked gets a no, and the method never runs', async how => {
    const host = await hostOf([Desk])
    const desk = host.actor(Desk, 'a')
    await desk.read()
    gates.delete('later')
    checking.now = 0
    const controller = new AbortController()
    const call = watch(desk.with(how === 'timeout' ? { timeout: 30 } : { signal: controller.signal }).later(1))
    await until(() => checking.now === 1, 'the check began')
    if (how === 'signal') controller.abort()
    await until(() => call.state === 'rejected', 'it was told')
    expect(call.value).toMatchObject({ code: how === 'timeout' ? 'CALL_TIMEOUT' : 'CANCELLED', executed: 'no' })
    gate('later').fire()
    await settle()
    expect(await desk.read()).toEqual([])
  })

  it('in the middle of a turn that does not wait breaks nothing', async () => {
    const controller = new AbortController()
    class Aborter extends Actor {
      touch() { return 1 }
      abort() { controller.abort(); return 'done' }
    }
    const host = await hostOf([Aborter])
    await host.actor(Aborter, 'a').touch()
    expect(await host.actor(Aborter, 'a').with({ signal: controller.signal }).abort()).toBe('done')
  })

  it('does not keep a listener on a signal that outlives the call', async () => {
    const host = await hostOf([Desk])
    const { signal } = new AbortController()
    let listeners = 0
    const [add, remove] = [signal.addEventListener.bind(signal), signal.removeEventListener.bind(signal)]
    signal.addEventListener = (...args: Parameters<typeof add>) => { listeners++; add(...args) }
    signal.removeEventListener = (...args: Parameters<typeof remove>) => { listeners--; remove(...args) }
    const desk = host.actor(Desk, 'a').with({ signal })
    await desk.typed(1)
    await desk.typed(2)
    await failureOf(desk.throwIt('error'))
    expect(listeners).toBe(0)
  })
})

describe('input checks that take longer than the activation lives', () => {
  it('hand the call to the next one', async () => {
    gates.delete('later')
    checking.now = 0
    class Mortal extends Desk {
      async hang() { await new Promise(() => undefined) }
      static override readonly options = { turnTimeout: 60 }
      static override readonly methods = { ...Desk.methods, hang: {} }
    }
    const mortals = await hostOf([Mortal])
    const mortal = mortals.actor(Mortal, 'a')
    const hanging = failureOf(mortal.hang())
    const call = watch(mortal.later(4))
    await until(() => checking.now >= 1, 'the check began')
    expect(await hanging).toMatchObject({ code: 'TURN_TIMEOUT' })
    gate('later').fire()
    await until(() => call.state !== 'pending', 'it was answered')
    expect(call).toEqual({ state: 'resolved', value: [8] })
  })
})

describe('after the method ran', () => {
  it.each([
    ['error', 'boom', { name: 'TypeError' }], ['string', 'text', undefined], ['null', 'a non-error was thrown: null', undefined], ['undefined', 'a non-error was thrown: undefined', undefined],
    ['object', 'a non-error was thrown: [object Object]', undefined], ['bare', 'a non-error was thrown that has no text', undefined], ['symbol', 'a non-error was thrown: Symbol(s)', undefined],
  ])('throwing (%s) is METHOD_FAILED with a yes', async (kind, message, data) => {
    const host = await hostOf([Desk])
    const error = await failureOf(host.actor(Desk, 'a').throwIt(kind))
    expect(error).toBeInstanceOf(TroupeError)
    expect(error).toMatchObject({ code: 'METHOD_FAILED', executed: 'yes', retryable: false, message, data })
    expect(await host.actor(Desk, 'a').read()).toEqual([])
  })

  it("throwing an author's error gives that error", async () => {
    const host = await hostOf([Desk])
    const error = await failureOf(host.actor(Desk, 'a').throwIt('refused'))
    expect([Refused.is(error), ActorError.is(error), TroupeError.is(error)]).toEqual([true, true, false])
    expect(error).toMatchObject({ code: 'REFUSED', status: 409, data: { missing: 5 }, message: 'sorry' })
    class Other extends ActorError { static readonly code = 'OTHER' }
    expect(Other.is(error)).toBe(false)
  })
})
