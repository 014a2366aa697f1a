/**
 * A replica takes over that has not got every acknowledged write. What is lost is lost, and told; but nobody is shown a value that
 * only the memory of a host still has, and everybody goes on from what the store holds.
 */
import { expect, onTestFinished, test } from 'vitest'
import { Actor, createHost, type MethodOptions } from 'troupe'
import { startRedis } from '../servers/redis.ts'
import { startTcpProxy } from '../servers/tcp-proxy.ts'

class Tally extends Actor {
  value = 0
  add() {
    return ++this.value
  }
  get() {
    return this.value
  }
  static readonly methods = { get: { readonly: true } } satisfies MethodOptions<Tally>
}

/** Repeats `ask` until it succeeds, for 15 s at most. */
async function eventually<T>(ask: () => T | Promise<T>): Promise<T> {
  for (const deadline = performance.now() + 15_000; ;) {
    try {
      return await ask()
    } catch (error) {
      if (performance.now() > deadline) throw error
      await new Promise(resolve => setTimeout(resolve, 20))
    }
  }
}

test('memory that is ahead of a Redis that was taken over is dropped, on actors that are only read too', async () => {
  const [master, replica] = [await startRedis('--repl-diskless-sync-delay', '0'), await startRedis()]
  onTestFinished(async () => { await Promise.all([master.stop(), replica.stop()]) })
  replica.cli('replicaof', '127.0.0.1', String(master.port))
  await eventually(() => expect(replica.cli('info', 'replication')).toContain('master_link_status:up'))
  const proxy = await startTcpProxy(master.port)
  onTestFinished(() => proxy.stop())
  const host = await createHost({ actors: [Tally], store: `redis://127.0.0.1:${proxy.port}` })
  onTestFinished(() => host.stop())
  const [written, kept] = [host.actor(Tally, 'written'), host.actor(Tally, 'kept')]
  for (let i = 1; i <= 3; i++) expect([await written.add(), await kept.add()]).toEqual([i, i])
  const offset = (server: typeof master): string => /master_repl_offset:(\d+)/.exec(server.cli('info', 'replication'))![1]!
  await eventually(() => expect(Number(offset(replica))).toBeGreaterThan(Number(offset(master)) - 1_000))
  replica.cli('replicaof', 'no', 'one')
  for (let i = 4; i <= 7; i++) expect(await written.add()).toBe(i)
  proxy.retarget(replica.port)

  // Nobody writes: without a look at the store this host would say 7 for ever.
  await eventually(async () => expect(await written.get()).toBeLessThan(7))
  const stored = await written.get()
  expect(stored).toBeGreaterThanOrEqual(3)
  expect(await eventually(() => written.add())).toBe(stored + 1)
  expect(await kept.get()).toBe(3)
  expect(await eventually(() => kept.add())).toBe(4)
}, 60_000)
