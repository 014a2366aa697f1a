/** One tick of a timer as a turn of its activation, and of no other. */
import type { Actor } from '../../actors/actor.ts'
import { targetOf, type AppHosting } from '../../actors/actor-type.ts'
import { turnScope } from '../../actors/invocation.ts'
import type { Activation } from '../activation/activation.ts'
import { callBack } from '../activation/app-turn.ts'
import { internalCall } from './internal-turn.ts'

export function tickTimer(activation: Activation, name: string, method: string, args: readonly unknown[], keepAlive: boolean): Promise<void> {
  return new Promise((resolve, reject) => {
    const call = internalCall(activation.type, activation.id, `timer ${name}`, (running, instance) =>
      // The actor may have been activated anew while the tick waited.
      running === activation ? tick(activation, instance, name, method, args) : undefined, () => resolve(), reject)
    const { lastUsed } = activation
    activation.accept(call)
    if (!keepAlive) activation.lastUsed = lastUsed
  })
}

function tick(activation: Activation, instance: Actor, name: string, method: string, args: readonly unknown[]): unknown {
  const { type } = activation
  return type.app === undefined ? targetOf(type, method).call(instance, ...args) : tickOfApp(activation, type.app, name, method, args)
}

async function tickOfApp(activation: Activation, app: AppHosting, name: string, callback: string, args: readonly unknown[]): Promise<void> {
  const [data, dueTime, period] = args as readonly [string | undefined, string, string]
  const { cancel } = await callBack(activation, turnScope.getStore()!, app, 'tick', { name, data, dueTime, period, callback })
  if (cancel && app.mayCancel) activation.timers.delete(name)
}
