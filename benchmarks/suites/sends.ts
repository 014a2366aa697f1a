/**
 * `sends`: durable sends from actors of one host to actors of another, from the turn that sends to the turn that is durable
 * there. The floor is one bare durable put an operation, where the send's own row lies: under its actor.
 */
import { openBareLmdb } from '../floors/bare-lmdb.ts'
import { withCpuOf } from '../harness/cpu.ts'
import { keepInFlight } from '../harness/keep-in-flight.ts'
import type { RateCase, Suite } from '../harness/suite.ts'
import { counterBytes } from '../subjects/counter-bytes.ts'
import { ReminderPlans } from '../subjects/reminder-plans.ts'
import type { SendingHostApi } from '../subjects/sending-host.ts'

const sends = (inFlight: number): RateCase => ({
  kind: 'rate', name: 'LMDB, 1,000 senders to 1,000 targets, two hosts', inFlight, floor: 'LMDB: awaited fsynced put of lmdb, each to a fresh key under its actor', atLeast: 0.2, warmUp: 3,
  async open(scope) {
    const store = `lmdb:${scope.folder()}`
    const start = async (what: 'Sender' | 'Receiver') => {
      const host = await scope.child<SendingHostApi>(new URL('../subjects/sending-host.ts', import.meta.url))
      await host.ask('start', store, what)
      return host
    }
    const receiver = await start('Receiver')
    const sender = await start('Sender')
    const bare = openBareLmdb(scope, await counterBytes())
    let put = 0
    return {
      floor: seconds => keepInFlight({ inFlight, seconds }, () => bare.put(ReminderPlans.rowKey(put++))),
      subject: seconds => withCpuOf({ receiver }, () => sender.ask('measure', inFlight, seconds)),
    }
  },
})

export const suite: Suite = {
  name: 'sends',
  title: 'durable sends between two hosts',
  cases: [sends(64), sends(256)],
}
