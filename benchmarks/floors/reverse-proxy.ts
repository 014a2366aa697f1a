/**
 * A child process: the least that stands between a client and an application, a bare `node:http` reverse proxy. Bodies are piped both
 * ways, connections to the application are kept. What it leaves out is what a sidecar is for: whose turn it is, whose host.
 */
import { Agent, createServer, request } from 'node:http'
import type { AddressInfo } from 'node:net'
import { serveParent } from '../harness/serve-parent.ts'

const agent = new Agent({ keepAlive: true })
let appPort = 0

const server = createServer((incoming, outgoing) => {
  const onward = request({ agent, host: '127.0.0.1', port: appPort, method: incoming.method, path: incoming.url, headers: incoming.headers }, answer => {
    outgoing.writeHead(answer.statusCode ?? 502, answer.headers)
    answer.pipe(outgoing)
  })
  onward.on('error', () => outgoing.destroy())
  incoming.pipe(onward)
})

const api = {
  /** Port of the proxy to the application on `app`. */
  start: (app: number) => new Promise<number>((resolve, reject) => {
    appPort = app
    server.once('error', reject)
    server.listen(0, '127.0.0.1', () => resolve((server.address() as AddressInfo).port))
  }),
}
export type ReverseProxyApi = typeof api

serveParent(api)
