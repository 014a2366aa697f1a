// P6: a call with a key that may have run, and is sent again, is not told that it did not run by what only refuses the repeat.
import { describe, expect, it } from 'vitest'
import { LocalCall, Once, type Invocation } from '../../../actors/invocation.ts'
import { TroupeError } from '../../../core/errors.ts'
import { kind, packError } from '../../../runtime/dispatch/messages.ts'
import { Outgoing } from '../../../runtime/dispatch/outgoing.ts'
import type { Message, PeerLink } from '../../../runtime/transport/transport.ts'

function setUp(key: string | undefined) {
  const failures: unknown[] = []
  const again: Invocation[] = []
  const sent: Message[] = []
  const link = { peerId: 'b', send: (message: Message) => sent.push(message) > 0 } as unknown as PeerLink
  const outgoing = new Outgoing(1024, { onMoved: call => again.push(call), watch: () => 1000, unwatch: () => undefined, lives: { lifeOf: () => undefined, isOver: () => false, isHere: () => false } })
  const call = new LocalCall({
    typeName: 'T', id: 'a', methodName: 'm', args: [], timeoutMs: 1000, parent: undefined, once: key === undefined ? undefined : new Once(key),
  }, () => undefined, error => failures.push(error))
  outgoing.send(link, call, false)
  return { call, link, outgoing, failures, again, answer: (error: unknown) => outgoing.receive(link, [kind.error, sent.at(-1)![1] as number, packError(error)]) }
}

const lost: Record<string, (at: ReturnType<typeof setUp>) => void> = {
  'the link broke': ({ outgoing, link }) => outgoing.closed(link, new Error('reset')),
  'its commit is unknown': ({ answer }) => void answer(new TroupeError('COMMIT_UNKNOWN', 'no answer')),
}

describe.each(Object.keys(lost))('a call with a key, after %s', how => {
  it.each(['NO_HOST', 'MAILBOX_FULL', 'OVERLOADED', 'HOST_STOPPING'] as const)('is in doubt when its repeat gets %s', code => {
    const at = setUp('k')
    lost[how]!(at)
    expect(at.again).toEqual([at.call])
    at.outgoing.send(at.link, at.call, false)
    at.answer(new TroupeError(code, 'not now', { retryAfterMs: 5 }))
    expect(at.failures).toMatchObject([{ code, executed: 'unknown', retryable: true, retryAfterMs: 5, message: expect.stringContaining('may have run') }])
  })

  it('is in doubt when its caller gives up before the repeat has left', () => {
    const at = setUp('k')
    lost[how]!(at)
    at.call.abandon('CANCELLED', 'the caller gave up')
    expect(at.failures).toMatchObject([{ code: 'CANCELLED', executed: 'unknown' }])
  })

  it('still is when the repeat was moved, and then refused', () => {
    const at = setUp('k')
    lost[how]!(at)
    at.outgoing.send(at.link, at.call, false)
    at.answer(new TroupeError('MOVED', 'elsewhere'))
    expect(at.again).toHaveLength(2)
    at.call.fail(new TroupeError('NO_HOST', 'nobody'))
    expect(at.failures).toMatchObject([{ code: 'NO_HOST', executed: 'unknown' }])
  })
})

it('a call whose first try is refused for certain did not run', () => {
  const at = setUp('k')
  at.answer(new TroupeError('MAILBOX_FULL', 'full'))
  expect(at.failures).toMatchObject([{ code: 'MAILBOX_FULL', executed: 'no' }])
})
