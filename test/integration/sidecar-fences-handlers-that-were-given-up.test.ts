// P4 for applications: a handler whose sidecar was frozen and lost its actors stores nothing any more.
import { expect, it, onTestFinished } from 'vitest'
import { ask, DaprApplication } from './dapr-application.ts'
import { TestProcesses } from './processes.ts'

const upsert = (n: number): string => JSON.stringify([{ operation: 'upsert', request: { key: 'n', value: n } }])
const PATH = '/actors/Cart/ada'

it('a frozen sidecar whose actor is run elsewhere meanwhile takes no state from the handler that waited', async () => {
  await using processes = new TestProcesses()
  const sidecar = async (name: string) => {
    const app = await new DaprApplication({ entities: ['Cart'] }).start()
    onTestFinished(() => app.stop())
    const process = processes.start(name, [
      'sidecar', '--app-id', name, '--app-port', String(app.port), '--dapr-http-port', '0', '--dapr-grpc-port', 'off', '--store', processes.store, '--log-format', 'json',
    ])
    const { http } = await process.ready()
    return { app, process, http: String(http) }
  }
  const one = await sidecar('one')
  const held = Promise.withResolvers<void>()
  const late = Promise.withResolvers<{ status: number; text: string }>()
  one.app.on('slow', async () => {
    expect((await ask(one.http, 'POST', `${PATH}/state`, upsert(1))).status).toBe(204)
    await held.promise
    late.resolve(await ask(one.http, 'POST', `${PATH}/state`, upsert(100)))
    return ''
  })
  const slow = ask(one.http, 'POST', `${PATH}/method/slow`).catch(() => undefined)
  await one.app.until(() => one.app.of('slow').length === 1, 'the turn')
  await expect.poll(async () => (await ask(one.http, 'GET', `${PATH}/state/n`)).text).toBe('1')

  const two = await sidecar('two')
  two.app.on('next', async () => {
    const n = Number((await ask(two.http, 'GET', `${PATH}/state/n`)).text) + 1
    return { status: (await ask(two.http, 'POST', `${PATH}/state`, upsert(n))).status === 204 ? 200 : 500, body: String(n) }
  })
  one.process.signal('SIGSTOP')
  // Its lease ends, the other one takes over.
  await expect.poll(async () => (await ask(two.http, 'POST', `${PATH}/method/next`)).text, { timeout: 15_000 }).toBe('2')
  one.process.signal('SIGCONT')
  held.resolve()
  const answer = await late.promise
  expect(answer.status).toBeGreaterThanOrEqual(400)
  await slow
  expect((await ask(two.http, 'GET', `${PATH}/state/n`)).text).toBe('2')
  await one.app.until(() => one.app.deactivated.includes('ada'), 'the application is told to forget the actor')
})
