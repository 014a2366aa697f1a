// How failures are shown, and which exit code they have.
import { describe, expect, it } from 'vitest'
import { ActorError } from '../../../actors/errors.ts'
import { callFailureLine, exitCodeOf, failureLine } from '../../../cli/failure.ts'
import { TroupeError } from '../../../core/errors.ts'

class Odd extends ActorError<{ n: number }> { static readonly code = 'ODD' }
class Plain extends ActorError {}

describe('a failure', () => {
  it('is one line with its code', () => {
    expect(failureLine(new TroupeError('PORT_TAKEN', 'port 1 is taken\n  by another'))).toBe('troupe: PORT_TAKEN: port 1 is taken by another')
    expect(failureLine(new Error('x'))).toBe('troupe: INTERNAL: x')
    expect(failureLine('x')).toBe('troupe: INTERNAL: x')
    expect(failureLine(null)).toBe('troupe: INTERNAL: a non-error was thrown: null')
  })

  it('of a call says what is proved', () => {
    expect(callFailureLine(new TroupeError('MAILBOX_FULL', 'full'))).toBe('troupe: MAILBOX_FULL: full (executed: no, retryable: yes)')
    expect(callFailureLine(new Odd({ n: 3 }))).toBe('troupe: ODD: {"n":3} (executed: yes, retryable: no)')
    expect(callFailureLine(new Odd({ n: 3 }, 'three is odd'))).toBe('troupe: ODD: three is odd (executed: yes, retryable: no)')
    expect(callFailureLine(new Plain())).toBe('troupe: Plain (executed: yes, retryable: no)')
    expect(callFailureLine(new Error('x'))).toBe('troupe: INTERNAL: x')
  })

  it('ends with 2 when the command was wrong, else with 1', () => {
    expect(exitCodeOf(new TroupeError('BAD_OPTION', ''))).toBe(2)
    expect(exitCodeOf(new TroupeError('PORT_TAKEN', ''))).toBe(1)
    expect(exitCodeOf(undefined)).toBe(1)
  })
})
