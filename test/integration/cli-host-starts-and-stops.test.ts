/** One host alone: its ready line, what keeps it from starting, how it drains, and what does not bring it down. */
import { connect as connectTcp, createServer, type AddressInfo } from 'node:net'
import { once } from 'node:events'
import { describe, expect, it } from 'vitest'
import { callHttp, exampleApp, TestProcesses } from './processes.ts'

const slowApp = `
import { Actor } from 'troupe'
export class Slow extends Actor {
  done = 0
  async work(ms: number) {
    console.error('working')
    await new Promise(resolve => setTimeout(resolve, ms))
    this.done++
    return 'finished'
  }
  get() { return this.done }
  reject() { void Promise.reject(new Error('nobody cares')); return 'ok' }
  explode() { setTimeout(() => { throw new Error('outside of a turn') }, 1); return 'ok' }
}
`

describe('a host', () => {
  it('says in one line that it is ready, with the addresses it got', async () => {
    await using processes = new TestProcesses()
    const host = processes.start('host', ['host', exampleApp('counter.ts'), '--host-id', 'solo', '--store', processes.store, '--http-port', '0', '--grpc-port', '0'])
    const ready = await host.ready()
    expect(ready).toMatchObject({
      level: 'info', hostId: 'solo', http: expect.stringMatching(/^http:\/\/127\.0\.0\.1:\d+$/) as string,
      grpc: expect.stringMatching(/^127\.0\.0\.1:\d+$/) as string, msg: 'ready',
    })
    expect(host.lines.filter(l => l.msg === 'ready')).toHaveLength(1)
    expect(await callHttp(String(ready.http), 'Counter', 'a b', 'increment', 4)).toMatchObject({ status: 200, body: 4, host: 'solo' })
  })

  it.each(['SIGTERM', 'SIGINT'] as const)('finishes running turns on %s, and ends with 0', async signal => {
    await using processes = new TestProcesses()
    const host = await processes.host('h', { apps: [processes.write('slow.ts', slowApp)] })
    const call = callHttp(host.http, 'Slow', 'x', 'work', 600)
    await host.process.waitFor('the turn', p => p.stderr.includes('working') || undefined)
    expect(await host.process.stop(signal)).toEqual({ code: 0, signal: null })
    expect(await call).toMatchObject({ status: 200, body: 'finished' })

    const again = await processes.host('h', { apps: [`${processes.folder}/slow.ts`] })
    expect(await callHttp(again.http, 'Slow', 'x', 'get')).toMatchObject({ body: 1 })
  })

  it('ends within its drain timeout when a turn does not', async () => {
    await using processes = new TestProcesses()
    const host = await processes.host('h', { apps: [processes.write('slow.ts', slowApp)], args: ['--drain-timeout', '300ms'] })
    const call = callHttp(host.http, 'Slow', 'x', 'work', 60_000).catch((error: unknown) => error)
    await host.process.waitFor('the turn', p => p.stderr.includes('working') || undefined)
    const since = performance.now()
    await host.process.stop()
    expect(performance.now() - since).toBeLessThan(10_000)
    expect(await call).not.toMatchObject({ status: 200 })
  })

  it('ends at once with 1 on a second signal', async () => {
    await using processes = new TestProcesses()
    const host = await processes.host('h', { apps: [processes.write('slow.ts', slowApp)], args: ['--drain-timeout', '30s'] })
    const call = callHttp(host.http, 'Slow', 'x', 'work', 20_000).catch((error: unknown) => error)
    await host.process.waitFor('the turn', p => p.stderr.includes('working') || undefined)
    host.process.signal('SIGTERM')
    await host.process.logged('stopping')
    // A second signal counts once the first cannot be its echo any more: repeated until the process ends.
    const repeat = setInterval(() => host.process.signal('SIGTERM'), 100)
    try {
      expect(await host.process.ended(5_000)).toEqual({ code: 1, signal: null })
    } finally {
      clearInterval(repeat)
    }
    await call
  })

  it('stays up when actor code leaves a rejection unhandled, and logs it', async () => {
    await using processes = new TestProcesses()
    const host = await processes.host('h', { apps: [processes.write('slow.ts', slowApp)] })
    expect(await callHttp(host.http, 'Slow', 'x', 'reject')).toMatchObject({ status: 200 })
    const line = await host.process.waitFor('the rejection', p => p.lines.find(l => l.level === 'error'))
    expect(JSON.stringify(line)).toContain('nobody cares')
    expect(await callHttp(host.http, 'Slow', 'x', 'get')).toMatchObject({ status: 200, body: 0 })
  })

  it('ends in order with 1 when actor code throws outside of any call, and logs it', async () => {
    await using processes = new TestProcesses()
    const host = await processes.host('h', { apps: [processes.write('slow.ts', slowApp)] })
    await callHttp(host.http, 'Slow', 'x', 'explode')
    expect(await host.process.ended()).toEqual({ code: 1, signal: null })
    expect(JSON.stringify(host.process.lines)).toContain('outside of a turn')
    expect(host.process.lines.some(l => l.msg === 'stopped')).toBe(true)
  })
})

describe('a host does not start', () => {
  it.each(['--http-port', '--grpc-port', '--port'])('when the port of %s is taken', async flag => {
    await using processes = new TestProcesses()
    const taken = createServer().listen(0, '127.0.0.1')
    await once(taken, 'listening')
    try {
      const { port } = taken.address() as AddressInfo
      const placement = flag === '--port' ? await processes.placement() : undefined
      const { code, stderr } = await processes.run([
        'host', exampleApp('counter.ts'), '--store', processes.store, '--http-port', '0', '--grpc-port', 'off', flag, String(port),
        ...(placement === undefined ? [] : ['--placement', placement.address]),
      ])
      expect(stderr).toMatch(new RegExp(`^troupe: PORT_TAKEN: [^\n]*${port}[^\n]*\n$`))
      expect(code).toBe(1)
    } finally {
      taken.close()
    }
  })

  it('when nothing answers at the address of its Redis store', async () => {
    await using processes = new TestProcesses()
    const { code, stderr } = await processes.run(
      ['host', exampleApp('counter.ts'), '--store', `redis://127.0.0.1:${await closedPort()}`, '--http-port', '0', '--grpc-port', 'off'])
    expect(stderr).toMatch(/^troupe: STORE_OPEN_FAILED: [^\n]+\n$/)
    expect(code).toBe(1)
  })

  it('when the folder of its LMDB store cannot be made', async () => {
    await using processes = new TestProcesses()
    const file = processes.write('not-a-folder', '')
    const { code, stderr } = await processes.run(
      ['host', exampleApp('counter.ts'), '--store', `lmdb:${file}/store`, '--http-port', '0', '--grpc-port', 'off'])
    expect(stderr).toMatch(/^troupe: STORE_OPEN_FAILED: [^\n]+\n$/)
    expect(code).toBe(1)
  })
})

/** A port that was free a moment ago and refuses connections. */
async function closedPort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  server.close()
  await once(server, 'close')
  const probe = connectTcp(port, '127.0.0.1')
  await once(probe, 'error')
  return port
}
