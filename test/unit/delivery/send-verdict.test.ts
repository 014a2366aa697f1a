import { describe, expect, it } from 'vitest'
import { ActorError } from '../../../actors/errors.ts'
import { TroupeError } from '../../../core/errors.ts'
import { PendingSend, type SendLine } from '../../../runtime/delivery/send-line.ts'
import { describe as describeError, judge } from '../../../runtime/delivery/send-verdict.ts'

const limits = { maxBackoffMs: 60_000, maxRefusedMs: 5_000 }
const pendingOf = (attempts = 3): PendingSend =>
  new PendingSend({ number: 1, typeName: 'T', id: 'a', method: 'm', args: [], attempts, backoffMs: 100 }, undefined as unknown as SendLine)

class Refused extends ActorError<{ why: string }> {}

describe('the failure of a delivery', () => {
  it.each([
    ['what the method threw', new TroupeError('METHOD_FAILED', 'broken')],
    ["an author's error", new Refused({ why: 'closed' })],
    ['a turn that was abandoned: nothing of it can be stored any more', new TroupeError('TURN_TIMEOUT', 'too long')],
    ['a method that is not there', new TroupeError('UNKNOWN_METHOD', 'none')],
  ])('counts: %s', (_, error) => {
    const pending = pendingOf(2)
    expect(judge(pending, error, 0.5, limits)).toMatchObject({ kind: 'again', delayMs: 100 })
    expect(pending).toMatchObject({ failures: 1, refusals: 0 })
    expect(judge(pending, error, 0.5, limits)).toEqual({ kind: 'dead', error: describeError(error) })
  })

  it.each([
    ['COMMIT_UNKNOWN'], ['PEER_LOST'], ['CALL_TIMEOUT'], ['MAILBOX_FULL'], ['NO_HOST'], ['STORE_UNAVAILABLE'],
    ['UNKNOWN_TYPE'], ['ACTIVATION_FAILED'], ['STATE_TOO_NEW'], ['STATE_UNREADABLE'],
  ] as const)('does not count, however often: %s', code => {
    const pending = pendingOf(1)
    for (let i = 0; i < 20; i++) expect(judge(pending, new TroupeError(code, 'later'), 0.5, limits).kind).toBe('again')
    expect(pending).toMatchObject({ failures: 0, refusals: 20 })
  })

  it('ends it at once when it was quarantined, and does not when something that its method called was', () => {
    const quarantined = new TroupeError('QUARANTINED', 'three hosts died')
    expect(judge(pendingOf(9), quarantined, 0.5, limits)).toEqual({ kind: 'dead', error: 'QUARANTINED: three hosts died' })
    const ofItsCall = new TroupeError('QUARANTINED', 'three hosts died', { executed: 'yes' })
    expect(judge(pendingOf(9), ofItsCall, 0.5, limits)).toMatchObject({ kind: 'again', delayMs: 100 })
  })

  it('is described once: a text that begins with its code is not given it twice', () => {
    expect(describeError(new Refused({ why: 'closed' }))).toBe('Refused {"why":"closed"}')
    expect(describeError(new TroupeError('METHOD_FAILED', 'broken'))).toBe('METHOD_FAILED: broken')
  })
})
