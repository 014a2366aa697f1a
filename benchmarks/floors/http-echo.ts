/** A child process: bare `node:http` that answers each request with its own body. */
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { serveParent } from '../harness/serve-parent.ts'

const server = createServer((request, response) => {
  const chunks: Buffer[] = []
  request.on('data', (chunk: Buffer) => chunks.push(chunk))
  request.on('end', () => {
    const body = chunks.length === 1 ? chunks[0]! : Buffer.concat(chunks)
    response.writeHead(200, { 'content-type': 'application/json', 'content-length': body.length })
    response.end(body)
  })
})

const api = {
  /** Port of the echo. */
  start: () => new Promise<number>((resolve, reject) => {
    server.once('error', reject)
    server.listen(0, '127.0.0.1', () => resolve((server.address() as AddressInfo).port))
  }),
}
export type HttpEchoApi = typeof api

serveParent(api)
