import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { expect, it, onTestFinished } from 'vitest'
import { SystemClock } from '../../core/clock.ts'
import { silentLogger } from '../../core/logger.ts'
import { AppWatch } from '../../gateway/dapr/app-watch.ts'
import { HttpChannel } from '../../gateway/dapr/channel/http-channel.ts'

const servers = new Set<Server>()

async function startApp(entities: string[], port = 0): Promise<{ server: Server; port: number }> {
  const server = createServer((request, response) => {
    response.end(request.url === '/dapr/config' ? JSON.stringify({ entities }) : 'ok')
  })
  servers.add(server)
  await new Promise<void>(resolve => server.listen(port, '127.0.0.1', resolve))
  return { server, port: (server.address() as AddressInfo).port }
}

async function stopApp(server: Server): Promise<void> {
  servers.delete(server)
  server.closeAllConnections()
  await new Promise(resolve => server.close(resolve))
}

it('an application that is restarted with other types is known for them after the first call that it refused', async () => {
  const first = await startApp(['A'])
  const clock = new SystemClock()
  const channel = new HttpChannel({ protocol: 'http', address: '127.0.0.1', port: first.port, apiToken: undefined, maxConcurrency: 0, maxBodyBytes: 1000, clock })
  const events: string[] = []
  let wake = (): void => {}
  const until = async (event: string): Promise<void> => {
    while (!events.includes(event)) await new Promise<void>(resolve => { wake = resolve })
  }
  const tell = (event: string): void => {
    events.push(event)
    wake()
  }
  const watch = new AppWatch({ app: channel, port: first.port, appId: 'shop', health: undefined, strict: false, clock, log: silentLogger }, {
    ready: types => tell(`ready ${types.map(type => type.name)}`),
    unhealthy: () => tell('unhealthy'),
    healthy: types => tell(`healthy ${types.map(type => type.name)}`),
  })
  onTestFinished(async () => {
    watch.stop()
    channel.close()
    for (const server of servers) await stopApp(server)
  })
  watch.start()
  await until('ready A')
  const call = () => channel.invoke({ type: 'A', id: '1', method: 'm', query: '', headers: [], body: new Uint8Array(0) }, new AbortController().signal)
  await call()

  await stopApp(first.server)
  expect(await channel.look(new AbortController().signal)).toBe('refused')
  const refused = await call().catch((error: unknown) => error)
  expect(refused).toMatchObject({ code: 'APP_UNREACHABLE', executed: 'no' })
  watch.suspect()
  await until('unhealthy')

  await startApp(['A', 'B'], first.port)
  await until('healthy A,B')
  await call()
  expect(events).toEqual(['ready A', 'unhealthy', 'healthy A,B'])
})
