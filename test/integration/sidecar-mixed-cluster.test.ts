// TypeScript hosts and sidecars of applications are one cluster on one store: any calls any, over any door.
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, it, onTestFinished } from 'vitest'
import { connect } from '../../gateway/client.ts'
import { Actor, createHost, httpGateway, type Host } from '../../index.ts'
import { ask, DaprApplication } from './dapr-application.ts'
import { sidecarOf } from './running-sidecar.ts'

class Ledger extends Actor {
  total = 0
  add(n: number) {
    this.total += n
    return this.total
  }
  /** Calls an actor of another language. */
  async pass(type: string, id: string, n: number): Promise<unknown> {
    const ref = this.ctx.actor(type, id) as unknown as { add(n: number): Promise<unknown> }
    return ref.add(n)
  }
  onReminder(name: string, data: unknown) {
    this.total += (data as { n: number }).n
    return void name
  }
}

function storeOf(): string {
  const folder = mkdtempSync(join(tmpdir(), 'troupe-mixed-'))
  onTestFinished(() => { rmSync(folder, { recursive: true, force: true }) })
  return `lmdb:${folder}`
}

/** An application that counts in its sidecar's state, as SDKs do. */
async function counting(type: string, store: string): Promise<{ app: DaprApplication; http: string; stop(): Promise<void> }> {
  const app = await new DaprApplication({ entities: [type] }).start()
  onTestFinished(() => app.stop())
  const sidecar = await sidecarOf({ appPort: app.port, store, appId: type.toLowerCase() })
  app.on('add', async ({ body }, id) => {
    const stored = await ask(sidecar.http, 'GET', `/actors/${type}/${id}/state/n`)
    const n = Number(stored.text === '' ? 0 : stored.text) + Number(body)
    const saved = await ask(sidecar.http, 'POST', `/actors/${type}/${id}/state`, JSON.stringify([{ operation: 'upsert', request: { key: 'n', value: n } }]))
    return saved.status === 204 ? String(n) : { status: 500, body: saved.text }
  })
  app.on('callLedger', async (_, id) => {
    const { status, text } = await ask(sidecar.http, 'POST', `/actors/Ledger/${id}/method/add`, '7')
    return { status, body: text }
  })
  return { app, http: sidecar.http, stop: () => sidecar.stop() }
}

async function hostOf(store: string): Promise<{ host: Host; http: string }> {
  const host = await createHost({ actors: [Ledger], store, gateways: [httpGateway({ port: 0 })] })
  onTestFinished(() => host.stop())
  return { host, http: host.addresses.http! }
}

const eventuallyServed = (ask: () => Promise<{ status: number; text: string }>) => expect.poll(async () => (await ask()).status, { timeout: 15_000 }).toBe(200)

