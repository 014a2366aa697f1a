// What the network may do to the real transport: garbage, strangers, silence. It closes that stream, says why, and stays up.
import { createServer, type AddressInfo, type Server, type Socket } from 'node:net'
import { Client, credentials, Metadata, type ClientDuplexStream } from '@grpc/grpc-js'
import { afterEach, describe, expect, test } from 'vitest'
import { encode } from '../../../core/codec.ts'
import { TroupeError } from '../../../core/errors.ts'
import { decodeAnswer, encodeDialHello } from '../../../runtime/transport/hello.ts'
import { grpcKit, type Peer } from './peers.ts'

const kit = grpcKit()
const cleanups: (() => void)[] = []
afterEach(async () => {
  for (const cleanup of cleanups.splice(0)) cleanup()
  await kit.closeAll()
})

/** A stream as a stranger opens it, what came back on it, and its end. */
interface Stranger {
  readonly stream: ClientDuplexStream<Buffer, Buffer>
  readonly received: Buffer[]
  readonly answered: Promise<unknown>
  readonly ended: Promise<number>
}
function stranger(address: string): Stranger {
  const client = new Client(address, credentials.createInsecure())
  const stream = client.makeBidiStreamRequest('/troupe.peer.v1.Peer/Connect', (b: Buffer) => b, (b: Buffer) => b, new Metadata())
  cleanups.push(() => { stream.cancel(); client.close() })
  const received: Buffer[] = []
  const answered = new Promise(resolve => stream.on('data', (bytes: Buffer) => resolve(received.push(bytes))))
  stream.on('error', () => {})
  const ended = new Promise<number>(resolve => stream.on('status', status => resolve(status.code)))
  return { stream, received, answered, ended }
}
const hello = (over: object = {}): Buffer =>
  Buffer.from(encodeDialHello({ hostId: 's', incarnation: 'i', maxFrameBytes: 1 << 20, expected: 'a', dial: 1, lostDial: 0, ...over }))

async function tcpServer(onSocket: (socket: Socket) => void): Promise<string> {
  const sockets = new Set<Socket>()
  const server: Server = createServer(socket => {
    sockets.add(socket)
    socket.on('error', () => {})
    onSocket(socket)
  })
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  cleanups.push(() => {
    for (const socket of sockets) socket.destroy()
    server.close()
  })
  return `127.0.0.1:${(server.address() as AddressInfo).port}`
}

const stillServes = async (a: Peer): Promise<void> => {
  const b = await kit.start('b')
  const link = await b.transport.connect('a', a.address, 3000)
  link.send(['alive'])
  await a.until('a message', () => a.heard.some(h => h.message[0] === 'alive'))
}

