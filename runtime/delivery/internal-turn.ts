/** Turns that the runtime itself runs on an actor of this host: reminders, timers, sweeps. They never go to another host. */
import type { Actor } from '../../actors/actor.ts'
import type { ActorType, Method } from '../../actors/actor-type.ts'
import { LocalCall, type Invocation } from '../../actors/invocation.ts'
import type { Activation } from '../activation/activation.ts'

/** Longest wait for a place before the turn; the turn's own time is its type's `turnTimeout`. */
const WAIT_MS = 60_000

export type InternalRun = (activation: Activation, instance: Actor) => unknown

/** A call that runs `run` as an exclusive turn; `name` is what messages and chains show. */
export function internalCall(
  type: ActorType, id: string, name: string, run: InternalRun, resolve: (value: unknown) => void, reject: (error: unknown) => void,
): Invocation {
  const call = new LocalCall(
    { typeName: type.name, id, methodName: name, args: [], timeoutMs: type.turnTimeoutMs + WAIT_MS, parent: undefined, kind: 'internal' }, resolve, reject)
  const method: Method = {
    name, readonly: false, stream: false, input: undefined,
    run(this: Actor) { return run(call.gate as Activation, this) },
  }
  call.method = method
  return call
}
