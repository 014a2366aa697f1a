import { describe, expect, it } from 'vitest'
import { TroupeError } from '../../../../core/errors.ts'
import { AppGate } from '../../../../gateway/dapr/channel/app-gate.ts'

const never = new AbortController().signal

describe('the gate of an application', () => {
  it('lets so many in at once, and the rest in the order they came', async () => {
    const gate = new AppGate(2, 10)
    expect([gate.enter('1', never), gate.enter('2', never)]).toEqual([undefined, undefined])
    const seen: string[] = []
    const waiting = ['3', '4', '5'].map(name => gate.enter(name, never)!.then(() => seen.push(name)))
    gate.leave()
    await waiting[0]
    expect(seen).toEqual(['3'])
    gate.leave()
    gate.leave()
    await Promise.all(waiting)
    expect(seen).toEqual(['3', '4', '5'])
    gate.leave()
    gate.leave()
    expect(gate.enter('6', never)).toBeUndefined()
  })

  it('forgets who gave up, and says that nothing was sent', async () => {
    const gate = new AppGate(1, 10)
    void gate.enter('1', never)
    const quitter = new AbortController()
    const gone = gate.enter('2', quitter.signal)!
    const patient = gate.enter('3', never)!
    quitter.abort(new TroupeError('TURN_TIMEOUT', 'too long'))
    await expect(gone).rejects.toMatchObject({ code: 'TURN_TIMEOUT', executed: 'no', message: 'too long' })
    gate.leave()
    await patient
    await expect(gate.enter('4', AbortSignal.abort())).rejects.toMatchObject({ code: 'CANCELLED', executed: 'no' })
  })

  it('refuses when its line is full', async () => {
    const gate = new AppGate(1, 1)
    void gate.enter('1', never)
    void gate.enter('2', never)
    await expect(gate.enter('/actors/T/i', never)).rejects.toMatchObject({
      code: 'OVERLOADED', executed: 'no', message: expect.stringContaining('/actors/T/i: 1 requests to the application are under way and 1 wait') as string,
    })
  })
})
