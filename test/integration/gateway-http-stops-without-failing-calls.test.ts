import { once } from 'node:events'
import { Agent, request } from 'node:http'
import { expect, onTestFinished, test } from 'vitest'
import { aborted, pending, RawSocket, serve, within } from '../unit/gateway/serving.ts'

const path = '/v1.0/actors/Account/a/method/m'

test('connections are kept, until drain asks clients to close them; calls are still answered', async () => {
  const { url, gateway } = await serve({ m: () => 1 })
  const agent = new Agent({ keepAlive: true, maxSockets: 1 })
  onTestFinished(() => agent.destroy())
  const ask = async () => {
    const outgoing = request(url + path, { agent }).end()
    const [response] = await once(outgoing, 'response', { signal: AbortSignal.timeout(5000) })
    response.resume()
    await once(response, 'close')
    return { status: response.statusCode as number, connection: response.headers.connection as string, reused: outgoing.reusedSocket }
  }
  expect(await ask()).toEqual({ status: 200, connection: 'keep-alive', reused: false })
  expect(await ask()).toEqual({ status: 200, connection: 'keep-alive', reused: true })
  gateway.drain()
  expect(await ask()).toEqual({ status: 200, connection: 'close', reused: true })
  expect(await ask()).toEqual({ status: 200, connection: 'close', reused: false })
})

test('stop lets calls in flight end, takes no new connection, and closes idle ones', async () => {
  const gate = pending(), entered = pending()
  const { port, ask, gateway } = await serve({ m: async () => { entered.resolve(); await gate.promise; return 'done' } })
  const idle = await RawSocket.open(port)
  await idle.write('GET /v1.0/healthz HTTP/1.1\r\nhost: x\r\n\r\n').until(/204/)
  const call = ask(path)
  await within(entered.promise, 'the call')
  const stopped = gateway.stop(5000)
  for (;;) if (await ask('/v1.0/healthz').then(() => false, () => true)) break
  // Its client may be about to ask: it is closed with the last of the others.
  expect(idle.socket.readableEnded).toBe(false)
  gate.resolve()
  expect(await call).toMatchObject({ status: 200, body: 'done' })
  await within(stopped, 'stop')
  await idle.untilClosed()
})

test('stop cuts off what does not end within its time, and cancels it', async () => {
  const cancelled = pending(), entered = pending()
  const { ask, gateway } = await serve({ m: async r => { entered.resolve(); await aborted(r.signal!); cancelled.resolve() } })
  const call = ask(path).catch(() => 'cut off')
  await within(entered.promise, 'the call')
  await within(gateway.stop(50), 'stop')
  await within(cancelled.promise, 'the abort')
  expect(await call).toBe('cut off')
})

test('stop twice, or before start, is harmless', async () => {
  const { gateway } = await serve()
  await Promise.all([gateway.stop(100), gateway.stop(100)])
  await gateway.stop(100)
})
