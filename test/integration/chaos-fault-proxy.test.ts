/** The proxy of chaos runs: what it holds back arrives, in order, when it heals; one way is not the other; refused is refused. */
import { once } from 'node:events'
import { connect, createServer, type Server, type Socket } from 'node:net'
import { expect, onTestFinished, test } from 'vitest'
import { FaultProxy, WireRules } from '../chaos/fault-proxy.ts'

class Pair {
  readonly rules = new WireRules()
  readonly proxy: FaultProxy
  port = 0
  readonly accepted: Socket[] = []
  #heard = new Map<Socket, string>()
  readonly #server: Server

  constructor(server: Server) {
    this.#server = server
    server.on('connection', socket => this.#listen(socket) && this.accepted.push(socket))
    this.proxy = new FaultProxy({
      to: 'server', target: { host: '127.0.0.1', port: (server.address() as { port: number }).port }, rules: this.rules, whoIs: () => 'client',
    })
  }

  static async open(): Promise<Pair> {
    const server = createServer().listen(0, '127.0.0.1')
    await once(server, 'listening')
    const pair = new Pair(server)
    pair.port = await pair.proxy.listen('127.0.0.1')
    onTestFinished(async () => {
      await pair.proxy.close()
      for (const socket of pair.accepted) socket.destroy()
      pair.#server.close()
    })
    return pair
  }

  async connect(): Promise<{ client: Socket; server: Socket }> {
    const accepted = once(this.#server, 'connection')
    const client = connect(this.port, '127.0.0.1')
    this.#listen(client)
    const [server] = await accepted as [Socket]
    return { client, server }
  }

  #listen(socket: Socket): boolean {
    this.#heard.set(socket, '')
    socket.setEncoding('utf8').on('data', (text: string) => { this.#heard.set(socket, this.heard(socket) + text) }).on('error', () => undefined)
    return true
  }

  heard(socket: Socket): string {
    return this.#heard.get(socket) ?? ''
  }

  async hears(socket: Socket, text: string): Promise<void> {
    await expect.poll(() => this.heard(socket), { interval: 5, timeout: 5_000 }).toBe(text)
  }
}

test('a cut holds back one way, and healing brings everything in order', async () => {
  const pair = await Pair.open()
  const { client, server } = await pair.connect()
  client.write('a')
  await pair.hears(server, 'a')
  pair.rules.set('client', 'server', { cut: true })
  client.write('b')
  server.write('x')
  await pair.hears(client, 'x')
  client.write('c')
  server.write('y')
  await pair.hears(client, 'xy')
  expect(pair.heard(server)).toBe('a')
  pair.rules.set('client', 'server', {})
  await pair.hears(server, 'abc')
})

test('nobody hears of an end behind a cut before it heals', async () => {
  const pair = await Pair.open()
  const { client, server } = await pair.connect()
  pair.rules.set('client', 'server', { cut: true })
  client.write('last')
  client.destroy()
  server.write('still there?')
  await new Promise(resolve => { setTimeout(resolve, 50) })
  expect(server.destroyed).toBe(false)
  const closed = once(server, 'close')
  pair.rules.clear()
  await closed
})

test('a delayed way keeps its order and the other way its speed', async () => {
  const pair = await Pair.open()
  const { client, server } = await pair.connect()
  pair.rules.set('client', 'server', { delayMs: 80 })
  const startedMs = performance.now()
  client.write('1')
  setTimeout(() => client.write('2'), 10)
  server.write('fast')
  await pair.hears(client, 'fast')
  await pair.hears(server, '12')
  expect(performance.now() - startedMs).toBeGreaterThan(78)
})

test('reset ends connections of one end, refuse refuses new ones until it listens again at the same address', async () => {
  const pair = await Pair.open()
  const { client, server } = await pair.connect()
  const ended = Promise.all([client, server].map(socket => new Promise(resolve => socket.once('close', resolve))))
  pair.proxy.reset('somebody else')
  expect(client.destroyed).toBe(false)
  pair.proxy.reset('client')
  await ended
  await pair.proxy.refuse()
  const refused = connect(pair.port, '127.0.0.1')
  const [error] = await once(refused, 'error') as [NodeJS.ErrnoException]
  expect(error.code).toBe('ECONNREFUSED')
  expect(await pair.proxy.listen('127.0.0.1')).toBe(pair.port)
  const again = await pair.connect()
  again.client.write('hello')
  await pair.hears(again.server, 'hello')
})
