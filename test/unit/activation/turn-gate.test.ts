// Every combination of the gate's inputs against a slow model that keeps the turns themselves.
import { describe, expect, it } from 'vitest'
import { admit, type Admission, type GateCall, type GateState } from '../../../runtime/activation/turn-gate.ts'

const booleans = [false, true] as const

interface Combination {
  readonly state: GateState
  readonly call: GateCall
}

function* combinations(): Iterable<Combination> {
  for (const open of booleans) for (const exclusive of booleans) for (const readers of [0, 1, 2]) for (const waiting of [0, 1, 3]) {
    for (const readonly of booleans) for (const reentrant of booleans) for (const chainHasExclusive of booleans) for (const chainHasOuter of booleans) for (const chainHasReader of booleans) {
      // What cannot be: a turn in the chain that does not run.
      if ((chainHasExclusive || chainHasOuter) && !exclusive) continue
      if (chainHasReader && readers === 0) continue
      yield { state: { open, exclusive, readers, waiting }, call: { readonly, reentrant, chainHasExclusive, chainHasOuter, chainHasReader } }
    }
  }
}

/** The promises, one after another, each said for itself. */
function model({ state, call }: Combination): Admission {
  const own = call.chainHasExclusive || call.chainHasOuter || call.chainHasReader
  const turns = [...Array<'w'>(state.exclusive ? 1 : 0).fill('w'), ...Array<'r'>(state.readers).fill('r')]
  if (!own) {
    // A stranger: in order of arrival, alone or among readers.
    if (!state.open || state.waiting > 0) return 'wait'
    if (turns.includes('w')) return 'wait'
    return turns.length === 0 || call.readonly ? 'run' : 'wait'
  }
  if (!state.exclusive) return call.readonly ? 'run' : 'cycle'
  if (!call.reentrant) return 'cycle'
  if (!call.chainHasExclusive) return 'wait'
  if (call.readonly) return 'reenter'
  if (call.chainHasReader) return 'cycle'
  return state.readers > 0 ? 'wait' : 'reenter'
}

describe('the turn gate', () => {
  it('decides every combination as the model does', () => {
    const wrong = [...combinations()].filter(c => admit(c.state, c.call) !== model(c)).map(c => ({ ...c, got: admit(c.state, c.call), expected: model(c) }))
    expect(wrong).toEqual([])
    expect([...combinations()].length).toBeGreaterThan(300)
  })

  it('never starts a writer beside a turn that is not in its chain', () => {
    for (const { state, call } of combinations()) {
      const admission = admit(state, call)
      if (call.readonly || (admission !== 'run' && admission !== 'reenter')) continue
      expect(state.readers, JSON.stringify({ state, call })).toBe(0)
      if (state.exclusive) expect([admission, call.chainHasExclusive]).toEqual(['reenter', true])
    }
  })

  it('never lets a call wait for a turn that waits for it', () => {
    for (const { state, call } of combinations()) {
      if (admit(state, call) !== 'wait' || !call.chainHasReader || state.exclusive) continue
      expect.unreachable(JSON.stringify({ state, call }))
    }
  })

  it('never lets a stranger overtake', () => {
    for (const { state, call } of combinations()) {
      const own = call.chainHasExclusive || call.chainHasOuter || call.chainHasReader
      if (!own && state.waiting > 0) expect(admit(state, call)).toBe('wait')
    }
  })
})
