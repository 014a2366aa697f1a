/** A child process: one of two hosts; one sends, the other receives. */
import { createHost, type Host } from 'troupe'
import { keepInFlight } from '../harness/keep-in-flight.ts'
import type { Sample } from '../harness/sample.ts'
import { Scope } from '../harness/scope.ts'
import { serveParent } from '../harness/serve-parent.ts'
import { Receiver, Sender } from './scheduled.ts'

const scope = new Scope()
const PAIRS = 1000
const settleMs = 30_000

function sendingHost() {
  let host: Host | undefined

  /** `what`: the type that this host runs. */
  const start = async (store: string, what: 'Sender' | 'Receiver'): Promise<void> => {
    host = await createHost({ actors: [what === 'Sender' ? Sender : Receiver], store, hostId: what, checkReadonly: false })
    scope.defer(() => host!.stop())
  }

  const received = async (): Promise<number> => {
    const totals = await Promise.all(Array.from({ length: PAIRS }, (_, i) => host!.actor<Receiver>('Receiver', `r${i}`).total()))
    return totals.reduce((sum, total) => sum + total, 0)
  }

  /** Sends for `seconds`, then waits for the last to have arrived: all of that is the time it took. */
  async function measure(inFlight: number, seconds: number): Promise<Sample> {
    const senders = Array.from({ length: PAIRS }, (_, i) => host!.actor(Sender, `s${i}`))
    const before = await received()
    const start = performance.now()
    let next = 0
    const sent = await keepInFlight({ inFlight, seconds, process: 'sender' }, () => {
      const index = next++
      return senders[index % PAIRS]!.tell(`r${(index * 7) % PAIRS}`)
    })
    const deadline = performance.now() + settleMs
    for (let arrived = 0; arrived < sent.operations;) {
      arrived = await received() - before
      if (arrived > sent.operations) throw new Error(`${sent.operations} were sent, ${arrived} arrived`)
      if (performance.now() > deadline) throw new Error(`${sent.operations} were sent, only ${arrived} arrived`)
      if (arrived < sent.operations) await new Promise(resolve => setTimeout(resolve, 2))
    }
    return { ...sent, seconds: (performance.now() - start) / 1000 }
  }

  return { start, measure, stop: () => scope[Symbol.asyncDispose]() }
}
export type SendingHostApi = ReturnType<typeof sendingHost>

serveParent(sendingHost())
