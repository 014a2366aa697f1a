// A host on certificates, with fixed ports and a lease on a thread, that loses its lease again and again: each life listens where the one
// before it did, with certificates of that moment, and leaves nothing behind.
import { mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, it, onTestFinished } from 'vitest'
import { Actor, createHost, type Host } from '../../index.ts'
import { SystemClock } from '../../core/clock.ts'
import { silentLogger } from '../../core/logger.ts'
import { loadClusterStore } from '../../stores/load-cluster-store.ts'
import { until } from '../unit/activation/signal.ts'
import { Certificates } from './certificates.ts'

class Counter extends Actor {
  count = 0
  add(): number {
    return ++this.count
  }
}

const freePort = (): Promise<number> => new Promise(resolve => {
  const server = createServer().listen(0, '127.0.0.1', () => {
    const { port } = server.address() as { port: number }
    server.close(() => resolve(port))
  })
})

const open = (): number => readdirSync('/proc/self/fd').length

it('serves on the same ports as a new incarnation, ten times over, and forgets nothing', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'troupe-rejoin-'))
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }))
  const store = `lmdb:${folder}`
  const cluster = await loadClusterStore(store, { clock: new SystemClock(), log: silentLogger, namespace: 'default' })
  await cluster.open()
  onTestFinished(() => cluster.close())
  const certificates = await Certificates.make()
  const [port, placementPort] = [await freePort(), await freePort()]
  const start = (hostId: string, more: object): Promise<Host> =>
    createHost({ actors: [Counter], store, hostId, leaseTtl: 1_000, tls: certificates.files(`host-${hostId}`), ...more })
  const a = await start('a', { listen: { host: '127.0.0.1', port }, placementPort })
  onTestFinished(() => a.stop())
  const b = await start('b', {})
  onTestFinished(() => b.stop())
  const counts = new Map<string, number>()
  const add = async (host: Host): Promise<void> => {
    for (let i = 0; i < 20; i++) {
      const count = await host.actor(Counter, `c${i}`).add()
      expect(count).toBe((counts.get(`c${i}`) ?? 0) + 1)
      counts.set(`c${i}`, count)
    }
  }
  await add(a)
  let before = 0
  for (let life = 0; life < 10; life++) {
    const { incarnation } = a
    await cluster.endLease(incarnation)
    await until(() => a.incarnation !== incarnation && a.phase === 'serving', 'it serves as a new incarnation', 15_000)
    expect(a.addresses).toMatchObject({ peer: `127.0.0.1:${port}`, placement: `127.0.0.1:${placementPort}` })
    if (life === 4) await certificates.add({ hosts: ['a', 'b'] })
    await add(life % 2 === 0 ? a : b)
    if (life === 1) before = open()
  }
  // A link that is still closing is none that leaks; ten lives with one each would be.
  expect(open()).toBeLessThan(before + 8)
}, 60_000)
