/** A child process: load on an HTTP server over keep-alive connections, one request at a time on each. */
import { keepInFlight } from '../harness/keep-in-flight.ts'
import type { Sample } from '../harness/sample.ts'
import { serveParent } from '../harness/serve-parent.ts'
import { HttpConnection } from './http-connection.ts'
import { requestOf } from './http-message.ts'

export interface HttpLoad {
  readonly port: number
  readonly connections: number
  readonly seconds: number
  /** The requests' paths with `{id}` in them. */
  readonly path: string
  /** Requests go to this many ids in turn; 0: to an id that was never used before, each. */
  readonly ids: number
  readonly body: string
}

function httpLoad() {
  // Ids that were never used stay so over all measurements of this process.
  let fresh = 0

  async function measure(load: HttpLoad): Promise<Sample> {
    const request = (id: string) => requestOf('POST', load.path.replace('{id}', id), load.body)
    const prepared = Array.from({ length: load.ids }, (_, index) => request(`c${index}`))
    let turn = 0
    const next = load.ids === 0 ? () => request(`fresh${fresh++}`) : () => prepared[turn++ % load.ids]!
    const connections = await Promise.all(Array.from({ length: load.connections }, () => HttpConnection.open(load.port)))
    try {
      return await keepInFlight({ inFlight: load.connections, seconds: load.seconds, process: 'load' }, slot => connections[slot]!.exchange(next()))
    } finally {
      for (const connection of connections) connection.close()
    }
  }
  return { measure }
}
export type HttpLoadApi = ReturnType<typeof httpLoad>

serveParent(httpLoad())
