// A peer that says it passes an application's answer on, and sends something else, gets its caller an error: never silence.
import { expect, it } from 'vitest'
import { LocalCall } from '../../../actors/invocation.ts'
import { encode } from '../../../core/codec.ts'
import { kind } from '../../../runtime/dispatch/messages.ts'
import { Outgoing } from '../../../runtime/dispatch/outgoing.ts'
import type { Message, PeerLink } from '../../../runtime/transport/transport.ts'

function answeredWith(result: unknown): { values: unknown[]; failures: unknown[] } {
  const values: unknown[] = []
  const failures: unknown[] = []
  const sent: Message[] = []
  const link = { peerId: 'b', send: (message: Message) => sent.push(message) > 0 } as unknown as PeerLink
  const outgoing = new Outgoing(1024, { onMoved: () => undefined, watch: () => 1000, unwatch: () => undefined, lives: { lifeOf: () => undefined, isOver: () => false, isHere: () => false } })
  const call = new LocalCall({ typeName: 'T', id: 'a', methodName: 'm', args: [], timeoutMs: 1000, parent: undefined, kind: 'body' }, value => values.push(value), error => failures.push(error))
  outgoing.send(link, call, false)
  outgoing.receive(link, [kind.result, sent.at(-1)![1] as number, result, 3, 1])
  return { values, failures }
}

it.each([
  [null], [5], ['text'], [encode({ a: 1 }, 'r')], [encode([], 'r')], [encode([['a', 'b']], 'r')], [encode([['a', 1], new Uint8Array(1)], 'r')], [encode([['a'], new Uint8Array(1)], 'r')],
  [encode([[], 'text'], 'r')],
])('%j', result => {
  expect(answeredWith(result)).toMatchObject({ values: [], failures: [{ code: 'PROTOCOL', executed: 'unknown' }] })
})

it('what a sound peer sends arrives', () => {
  expect(answeredWith(encode([['a', 'b'], new Uint8Array([1])], 'r'))).toMatchObject({ values: [[['a', 'b'], new Uint8Array([1])]], failures: [] })
})
