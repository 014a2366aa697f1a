// Between real processes: a million messages in order with flat memory, and one `closed` for a killed or frozen peer.
import { fork, type ChildProcess } from 'node:child_process'
import { afterEach, expect, test } from 'vitest'
import { TroupeError } from '../../core/errors.ts'
import { grpcKit, type Peer } from '../unit/transport/peers.ts'

const kit = grpcKit()
const children: ChildProcess[] = []
afterEach(async () => {
  for (const child of children.splice(0)) child.kill('SIGKILL')
  await kit.closeAll()
})

const started = async (id: string, ...args: string[]): Promise<{ child: ChildProcess; address: string }> => {
  const child = fork(new URL('transport-host.ts', import.meta.url).pathname, [id, ...args], { execArgv: [] })
  children.push(child)
  const { address } = await new Promise<{ address: string }>((resolve, reject) => {
    child.once('message', message => resolve(message as { address: string }))
    child.once('exit', code => reject(new Error(`host ${id} ended with ${code}`)))
  })
  return { child, address }
}

/** Exchanges `total` messages with at most `window` unanswered. */
function exchange(a: Peer, peerId: string, first: number, total: number, window: number): Promise<void> {
  const link = a.transport.link(peerId)!
  return new Promise((resolve, reject) => {
    let [next, answered] = [first, first]
    const fill = (): void => {
      while (next < first + total && next - answered < window) {
        if (!link.send([1, next, 'Counter', 'id-123', 'increment', [1], 30_000])) return reject(new Error(`send ${next} was refused`))
        next++
      }
    }
    a.onMessage = (_, message) => {
      a.heard.length = 0
      if (message[1] !== answered++) return reject(new Error(`answer ${String(message[1])} came in place of ${answered - 1}`))
      if (answered === first + total) resolve()
      else fill()
    }
    fill()
  })
}

const stats = async (a: Peer, peerId: string): Promise<{ heard: number; disordered: number; rss: number }> => {
  a.onMessage = () => {}
  a.heard.length = 0
  a.transport.link(peerId)!.send(['stats'])
  await a.until('the stats', () => a.heard.length === 1)
  const [, heard, disordered, rss] = a.heard[0]!.message as [string, number, number, number]
  return { heard, disordered, rss }
}

test('a million messages each way, in order, and memory stays flat', async () => {
  const a = await kit.start('a')
  const { address } = await started('b')
  await a.transport.connect('b', address, 5000)
  await exchange(a, 'b', 0, 200_000, 1000)
  const before = await stats(a, 'b')
  const ownBefore = process.memoryUsage.rss()
  await exchange(a, 'b', 200_000, 800_000, 1000)
  const after = await stats(a, 'b')
  expect(after).toMatchObject({ heard: 1_000_000, disordered: 0 })
  expect(after.rss - before.rss).toBeLessThan(80 << 20)
  expect(process.memoryUsage.rss() - ownBefore).toBeLessThan(120 << 20)
  expect(a.closed).toEqual([])
}, 60_000)

for (const dialler of ['this side', 'the killed side']) {
  test(`kill -9 is heard once, when ${dialler} had dialled`, async () => {
    const a = await kit.start('a')
    const { child, address } = await started('b')
    if (dialler === 'this side') (await a.transport.connect('b', address, 5000)).send([1, 0])
    else child.send({ connect: 'a', address: a.address })
    await a.until('a message of the peer', () => a.heard.length === 1)
    const link = a.transport.link('b')!
    const start = performance.now()
    child.kill('SIGKILL')
    await a.until('the end', () => a.closed.length === 1)
    expect(performance.now() - start).toBeLessThan(1000)
    expect(a.closed[0]!.id).toBe('b')
    expect(TroupeError.is(a.closed[0]!.reason, 'PEER_LOST')).toBe(true)
    expect(link.send([1, 1])).toBe(false)
    // The system closes the connections of a killed process before its port: the first dials may be reset instead.
    const refused = async (): Promise<unknown> => a.transport.connect('b', address, 3000).catch((error: TroupeError) => error.code === 'PEER_UNREACHABLE' && error.data)
    await expect.poll(refused).toMatchObject({ refused: true })
    expect(a.closed.length).toBe(1)
  })
}

test('a frozen peer is closed by its silence, and comes back after it thaws', async () => {
  const a = await kit.start('a', { keepaliveMs: 200, keepaliveTimeoutMs: 400 })
  const { child, address } = await started('b', '200', '400')
  await a.transport.connect('b', address, 5000)
  child.kill('SIGSTOP')
  await a.until('the end', () => a.closed.length === 1, 5000)
  const error: unknown = await a.transport.connect('b', address, 300).catch((reason: unknown) => reason)
  expect(error).toMatchObject({ code: 'PEER_UNREACHABLE', data: { refused: false } })
  const heardByChild = new Promise(resolve => child.once('message', resolve))
  child.kill('SIGCONT')
  expect(await heardByChild).toMatchObject({ closed: 'a' })
  const link = await a.transport.connect('b', address, 5000)
  link.send([1, 0])
  await a.until('an answer', () => a.heard.length === 1)
  expect(a.closed.length).toBe(1)
})

test('a peer that does not read holds back its sender within the bound, and loses nothing that was taken', async () => {
  const a = await kit.start('a', { keepaliveMs: 60_000, keepaliveTimeoutMs: 60_000 })
  const { child, address } = await started('b', '60000', '60000')
  const link = await a.transport.connect('b', address, 5000)
  child.kill('SIGSTOP')
  let taken = 0
  // What the sockets take is not counted any more: the bound is reached for good once they are full too.
  for (let refusals = 0; refusals < 2000; refusals++) {
    while (link.send([1, taken, new Uint8Array(200_000)])) {
      taken++
      refusals = 0
    }
    await new Promise(resolve => setImmediate(resolve))
  }
  expect(taken * 200_000).toBeGreaterThan(15 << 20)
  expect(taken * 200_000).toBeLessThan(64 << 20)
  child.kill('SIGCONT')
  await a.until('all answers', () => a.heard.length === taken)
  expect((await stats(a, 'b')).disordered).toBe(0)
})
