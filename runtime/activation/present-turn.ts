/** The turn that is running now on an activation: what `ctx` belongs to. */
import { turnScope, type Invocation } from '../../actors/invocation.ts'
import { TroupeError } from '../../core/errors.ts'
import type { Activation } from './activation.ts'
import { isReadonly } from './admission.ts'

/** @throws OUTSIDE_TURN */
export function presentTurn(activation: Activation, what: string): Invocation {
  const turn = turnScope.getStore()
  if (turn !== undefined && turn.turnPhase === 'running' && turn.id === activation.id && turn.typeName === activation.type.name && activation.phase !== 'ended') return turn
  throw new TroupeError('OUTSIDE_TURN', `${activation.name}: ${what} was used outside a turn; await everything before the method returns`)
}

/** @throws OUTSIDE_TURN · READONLY_VIOLATION */
export function writableTurn(activation: Activation, what: string): Invocation {
  const turn = presentTurn(activation, what)
  if (!isReadonly(turn)) return turn
  throw new TroupeError('READONLY_VIOLATION', `${activation.name}.${turn.methodName} is declared readonly and may not use ${what}`)
}
