/** A host that nobody can take over from serves until its doors are closed: what it has taken on is answered, and it stops at once. */
import { Agent, request } from 'node:http'
import { expect, test } from 'vitest'
import { Actor, createHost, httpGateway } from 'troupe'
import { lmdbFolder } from '../unit/activation/running-host.ts'

class Counter extends Actor {
  count = 0
  add(): number {
    return ++this.count
  }
}

test('a lone host on a shared store', async () => {
  const host = await createHost({ actors: [Counter], store: lmdbFolder(), gateways: [httpGateway({ port: 0 })] })
  const agent = new Agent({ keepAlive: true, maxSockets: 16 })
  const outcomes = new Map<string, number>()
  const call = (i: number): Promise<string> => new Promise(resolve => {
    const outgoing = request(`${host.addresses.http}/v1.0/actors/Counter/c${i}/method/add`, { method: 'POST', agent }, response => {
      response.resume()
      response.on('end', () => resolve(String(response.statusCode)))
      response.on('aborted', () => resolve('cut off'))
    })
    outgoing.on('error', error => resolve((error as NodeJS.ErrnoException).code ?? error.message))
    outgoing.end()
  })
  const clients = Array.from({ length: 16 }, async (_, i) => {
    for (let outcome = '200'; outcome === '200';) {
      outcome = await call(i)
      outcomes.set(outcome, (outcomes.get(outcome) ?? 0) + 1)
    }
  })
  await new Promise(resolve => setTimeout(resolve, 300))
  const sinceMs = performance.now()
  await host.stop()
  expect(performance.now() - sinceMs).toBeLessThan(4_000)
  await Promise.all(clients)
  agent.destroy()
  // Each client ends by finding the door closed, once.
  outcomes.delete('ECONNREFUSED')
  expect([...outcomes.keys()]).toEqual(['200'])
})