describe('a cluster of a TypeScript host and two applications', () => {
  it('lets any call any, by any door', async () => {
    const store = storeOf()
    const [host, py, go] = [await hostOf(store), await counting('PyCounter', store), await counting('GoCounter', store)]
    for (const door of [host.http, py.http, go.http]) {
      for (const type of ['PyCounter', 'GoCounter', 'Ledger']) await eventuallyServed(() => ask(door, 'POST', `/actors/${type}/warm/method/add`, '0'))
    }
    // From each door to each type: every reply is one more.
    for (const type of ['PyCounter', 'GoCounter', 'Ledger']) {
      const replies = []
      for (const door of [host.http, py.http, go.http]) replies.push((await ask(door, 'POST', `/actors/${type}/ada/method/add`, '5')).text)
      expect(replies).toEqual(['5', '10', '15'])
    }
    // From a class to an application, and from an application to a class.
    expect((await ask(go.http, 'POST', '/actors/Ledger/bob/method/pass', '["PyCounter","bob",3]')).text).toBe('3')
    expect((await ask(host.http, 'POST', '/actors/PyCounter/eve/method/callLedger')).text).toBe('7')
  })

  it('answers a TypeScript client, whatever the application calls its answer', async () => {
    const store = storeOf()
    const [host, py] = [await hostOf(store), await counting('PyCounter', store)]
    py.app.on('nothing', () => ({ headers: {} })).on('text', () => ({ headers: { 'content-type': 'text/plain' }, body: '"t"' })).on('list', ({ body }) => body)
    await eventuallyServed(() => ask(host.http, 'POST', '/actors/PyCounter/ada/method/add', '0'))
    for (const door of [host.http, py.http]) {
      const client = connect(door)
      onTestFinished(() => client.close())
      const ada = client.actor('PyCounter', 'ada') as unknown as Record<'add' | 'nothing' | 'text' | 'list', (...args: unknown[]) => Promise<unknown>>
      expect([await ada.add(0), await ada.nothing(), await ada.text(), await ada.list([1], { a: 2 })]).toEqual([0, undefined, 't', [[1], { a: 2 }]])
    }
  })

  it('keeps state, reminders and timers of both kinds by any door', async () => {
    const store = storeOf()
    const [host, py] = [await hostOf(store), await counting('PyCounter', store)]
    await eventuallyServed(() => ask(host.http, 'POST', '/actors/PyCounter/ada/method/add', '2'))
    expect((await ask(host.http, 'GET', '/actors/PyCounter/ada/state/n')).text).toBe('2')
    // An application's state is taken where it is active, a class's anywhere.
    const change = '[{"operation":"upsert","request":{"key":"total","value":40}},{"operation":"upsert","request":{"key":"note","value":{"a":1}}}]'
    expect((await ask(host.http, 'POST', '/actors/PyCounter/ada/state', change)).status).toBe(400)
    await eventuallyServed(() => ask(py.http, 'POST', '/actors/Ledger/ada/method/add', '0'))
    expect((await ask(py.http, 'POST', '/actors/Ledger/ada/state', change)).status).toBe(204)
    expect((await ask(py.http, 'GET', '/actors/Ledger/ada/state/total')).text).toBe('40')
    expect((await ask(py.http, 'GET', '/actors/Ledger/ada/state/note')).text).toBe('{"a":1}')
    expect((await ask(py.http, 'POST', '/actors/Ledger/ada/reminders/r', '{"dueTime":"0s","data":{"n":2}}')).status).toBe(204)
    await expect.poll(async () => (await ask(py.http, 'GET', '/actors/Ledger/ada/state/total')).text).toBe('42')
    expect((await ask(py.http, 'POST', '/actors/Ledger/ada/timers/t', '{"dueTime":"0s","callback":"add","data":8}')).status).toBe(204)
    await expect.poll(async () => (await ask(py.http, 'GET', '/actors/Ledger/ada/state/total')).text).toBe('50')
    py.app.on('remind/far', () => '').on('timer/far', () => '')
    expect((await ask(host.http, 'POST', '/actors/PyCounter/ada/reminders/far', '{"dueTime":"0s","data":1}')).status).toBe(204)
    expect((await ask(host.http, 'POST', '/actors/PyCounter/ada/timers/far', '{"dueTime":"0s","callback":"c"}')).status).toBe(204)
    await py.app.until(() => py.app.of('remind/far').length === 1 && py.app.of('timer/far').length === 1, 'both')
  })

  it('goes on when one of two sidecars of a type stops: its actors move, with their state', async () => {
    const store = storeOf()
    const [one, two] = [await counting('PyCounter', store), await counting('PyCounter', store)]
    const ids = Array.from({ length: 20 }, (_, i) => `a${i}`)
    for (const id of ids) await eventuallyServed(() => ask(two.http, 'POST', `/actors/PyCounter/${id}/method/add`, '1'))
    await expect.poll(() => [one, two].every(({ app }) => app.of('method/add').length > 0), { timeout: 15_000 }).toBe(true)
    const before = new Map<string, number>()
    for (const id of ids) before.set(id, Number((await ask(two.http, 'GET', `/actors/PyCounter/${id}/state/n`)).text))
    await one.stop()
    for (const id of ids) expect(Number((await ask(two.http, 'POST', `/actors/PyCounter/${id}/method/add`, '1')).text)).toBe(before.get(id)! + 1)
  })
})
