/** Reminders, their errors, and idempotency keys through any host of a cluster, whoever owns the actor; and after the owner has died. */
import { afterAll, beforeAll, expect, it } from 'vitest'
import { TestProcesses, type RunningHost } from './processes.ts'

const clerkApp = `
import { Actor } from 'troupe'
export class Clerk extends Actor {
  seen: unknown[] = []
  onReminder(name: string, data: unknown) { this.seen.push([name, data]) }
  read() { return this.seen }
  add(n: unknown) { this.seen.push(n); return this.seen.length }
}
`
let processes: TestProcesses
let a: RunningHost, b: RunningHost
beforeAll(async () => {
  processes = new TestProcesses()
  const app = processes.write('clerk.ts', clerkApp)
  const { address } = await processes.placement()
  ;[a, b] = await Promise.all(['a', 'b'].map(name => processes.host(name, { placement: address, apps: [app] }))) as [RunningHost, RunningHost]
})
afterAll(() => processes[Symbol.asyncDispose]())

const ids = Array.from({ length: 16 }, (_, i) => `id${i}`)

async function ask(host: RunningHost, path: string, init: RequestInit = {}): Promise<{ status: number; body: any; host: string | null }> {
  const response = await fetch(host.http + path, { signal: AbortSignal.timeout(20_000), ...init })
  const text = await response.text()
  return { status: response.status, body: text === '' ? undefined : JSON.parse(text) as unknown, host: response.headers.get('troupe-host') }
}
const reminder = (id: string, name: string): string => `/v1.0/actors/Clerk/${id}/reminders/${name}`
const put = (body: unknown): RequestInit => ({ method: 'PUT', body: JSON.stringify(body) })
const read = async (host: RunningHost, id: string) => (await ask(host, `/v1.0/actors/Clerk/${id}/method/read`)).body as unknown[]

it('every host answers for every actor', async () => {
  const owners = new Set<string | null>()
  for (const id of ids) {
    expect((await ask(a, reminder(id, 'far'), put({ dueTime: '2099-01-01T00:00:00Z', data: { id } }))).status).toBe(204)
    expect(await ask(b, reminder(id, 'far'))).toMatchObject({ status: 200, body: { actorID: id, data: { id }, dueTime: '2099-01-01T00:00:00Z' } })
    expect(await ask(b, reminder(id, 'far'), put({ dueTime: '1s', overwrite: false }))).toMatchObject({ status: 409, body: { message: 'actor reminder already exists: far' } })
    owners.add((await ask(a, `/v1.0/actors/Clerk/${id}/method/read`)).host)
  }
  expect(owners).toEqual(new Set(['a', 'b']))
  const seen = (await ask(b, '/troupe/v1/reminders/Clerk?limit=1000')).body.reminders.map((r: { id: string }) => r.id)
  expect(seen.sort()).toEqual([...ids].sort())
})

it('a repeat through another host gets the stored reply', async () => {
  for (const id of ids.slice(0, 4)) {
    const call = (host: RunningHost, n: number) => ask(host, `/v1.0/actors/Clerk/${id}/method/add`, { method: 'POST', body: String(n), headers: { 'Idempotency-Key': 'k' } })
    expect((await call(a, 5)).body).toBe(1)
    expect((await call(b, 5)).body).toBe(1)
    expect(await call(b, 6)).toMatchObject({ status: 409, body: { code: 'IDEMPOTENCY_CONFLICT' } })
  }
})

it('what was set fires once after its owner has died, and the rest is still there', async () => {
  for (const id of ids) expect((await ask(b, reminder(id, 'soon'), put({ dueTime: '700ms', data: id }))).status).toBe(204)
  await b.process.stop('SIGKILL')
  for (const id of ids) {
    await expect.poll(async () => (await read(a, id)).filter(Array.isArray), { timeout: 15_000 }).toEqual([['soon', id]])
    expect((await ask(a, `/v1.0/actors/Clerk/${id}/reminders`)).body.reminders.map((r: { name: string }) => r.name)).toEqual(['far'])
  }
})
