/**
 * A child process: the least application that runs Dapr actors over HTTP. Methods answer with their own body; reminders are noted
 * with how late they came, which their names tell (`late-reminder.ts`).
 */
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { serveParent } from '../harness/serve-parent.ts'
import { readLateReminder } from './late-reminder.ts'

let type = ''
/** By round: lateness in ms of each reminder that came, by its name. It may come again; the first time counts. */
const rounds = new Map<string, Map<string, number>>()

const server = createServer((request, response) => {
  const path = request.url ?? '/'
  if (request.method === 'GET') return answer(response, path === '/dapr/config' ? 200 : path === '/healthz' ? 204 : 404, path === '/dapr/config' ? config() : '')
  if (request.method === 'DELETE') return answer(response, 200, '')
  const remind = /\/method\/remind\/([^/?]+)$/.exec(path)?.[1]
  if (remind !== undefined) note(decodeURIComponent(remind))
  echo(request, response, remind === undefined)
})

const config = (): string => JSON.stringify({ entities: [type], actorIdleTimeout: '1h', drainOngoingCallTimeout: '5s', drainRebalancedActors: true })

function note(name: string): void {
  const at = performance.timeOrigin + performance.now()
  const due = readLateReminder(name)
  if (due === undefined) return
  const seen = rounds.get(due.round) ?? new Map<string, number>()
  rounds.set(due.round, seen)
  if (!seen.has(name)) seen.set(name, at - due.dueMs)
}

function echo(request: IncomingMessage, response: ServerResponse, withBody: boolean): void {
  const chunks: Buffer[] = []
  request.on('data', (chunk: Buffer) => chunks.push(chunk))
  request.on('end', () => answer(response, 200, withBody ? chunks.length === 1 ? chunks[0]! : Buffer.concat(chunks) : ''))
}

function answer(response: ServerResponse, status: number, body: string | Buffer): void {
  response.writeHead(status, status === 204 ? {} : { 'content-type': 'application/json', 'content-length': Buffer.byteLength(body) })
  response.end(body)
}

const api = {
  /** Port of the application, which runs actors of `actorType`; 0 lets the system choose. */
  start: (actorType: string, port: number) => new Promise<number>((resolve, reject) => {
    type = actorType
    server.once('error', reject)
    server.listen(port, '127.0.0.1', () => resolve((server.address() as AddressInfo).port))
  }),
  arrived: (round: string): number => rounds.get(round)?.size ?? 0,
  /** Lateness in ms of those that came; the round is forgotten. */
  latenessMs: (round: string): number[] => {
    const seen = [...rounds.get(round)?.values() ?? []]
    rounds.delete(round)
    return seen
  },
}
export type DaprAppApi = typeof api

serveParent(api)
