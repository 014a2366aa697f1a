/** What `OnceCalls` sees of its activation. */
import type { Invocation } from '../../actors/invocation.ts'
import type { Activation } from './activation.ts'
import type { OnceHost } from './once-calls.ts'
import type { Held } from './turn.ts'

export function onceHost(
  activation: Activation, admit: (call: Invocation) => void, isInsideTurn: (call: Invocation) => boolean, answer: (held: Held) => void,
): OnceHost {
  const { services } = activation
  return {
    hostId: services.hostId,
    epoch: activation.epoch,
    address: activation.address,
    get begun() { return activation.fields !== undefined },
    get unstored() { return activation.unstored },
    keepRepliesMs: activation.type.keepRepliesMs,
    maxPayloadBytes: services.maxPayloadBytes,
    room: activation.type.mailbox,
    loads: services.loads,
    get tally() { return activation.entries.tally },
    wallMs: services.wallMs,
    watch: call => void services.watch(call),
    find: entry => activation.entries.find(entry),
    write: change => activation.entries.write(change),
    retally: part => activation.entries.retally(part),
    admit,
    isInsideTurn,
    answer,
  }
}
