/**
 * `troupe run` with a real application: a program that knows nothing of Troupe finds its sidecar in its environment, its actors
 * answer by it, and both end together, in order.
 */
import { readFileSync } from 'node:fs'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { callHttp, TestProcesses, type TroupeProcess } from './processes.ts'

let processes: TestProcesses
beforeEach(() => { processes = new TestProcesses() })
afterEach(() => processes[Symbol.asyncDispose]())

/** Actors of the type Echo over Dapr's protocol; a method named `slow` takes a while, one named `end` ends the program with its body as exit code. */
const application = `
  import { createServer } from 'node:http'
  const server = createServer(async (request, response) => {
    let body = ''
    for await (const chunk of request) body += chunk
    const method = request.url.split('/').pop()
    if (request.url === '/dapr/config') return response.end(JSON.stringify({ entities: ['Echo'] }))
    if (!request.url.startsWith('/actors/')) return response.writeHead(404).end()
    if (method === 'end') process.exit(Number(body))
    if (method === 'slow') { console.log('turn begins'); await new Promise(resolve => setTimeout(resolve, 1000)); console.log('turn ends') }
    response.setHeader('content-type', 'application/json')
    response.end(JSON.stringify([process.env.APP_ID, method, body]))
  })
  process.on('SIGTERM', () => { console.log('told to end'); process.exit(0) })
  server.listen(Number(process.env.APP_PORT), '127.0.0.1', () => console.log('listens', process.env.DAPR_HTTP_PORT))
`

async function freePort(): Promise<number> {
  const { createServer } = await import('node:net')
  const server = createServer()
  await new Promise<void>(resolve => { server.listen(0, '127.0.0.1', resolve) })
  const { port } = server.address() as { port: number }
  await new Promise(resolve => { server.close(resolve) })
  return port
}

async function run(...flags: string[]): Promise<{ process: TroupeProcess; http: string }> {
  const app = processes.write('app.mjs', application)
  const port = await freePort()
  const started = processes.start('run', ['run', '--app-id', 'shop', '--app-port', String(port), '--store', 'memory:', ...flags, '--', process.execPath, app])
  const { http } = await started.ready()
  await started.waitFor('the application', p => (p.stdout.includes(`== APP == listens ${new URL(String(http)).port}\n`) ? true : undefined))
  return { process: started, http: String(http) }
}

describe('troupe run', () => {
  it('brings an application and its sidecar together', async () => {
    const { process, http } = await run()
    expect(await callHttp(http, 'Echo', 'one', 'say', 'x')).toMatchObject({ status: 200, body: ['shop', 'say', '["x"]'] })
    expect(await process.stop()).toEqual({ code: 0, signal: null })
    expect(process.stdout).toContain('== APP == told to end')
  })

  it('lets a running turn end before the application is told to', async () => {
    const { process, http } = await run()
    const call = callHttp(http, 'Echo', 'one', 'slow')
    await process.waitFor('the turn', p => (p.stdout.includes('turn begins') ? true : undefined))
    expect(await process.stop()).toEqual({ code: 0, signal: null })
    expect(await call).toMatchObject({ status: 200 })
    expect(process.stdout.indexOf('turn ends')).toBeLessThan(process.stdout.indexOf('told to end'))
  })

  it('ends with the exit code of the application', async () => {
    const { process, http } = await run()
    const call = fetch(`${http}/v1.0/actors/Echo/one/method/end`, { method: 'POST', body: '5' }).catch(() => undefined)
    expect(await process.ended()).toEqual({ code: 5, signal: null })
    await call
  })

  it('ends when a client asks for it', async () => {
    const { process, http } = await run()
    expect((await fetch(`${http}/v1.0/shutdown`, { method: 'POST' })).status).toBe(204)
    expect(await process.ended()).toEqual({ code: 0, signal: null })
    expect(process.stdout).toContain('== APP == told to end')
  })

  it("has the README's application count, and go on counting when it is started again", async () => {
    const text = readFileSync(new URL('../../README.md', import.meta.url), 'utf8')
    const app = processes.write('app.mjs', /```js\n(\/\*\* app\.mjs[\s\S]*?)```/.exec(text)![1]!)
    const port = await freePort()
    for (const expected of [1, 3]) {
      const started = processes.start('run', ['run', '--app-id', 'shop', '--app-port', String(port), '--', process.execPath, app])
      const http = String((await started.ready()).http)
      const response = await fetch(`${http}/v1.0/actors/Cart/ada/method/add`, { method: 'POST' })
      expect([response.status, await response.text()]).toEqual([200, String(expected)])
      expect(await processes.run(['call', 'Cart/ada', 'add', '--to', http])).toMatchObject({ code: 0, stdout: `${expected + 1}\n` })
      expect(await started.stop()).toMatchObject({ code: expect.any(Number) as number })
    }
  }, 40_000)

  it("starts though nothing listens at Dapr's placement and scheduler, and says once that they change nothing", async () => {
    const { process } = await run('--placement-host-address', 'localhost:50005', '--scheduler-host-address', 'localhost:50006', '--metrics-port', '9090')
    expect(process.lines.filter(l => l.level === 'warn' && Array.isArray(l.flags)).map(l => l.flags)).toEqual([['--placement-host-address', '--scheduler-host-address', '--metrics-port']])
    expect(await process.stop()).toEqual({ code: 0, signal: null })
  })
})
