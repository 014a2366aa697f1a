/** One tick of a timer as a turn of its activation, and of no other. */
import { targetOf } from '../../actors/actor-type.ts'
import type { Activation } from '../activation/activation.ts'
import { internalCall } from './internal-turn.ts'

export function tickTimer(activation: Activation, name: string, method: string, args: readonly unknown[], keepAlive: boolean): Promise<void> {
  return new Promise((resolve, reject) => {
    const call = internalCall(activation.type, activation.id, `timer ${name}`, (running, instance) =>
      // The actor may have been activated anew while the tick waited.
      running === activation ? targetOf(activation.type, method).call(instance, ...args) : undefined, () => resolve(), reject)
    const { lastUsed } = activation
    activation.accept(call)
    if (!keepAlive) activation.lastUsed = lastUsed
  })
}
