// The promises of the Transport port, kept by both adapters.
import { afterEach, describe, expect, test } from 'vitest'
import { TroupeError } from '../../../core/errors.ts'
import type { PeerLink } from '../../../runtime/transport/transport.ts'
import { grpcKit, memoryKit, type Kit, type Peer } from './peers.ts'

const failure = async (promise: Promise<unknown>): Promise<TroupeError> => {
  const error: unknown = await promise.then(() => expect.fail('it did not fail'), (reason: unknown) => reason)
  if (!TroupeError.is(error)) throw error
  return error
}

for (const makeKit of [grpcKit, memoryKit]) {
  const kit: Kit = makeKit()
  describe(kit.name, () => {
    afterEach(() => kit.closeAll())

    const pair = async (): Promise<[Peer, Peer, PeerLink]> => {
      const [a, b] = [await kit.start('a'), await kit.start('b')]
      return [a, b, await a.transport.connect('b', b.address, 3000)]
    }

    test('messages go both ways over one link, in order, with the table version of their sender', async () => {
      const [a, b, link] = await pair()
      b.onMessage = (back, message) => back.send([2, message[1]])
      a.tableVersion = 7
      b.tableVersion = 9
      for (let i = 0; i < 1000; i++) expect(link.send([1, i])).toBe(true)
      await a.until('all replies', () => a.heard.length === 1000)
      expect(b.heard.map(h => h.message[1])).toEqual(Array.from({ length: 1000 }, (_, i) => i))
      expect(a.heard.map(h => h.message)).toEqual(Array.from({ length: 1000 }, (_, i) => [2, i]))
      expect(b.heard[0]).toMatchObject({ from: 'a', tableVersion: 7 })
      expect(a.heard[0]).toMatchObject({ from: 'b', tableVersion: 9 })
      expect(b.transport.link('a')?.send([3])).toBe(true)
      await a.until('a message over the accepted link', () => a.heard.length === 1001)
    })

    test('values arrive as they were sent', async () => {
      const [, b, link] = await pair()
      const bytes = Uint8Array.from([1, 2, 3])
      const message = [1, 'ü', '\ud800', -0, NaN, 2n ** 70n, undefined, null, true, [1, ['x', [bytes]]], { plain: new Map([['k', new Date(5)]]) }, bytes]
      link.send(message)
      await b.until('the message', () => b.heard.length === 1)
      expect(b.heard[0]!.message).toStrictEqual(message)
      expect(Object.is(b.heard[0]!.message[3], -0)).toBe(true)
    })

    test('connect gives the open link, and concurrent calls share one attempt', async () => {
      const [a, b] = [await kit.start('a'), await kit.start('b')]
      expect(a.transport.link('b')).toBeUndefined()
      const links = await Promise.all([1, 2, 3].map(() => a.transport.connect('b', b.address, 3000)))
      expect(new Set(links).size).toBe(1)
      expect(a.transport.link('b')).toBe(links[0])
      expect(await a.transport.connect('b', b.address, 3000)).toBe(links[0])
    })

    test('two hosts that dial at once get one link, and nothing they send is lost', async () => {
      for (let round = 0; round < 15; round++) {
        const [a, b] = [await kit.start(`a${round}`), await kit.start(`b${round}`)]
        const [toB, toA] = await Promise.all([a.transport.connect(b.id, b.address, 3000), b.transport.connect(a.id, a.address, 3000)])
        for (let i = 0; i < 20; i++) {
          expect(toB.send([1, i])).toBe(true)
          expect(toA.send([1, i])).toBe(true)
        }
        await Promise.all([a, b].map(peer => peer.until('all messages', () => peer.heard.length === 20)))
        expect(a.transport.link(b.id)).toBe(toB)
        expect(b.transport.link(a.id)).toBe(toA)
        expect([...a.closed, ...b.closed]).toEqual([])
        await kit.closeAll()
      }
    })

    test('a refused connection is PEER_UNREACHABLE at once, and says so', async () => {
      const a = await kit.start('a')
      const start = performance.now()
      const error = await failure(a.transport.connect('b', await kit.nowhere(), 5000))
      expect(error.code).toBe('PEER_UNREACHABLE')
      expect(error.executed).toBe('no')
      expect(error.data).toMatchObject({ refused: true, peerId: 'b' })
      expect(performance.now() - start).toBeLessThan(2000)
    })

    test('another host at the address is refused with both names', async () => {
      const [a, b] = [await kit.start('a'), await kit.start('b')]
      const error = await failure(a.transport.connect('c', b.address, 3000))
      expect(error.code).toBe('PEER_UNREACHABLE')
      expect(error.message).toContain('host c ')
      expect(error.message).toContain('host b')
      expect(error.data).toMatchObject({ refused: false, kind: 'identity' })
      expect(b.transport.link('a')).toBeUndefined()
    })

    test('a host cannot reach another that has its own id', async () => {
      const [a, twin] = [await kit.start('a'), await kit.start('a')]
      expect((await failure(a.transport.connect('a', twin.address, 3000))).message).toContain('two hosts have the id a')
    })

    test('a message over the limit is refused at send, and the link lives on', async () => {
      const [, b, link] = await pair()
      for (const big of [new Uint8Array(4 << 20), 'x'.repeat(4 << 20), { text: 'ü'.repeat(3 << 20) }]) {
        expect(() => link.send([1, big])).toThrow(expect.objectContaining({ code: 'PAYLOAD_TOO_LARGE' }))
      }
      expect(() => link.send([1, () => 1])).toThrow(expect.objectContaining({ code: 'NOT_ENCODABLE' }))
      const largest = new Uint8Array((4 << 20) - 64).fill(5)
      expect(link.send([1, largest])).toBe(true)
      expect(link.send([2])).toBe(true)
      await b.until('both messages', () => b.heard.length === 2)
      expect(Buffer.compare(b.heard[0]!.message[1] as Uint8Array, largest)).toBe(0)
    })

    test('a host with a smaller limit is sent no more than it reads', async () => {
      const [a, b] = [await kit.start('a'), await kit.start('b', { limits: { maxMessageBytes: 1 << 20, maxQueuedBytes: 16 << 20 } })]
      const link = await a.transport.connect('b', b.address, 3000)
      expect(() => link.send([1, new Uint8Array(2 << 20)])).toThrow(expect.objectContaining({ code: 'PAYLOAD_TOO_LARGE' }))
      expect(link.send([1, new Uint8Array((1 << 20) - 64)])).toBe(true)
      await b.until('the message', () => b.heard.length === 1)
    })

    test('the queue is bounded: send says no, and what was taken arrives', async () => {
      const [a, b] = [await kit.start('a', { limits: { maxMessageBytes: 1 << 20, maxQueuedBytes: 2 << 20 } }), await kit.start('b')]
      const link = await a.transport.connect('b', b.address, 3000)
      let taken = 0
      while (link.send([1, taken, new Uint8Array(100_000)])) expect(++taken).toBeLessThan(100)
      expect(taken).toBeGreaterThan(10)
      await b.until('what was taken', () => b.heard.length === taken)
      // The sender hears in a later tick that its bytes are out.
      await expect.poll(() => link.send([2])).toBe(true)
      await b.until('a message after that', () => b.heard.length === taken + 1)
      expect(b.heard.slice(0, taken).map(h => h.message[1])).toEqual(Array.from({ length: taken }, (_, i) => i))
    })

    test('close sends what is queued, tells both sides once, and frees the address', async () => {
      const [a, b, link] = await pair()
      for (let i = 0; i < 5000; i++) link.send([1, i, 'x'.repeat(200)])
      await a.transport.close()
      await b.until('all messages and the end', () => b.heard.length === 5000 && b.closed.length === 1)
      expect(a.closed).toMatchObject([{ id: 'b' }])
      expect(link.send([1])).toBe(false)
      expect(a.transport.link('b')).toBeUndefined()
      expect(b.transport.link('a')).toBeUndefined()
      expect((await failure(a.transport.connect('b', b.address, 1000))).code).toBe('PEER_UNREACHABLE')
      expect((await failure(b.transport.connect('a', a.address, 1000))).data).toMatchObject({ refused: true })
      await a.transport.close()
      expect([a.closed.length, b.closed.length]).toEqual([1, 1])
    })

    test('a link is made anew after it was lost, in either direction', async () => {
      const b = await kit.start('b')
      for (const id of ['a', 'c']) {
        const peer = await kit.start(id)
        await (id === 'a' ? peer.transport.connect('b', b.address, 3000) : b.transport.connect(id, peer.address, 3000))
        await peer.transport.close()
        await b.until('the end', () => b.transport.link(id) === undefined)
        const again = await kit.start(id)
        const link = await again.transport.connect('b', b.address, 3000)
        expect(link.send([1, id])).toBe(true)
        await b.until('a message of the new link', () => b.heard.some(h => h.message[1] === id))
      }
    })

    test('a new process with the same id takes the place of the old link', async () => {
      const [a, b] = await pair()
      const again = await kit.start('a')
      const link = await again.transport.connect('b', b.address, 3000)
      expect(b.closed).toMatchObject([{ id: 'a', reason: { code: 'PEER_LOST' } }])
      await a.until('the end of its link', () => a.closed.length === 1)
      b.transport.link('a')!.send([5])
      await again.until('the message', () => again.heard.length === 1)
      expect(again.transport.link('b')).toBe(link)
    })

    test('a handler that throws costs neither the link nor other messages', async () => {
      const [, b, link] = await pair()
      b.onMessage = (_, message) => {
        if (message[1] === 1) throw new Error('bug above')
      }
      for (let i = 0; i < 3; i++) link.send([1, i])
      await b.until('all messages', () => b.heard.length === 3)
      expect(b.logged.join()).toContain('bug above')
    })

    test('two hosts that flood each other: what was taken arrives, and the link goes on', async () => {
      const limits = { maxMessageBytes: 1 << 20, maxQueuedBytes: 1 << 20 }
      const [a, b] = [await kit.start('a', { limits }), await kit.start('b', { limits })]
      const link = await a.transport.connect('b', b.address, 3000)
      const taken = new Map([[a, 0], [b, 0]])
      // Each message is answered by two larger ones where there is room: both queues fill.
      const send = (peer: Peer, to: PeerLink, hops: number, bytes: number): void => {
        if (to.send([1, hops, new Uint8Array(bytes)])) taken.set(peer, taken.get(peer)! + 1)
      }
      for (const peer of [a, b]) {
        peer.onMessage = (back, message) => {
          for (let i = 0; i < 2 && (message[1] as number) > 0; i++) send(peer, back, (message[1] as number) - 1, 50_000)
        }
      }
      for (let i = 0; i < 60; i++) send(a, link, 8, 10_000)
      const settled = (): boolean => a.heard.length === taken.get(b) && b.heard.length === taken.get(a)
      for (let quiet = 0; quiet < 3; quiet++) {
        await expect.poll(settled, { timeout: 10_000 }).toBe(true)
        await new Promise(resolve => setImmediate(resolve))
      }
      expect(taken.get(b)).toBeGreaterThan(10)
      expect(link.send(['last'])).toBe(true)
      await b.until('a message after the flood', () => b.heard.at(-1)!.message[0] === 'last')
      expect([...a.closed, ...b.closed]).toEqual([])
    })

    test('a taken port is typed', async () => {
      const a = await kit.start('a')
      const port = Number(a.address.split(':')[1])
      expect((await failure(kit.start('b', { bind: { host: '127.0.0.1', port } }))).code).toBe('PORT_TAKEN')
    })

    test('connect to what is no address', async () => {
      const a = await kit.start('a')
      expect((await failure(a.transport.connect('b', 'no such address', 1500))).code).toBe('PEER_UNREACHABLE')
    })
  })
}
