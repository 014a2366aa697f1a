/** The thread of a lease that crashes a moment after it has taken up its lease, each time. */
import { parentPort } from 'node:worker_threads'

const port = parentPort!
const post = port.postMessage.bind(port)
port.postMessage = (said: { kind: string }): void => {
  post(said)
  if (said.kind === 'opened') setTimeout(() => { throw new Error('crashed on purpose') }, 50)
}
await import('../../placement/lease-worker.ts')
