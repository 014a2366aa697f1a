/** A durable send on its way to its target: a call that takes effect once there, whichever host it lives on. */
import { LocalCall, Once, type Invocation } from '../../actors/invocation.ts'
import { copy, decode, isPrimitive } from '../../core/codec.ts'
import { showKey } from '../../core/ids.ts'
import type { ActorAddress } from '../../stores/actor-store.ts'
import type { Send } from './send-row.ts'

/** Resolves when it is durable at the target. */
export function deliverSend(route: (call: Invocation) => void, timeoutMs: number, sender: ActorAddress, send: Send, previous: number | undefined): Promise<void> {
  return new Promise((resolve, reject) => {
    // Each delivery has its own: a turn that failed may have changed them.
    const args = send.args instanceof Uint8Array ? decode(send.args, 'args', 'STATE_UNREADABLE') as unknown[]
      : send.args.every(isPrimitive) ? send.args : copy(send.args, 'args')
    route(new LocalCall({
      typeName: send.typeName, id: send.id, methodName: send.method, args, timeoutMs, parent: undefined,
      once: new Once({ sender: showKey(sender), number: send.number, previous }),
    }, () => resolve(), reject))
  })
}