describe('as the listening side', () => {
  const garbage: [string, Buffer][] = [
    ['bytes that are no value', Buffer.from('GET / HTTP/1.1')],
    ['another value', Buffer.from(encode({ hello: 1 }, 'x'))],
    ['another version', Buffer.from(encode(['troupe', 99, 's'], 'x'))],
    ['nothing', Buffer.alloc(0)],
  ]
  for (const [name, first] of garbage) {
    test(`${name} in place of a hello`, async () => {
      const a = await kit.start('a')
      const { stream, received, ended } = stranger(a.address)
      stream.write(first)
      expect(await ended).toBe(0)
      expect(decodeAnswer(received[0]!, 'a')).toMatchObject({ refused: 'version' })
      expect(a.logged.join()).toContain('refused a peer connection')
      await stillServes(a)
    })
  }
  const later: [string, Buffer, string][] = [
    ['bytes that are no frame', Buffer.from('garbage'), 'no encoded value'],
    ['a value that is no frame', Buffer.from(encode([1, [5]], 'x')), 'a message must be an array'],
    ['an oversized frame', Buffer.alloc(5 << 20), 'over the limit'],
  ]
  for (const [name, bytes, reason] of later) {
    test(`${name} after the hello`, async () => {
      const a = await kit.start('a')
      const { stream, received, answered, ended } = stranger(a.address)
      stream.write(hello())
      await answered
      stream.write(bytes)
      await a.until('the end', () => a.closed.length === 1)
      expect(a.closed[0]!.reason.message).toContain(reason)
      expect(a.logged.join()).toContain(reason)
      await ended
      expect(received.length).toBe(1)
      expect(a.transport.link('s')).toBeUndefined()
      await stillServes(a)
    })
  }
  test('a message over what gRPC itself takes', async () => {
    const a = await kit.start('a')
    const { stream, answered, ended } = stranger(a.address)
    stream.write(hello())
    await answered
    stream.write(Buffer.alloc(40 << 20))
    await a.until('the end', () => a.closed.length === 1)
    expect(await ended).toBe(8)
    await stillServes(a)
  })
  test('a stream that breaks off before its hello', async () => {
    const a = await kit.start('a')
    const { stream } = stranger(a.address)
    stream.end()
    await a.until('a log entry', () => a.logged.length === 1)
    await stillServes(a)
  })
  test('plain text on the port', async () => {
    const a = await kit.start('a')
    const address = await tcpServer(() => {})
    expect(address).not.toBe(a.address)
    const { connect } = await import('node:net')
    const socket = connect(Number(a.address.split(':')[1]), '127.0.0.1', () => socket.write('\u0000\u0001garbage\r\n'.repeat(100)))
    await new Promise<void>(resolve => socket.on('error', () => {}).on('close', () => resolve()).resume())
    await stillServes(a)
  })
})

describe('as the dialling side', () => {
  const failure = async (address: string, timeoutMs: number): Promise<[TroupeError, number]> => {
    const a = await kit.start('a')
    const start = performance.now()
    const error: unknown = await a.transport.connect('b', address, timeoutMs).catch((reason: unknown) => reason)
    expect(TroupeError.is(error, 'PEER_UNREACHABLE')).toBe(true)
    return [error as TroupeError, performance.now() - start]
  }
  test('an address that takes connections and never answers costs its timeout and no more', async () => {
    const [error, took] = await failure(await tcpServer(() => {}), 400)
    expect(error.message).toContain('400 ms')
    expect(error.data).toMatchObject({ refused: false })
    expect(took).toBeGreaterThan(390)
    expect(took).toBeLessThan(1500)
  })
  test('an address where something else answers', async () => {
    const [error] = await failure(await tcpServer(socket => socket.end('HTTP/1.1 400 Bad Request\r\n\r\n')), 2000)
    expect(error.data).toMatchObject({ refused: false })
  })
  test('each caller waits as long as it said', async () => {
    const a = await kit.start('a')
    const silent = await tcpServer(() => {})
    const order: string[] = []
    await Promise.all([['long', 600], ['short', 200]].map(([name, ms]) =>
      a.transport.connect('b', silent, ms as number).catch(() => order.push(name as string))))
    expect(order).toEqual(['short', 'long'])
  })
  test('those who wait at an old address go over to the new one', async () => {
    const [a, b] = [await kit.start('a'), await kit.start('b')]
    const first = a.transport.connect('b', await tcpServer(() => {}), 5000)
    const second = a.transport.connect('b', b.address, 5000)
    expect(await first).toBe(await second)
  })
  test('closing the transport ends attempts', async () => {
    const a = await kit.start('a')
    const attempt = a.transport.connect('b', await tcpServer(() => {}), 60_000).catch((reason: unknown) => reason)
    await a.transport.close()
    expect(TroupeError.is(await attempt)).toBe(true)
  })
})

test('a wrong port or host is BAD_OPTION', async () => {
  for (const bind of [{ host: '127.0.0.1', port: 70_000 }, { host: '127.0.0.1', port: -1 }, { host: '203.0.113.7', port: 0 }]) {
    await expect(kit.start('a', { bind })).rejects.toMatchObject({ code: 'BAD_OPTION' })
  }
})
