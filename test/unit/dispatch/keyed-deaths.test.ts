/** Calls with a key whose hosts die: counted by whoever sends them, from host to host. */
import { expect, test } from 'vitest'
import { LocalCall, Once } from '../../../actors/invocation.ts'
import { Outgoing } from '../../../runtime/dispatch/outgoing.ts'
import { kind } from '../../../runtime/dispatch/messages.ts'
import type { Message, PeerLink } from '../../../runtime/transport/transport.ts'

function setUp() {
  const living = new Set(['b', 'c', 'd', 'e'])
  const again: LocalCall[] = []
  const sent: { to: string; call: unknown }[] = []
  const outgoing = new Outgoing(1024, {
    onMoved: call => { again.push(call as LocalCall) }, watch: () => 1000, unwatch: () => undefined,
    lives: { lifeOf: host => ({ host, incarnation: `life of ${host}` }), isOver: ({ host }) => !living.has(host), isHere: () => false },
  })
  const linkTo = (peerId: string): PeerLink => ({
    peerId,
    send: (message: Message) => {
      if (message[0] === kind.call) sent.push({ to: peerId, call: message[3] })
      return true
    },
  })
  const call = (id: string, key: string | null = 'k') => {
    let outcome: unknown
    const made = new LocalCall({
      typeName: 'T', id, methodName: 'm', args: [], timeoutMs: 1000, parent: undefined, once: key === null ? undefined : new Once(key),
    }, () => undefined, error => { outcome = error })
    return { made, failure: () => outcome as { code: string; executed: string; data?: unknown } | undefined }
  }
  /** Sends it to a host whose link breaks then; `dies`: with the host. */
  const lose = (made: LocalCall, host: string, dies: boolean): void => {
    const link = linkTo(host)
    outgoing.send(link, made, false)
    if (dies) living.delete(host)
    outgoing.closed(link, new Error('cut'))
  }
  return { outgoing, linkTo, call, lose, sent, again }
}

test('three hosts that die while they have it are enough', () => {
  const { outgoing, linkTo, call, lose, sent } = setUp()
  const { made, failure } = call('a')
  for (const host of ['b', 'c', 'd']) lose(made, host, true)
  expect(failure()).toBeUndefined()
  expect(outgoing.send(linkTo('e'), made, false)).toBe(true)
  expect(failure()).toMatchObject({ code: 'QUARANTINED', executed: 'unknown', retryable: false, message: expect.stringContaining('T/a.m: 3 hosts died while they had this call, the last one was d') })
  expect(sent.map(it => it.to)).toEqual(['b', 'c', 'd'])
})

test('a link that breaks is no death', () => {
  const { outgoing, linkTo, call, lose, sent } = setUp()
  const { made, failure } = call('a')
  for (const host of ['b', 'c', 'd', 'b', 'c', 'd']) lose(made, host, false)
  outgoing.send(linkTo('e'), made, false)
  expect(failure()).toBeUndefined()
  expect(sent).toHaveLength(7)
})

test('without a key nothing is counted: it fails at once, and says whom it was lost with', () => {
  const { call, lose } = setUp()
  const { made, failure } = call('a', null)
  lose(made, 'b', true)
  expect(failure()).toMatchObject({ code: 'PEER_LOST', executed: 'unknown', data: { host: 'b', incarnation: 'life of b' } })
})

test('before the third one it goes alone: another such call waits until it has an answer', () => {
  const { outgoing, linkTo, call, lose, sent, again } = setUp()
  const [first, second, other] = [call('first'), call('second'), call('other')]
  for (const host of ['b', 'c']) {
    const link = linkTo(host)
    for (const { made } of [first, second]) outgoing.send(link, made, false)
    lose(call('x').made, host, true)
    outgoing.closed(link, new Error('cut'))
  }
  sent.length = again.length = 0
  const link = linkTo('e')
  for (const { made } of [first, second, other]) outgoing.send(link, made, false)
  expect(sent.map(it => it.call)).toEqual(['first', 'other'])
  expect(again.map(it => it.id)).toEqual(['second'])
  first.made.succeed(1)
  outgoing.send(link, second.made, false)
  expect(sent.map(it => it.call)).toEqual(['first', 'other', 'second'])
  expect(second.failure()).toBeUndefined()
})
