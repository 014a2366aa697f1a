import { afterAll, describe, expect, it } from 'vitest'
import { encode } from '../../../core/codec.ts'
import { TroupeError } from '../../../core/errors.ts'
import { packCaller } from '../../../actors/authorize.ts'
import { checkMessage } from '../../../runtime/dispatch/message-check.ts'
import { packError } from '../../../runtime/dispatch/messages.ts'
import { ActorError } from '../../../actors/errors.ts'
import type { Message } from '../../../runtime/transport/transport.ts'
import { grpcKit } from './peers.ts'

const call: Message = [1, 7, 'Account', 'a', 'get', [1, 'x'], 5000, null, 0]
const change = (at: number, value: unknown, of: Message = call): Message => Object.assign([...of], { [at]: value })

describe('a message of a sound peer is passed', () => {
  it.each<[string, Message]>([
    ['a call', call], ['with bytes', change(5, encode([1], 'args'))], ['with a chain', change(7, ['A', 'x', 3, 'B', 'y', 4])], ['out of time', change(6, 0)],
    ['with a key', [...call, 'k1']], ['with a delivery', [...call, ['A/x y', 4, null]]], ['with a predecessor', [...call, ['A/x', 4, 3]]],
    ['with a caller', [...call, null, packCaller({ kind: 'outside', via: 'http', token: 't' })]], ['of a host', [...call, null, packCaller({ kind: 'host', id: 'h' })]],
    ['a result', [2, 7, undefined, 3]], ['an error', [3, 7, packError(new TroupeError('MOVED', 'x'))]], ['an author\'s', [3, 7, packError(new (class Poor extends ActorError {})())]],
    ['a cancel', [4, 7]], ['a stream', [5, 7, 3]], ['next', [6, 7, 1]], ['an item', [7, 7, null]], ['an end', [8, 7]], ['ask', [9, 7]], ['status', [10, 7, new Uint8Array(3)]],
    ['a kind of a later version', [99, 7, { any: 'thing' }]],
  ])('%s', (_, message) => expect(() => checkMessage('p', message)).not.toThrow())
})

describe('a message that no sound peer sends is PROTOCOL', () => {
  it.each<[string, Message]>([
    ['no call id', [1]], ['a call id that is none', change(1, 'x')], ['a negative one', change(1, -1)], ['a fraction', change(1, 1.5)],
    ['no type', change(2, null)], ['an id that is no name', change(3, 'a/b')], ['an id with NUL', change(3, 'a\0')], ['an id that is an object', change(3, { length: 2 ** 40 })],
    ['no method', change(4, '')], ['arguments that are none', change(5, { length: 1 })], ['no timeout', change(6, NaN)], ['an endless one', change(6, Infinity)],
    ['one before time', change(6, -1)], ['a chain of pieces', change(7, ['A', 'x'])], ['a chain of objects', change(7, [{}, 'x', 1])], ['a chain without turns', change(7, ['A', 'x', NaN])],
    ['a chain too long', change(7, Array.from({ length: 4000 * 3 }, (_, i) => (i % 3 === 2 ? 1 : 'A')))], ['no flags', change(8, 'x')],
    ['an empty key', [...call, '']], ['a key too long', [...call, 'k'.repeat(300)]], ['a delivery without a number', [...call, ['A/x', NaN, null]]],
    ['a delivery of nobody', [...call, ['Ax', 1, null]]], ['a delivery of an illegal name', [...call, ['A/x\0', 1, null]]], ['a predecessor that is none', [...call, ['A/x', 1, 'y']]],
    ['a caller that is none', [...call, null, 5]], ['a caller of objects', [...call, null, ['o', {}]]],
    ['a result without an epoch', [2, 7, 1]], ['an error that is none', [3, 7, null]], ['an error without a code', [3, 7, ['t', 5, 'x', 'no']]],
    ['an error that proves nothing', [3, 7, ['t', 'MOVED', 'x', 'perhaps']]], ['a stream without an epoch', [5, 7, 'x']], ['a status without bytes', [10, 7, 'x']],
  ])('%s', (_, message) => {
    let error: unknown
    try {
      checkMessage('p', message)
    } catch (thrown) {
      error = thrown
    }
    expect(TroupeError.is(error, 'PROTOCOL'), String(error)).toBe(true)
    expect((error as Error).message).toContain('host p sent a message of kind')
  })
})

describe('a handler that is told such a thing', () => {
  const kit = grpcKit()
  afterAll(() => kit.closeAll())

  it('ends the link, once, and takes nothing more of it', async () => {
    const a = await kit.start('a')
    const b = await kit.start('b')
    b.onMessage = (_, message) => { if (message[0] === 666) throw new TroupeError('PROTOCOL', 'no sound peer says that') }
    const link = await a.transport.connect('b', b.address, 3000)
    link.send([1])
    for (let i = 0; i < 20_000; i++) link.send([666])
    link.send([2])
    await b.until('the end of the link', () => b.closed.length > 0)
    await a.until('the end of the link', () => a.closed.length > 0)
    expect(b.heard.map(h => h.message[0])).toEqual([1, 666])
    expect(b.closed).toHaveLength(1)
    expect(TroupeError.is(b.closed[0]!.reason, 'PROTOCOL')).toBe(true)
    expect(await a.transport.connect('b', b.address, 3000)).toBeDefined()
  })
})
