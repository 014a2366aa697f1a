/**
 * The fence on PostgreSQL (P4): nothing of a fenced owner ever lands, however a write and a claim, a termination or a lost
 * connection cross each other.
 */
import { describe, expect, onTestFinished, test } from 'vitest'
import type { PostgresActorStore } from '../../stores/postgres/actor-store.ts'
import { startTcpProxy, type TcpProxy } from '../servers/tcp-proxy.ts'
import { claim, eventually, PostgresPlace, stateOf, write } from './postgres-place.ts'

const place = new PostgresPlace('deadlock_timeout=200ms')

async function proxied(): Promise<{ proxy: TcpProxy; url: string }> {
  const { port, url } = place.server
  const proxy = await startTcpProxy(port)
  onTestFinished(() => proxy.stop())
  return { proxy, url: url.replace(`:${port}/`, `:${proxy.port}/`) }
}
const pending = async (promise: Promise<unknown>): Promise<boolean> =>
  await Promise.race([promise, new Promise(resolve => setTimeout(resolve, 150, 'pending'))]) === 'pending'

describe('a write and a claim that cross', () => {
  test('a claim that comes while a write is under way is answered after it, and the write is seen', async () => {
    const [old, next] = [await place.store(), await place.store()]
    await old.claim([claim(1)])
    await old.commit([write(1, 0)])
    const release = await place.holdHead()
    const commit = old.commit([write(1, 1, 'a', [['x', Buffer.from('1')]])])
    await place.waiting('commit_writes')
    const claimed = next.claim([claim(2)])
    await place.waiting('claim_shards')
    expect(await pending(claimed)).toBe(true)
    await release()
    expect(await claimed).toEqual([{ outcome: 'ok' }])
    // Asked at once after the claim's answer: nothing can come after it.
    expect(await stateOf(next)).toEqual([2, '1', undefined])
    expect(await commit).toEqual(['ok'])
    expect(await old.commit([write(1, 2)])).toEqual(['fenced'])
  })

  test('a write that comes while a claim is under way waits for it, and is fenced', async () => {
    const store = await place.store()
    await store.claim([claim(1)])
    await store.commit([write(1, 0, 'a', [['x', Buffer.from('1')]])])
    const client = await place.client()
    await client.query(`begin; update ${place.schema}.claims set epoch = 2, nonce = 'host-2'`)
    const commit = store.commit([write(1, 1, 'a', [['x', null]]), { ...write(1, 0), head: null, entries: [['y', Buffer.from('late')]] }])
    await place.waiting('commit_writes')
    await client.query('commit')
    expect(await commit).toEqual(['fenced', 'fenced'])
    expect(await stateOf(store)).toEqual([1, '1', undefined])
  })

  test('a claim that is taken back lets the write through', async () => {
    const store = await place.store()
    await store.claim([claim(1)])
    const client = await place.client()
    await client.query(`begin; update ${place.schema}.claims set epoch = 2, nonce = 'host-2'`)
    const commit = store.commit([write(1, 0)])
    await place.waiting('commit_writes')
    await client.query('rollback')
    expect(await commit).toEqual(['ok'])
  })

  test('two writes of one claim do not overlap: the second one sees what the first one did while it waited', async () => {
    const [one, two] = [await place.store(), await place.store()]
    for (const store of [one, two]) await store.claim([claim(1)])
    await one.commit([write(1, 0)])
    const release = await place.holdHead()
    const first = one.commit([write(1, 1, 'a', [['x', Buffer.from('1')]])])
    await place.waiting('commit_writes')
    const second = two.commit([{ ...write(1, 0), head: null, entries: [['x', null], ['y', Buffer.from('2')]] }, write(1, 1)])
    await place.waiting('commit_writes', 2)
    await release()
    expect([await first, await second]).toEqual([['ok'], ['ok', 'duplicate']])
    expect(await stateOf(one)).toEqual([2, undefined, '2'])
  })

  test('an owner in doubt shuts its own late write out by a fraction of an epoch', async () => {
    const store = await place.store()
    const raised = { ...claim(1), epoch: 1 + 2 ** -20 }
    await store.claim([claim(1)])
    expect(await store.claim([raised])).toEqual([{ outcome: 'ok' }])
    expect(await store.commit([write(1, 0)])).toEqual(['fenced'])
    expect(await store.commit([{ ...write(1, 0), epoch: raised.epoch }])).toEqual(['ok'])
    expect(await store.claim([claim(1)])).toEqual([{ outcome: 'refused', epoch: raised.epoch, nonce: 'host-1' }])
    expect(await store.claim([claim(2)])).toEqual([{ outcome: 'ok' }])
  })
})

describe('a commit that is broken off', () => {
  test('its backend is terminated in the middle: unknown, nothing landed, and the shard is free at once', async () => {
    const [old, next] = [await place.store(), await place.store()]
    await old.claim([claim(1)])
    await old.commit([write(1, 0)])
    const release = await place.holdHead()
    const commit = old.commit([write(1, 0, 'b'), write(1, 1, 'a', [['x', Buffer.from('late')]])])
    const [pid] = await place.waiting('commit_writes')
    await place.server.sql('select pg_terminate_backend($1)', [pid])
    expect(await commit).toEqual(['unknown', 'unknown'])
    expect(await next.claim([claim(2)])).toEqual([{ outcome: 'ok' }])
    await release()
    expect(await stateOf(next)).toEqual([1, undefined, undefined])
    expect(await next.load([write(1, 0, 'b')])).toEqual([undefined])
    expect(await old.commit([write(1, 1)])).toEqual(['fenced'])
    expect(await next.commit([write(2, 1)])).toEqual(['ok'])
  })

  test('its connection is lost while it waits: unknown, and what the next owner reads is the last word', async () => {
    const { proxy, url } = await proxied()
    const [old, next] = [await place.store(url), await place.store()]
    await old.claim([claim(1)])
    await old.commit([write(1, 0)])
    const release = await place.holdHead()
    const commit = old.commit([write(1, 1, 'a', [['x', Buffer.from('in time')]])])
    await place.waiting('commit_writes')
    await proxy.stop()
    expect(await commit).toEqual(['unknown'])
    const claimed = next.claim([claim(2)])
    await place.waiting('claim_shards')
    await release()
    await claimed
    // The server went on with it: it came before the claim, so it counts.
    expect(await stateOf(next)).toEqual([2, 'in time', undefined])
    expect(await next.commit([write(2, 2)])).toEqual(['ok'])
  })

  test('its connection is lost before it arrives: a late one changes nothing', async () => {
    const { proxy, url } = await proxied()
    const [old, next] = [await place.store(url, 400), await place.store()]
    const elsewhere = { ...write(1, 0, 'elsewhere'), shard: 2 }
    await old.claim([claim(1), elsewhere])
    expect(await old.commit([write(1, 0)])).toEqual(['ok'])
    proxy.holdRequests()
    const commit = old.commit([
      write(1, 1, 'a', [['x', Buffer.from('late')]]), { ...write(1, 0), head: null, entries: [['y', Buffer.from('late')]] }, elsewhere,
    ])
    await proxy.held()
    expect(await commit).toEqual(['unknown', 'unknown', 'unknown'])
    await next.claim([claim(2)])
    proxy.release()
    // The write to the shard that nobody took shows that the request has arrived.
    await eventually(async () => expect(await next.load([elsewhere])).toMatchObject([{ version: 1 }]))
    expect(await stateOf(next)).toEqual([1, undefined, undefined])
    expect(await next.commit([write(2, 1)])).toEqual(['ok'])
  })

  test('its reply is cut off: unknown, and a repeat finds it done', async () => {
    const { proxy, url } = await proxied()
    const store = await place.store(url)
    await store.claim([claim(1)])
    await store.commit([write(1, 0)])
    proxy.cutNextReply()
    expect(await store.commit([write(1, 1)])).toEqual(['unknown'])
    await eventually(async () => expect((await store.load([write(1, 0)]))[0]?.version).toBe(2))
    expect(await store.commit([write(1, 1)])).toEqual(['duplicate'])
  })

  test('a host that freezes before the last message of its request holds no shard', async () => {
    const store = await place.store()
    await store.claim([claim(1)])
    // A request as pg sends it, but for the Sync at its end.
    const sendMostOf = async (text: string): Promise<void> => {
      const { connection } = await place.client() as unknown as { connection: Record<'parse' | 'bind' | 'execute' | 'flush', (message?: object) => void> }
      connection.parse({ text, name: '', types: [] })
      connection.bind({ statement: '', values: [] })
      connection.execute({ portal: '', rows: 0 })
      connection.flush()
    }
    await sendMostOf(`call ${place.schema}.claim_shards('{T}', '{1}', '{2}', '{host-2}', null, null)`)
    await eventually(async () => expect(await store.claim([claim(1)])).toMatchObject([{ outcome: 'refused', epoch: 2 }]))
    expect(await store.claim([claim(3)])).toEqual([{ outcome: 'ok' }])
    await sendMostOf(`call ${place.schema}.commit_writes('{T}', '{1}', '{3}', '{host-3}', '{1}', '{a}', '{0}', '{1}', '{1}',
      '{}', '{}', '{}', '{}', '{}', '{}', 'h', null)`)
    await eventually(async () => expect(await store.load([write(3, 0)])).toMatchObject([{ version: 1 }]))
    expect(await store.claim([claim(4)])).toEqual([{ outcome: 'ok' }])
  })

  test('a deadlock with somebody else is undone by the server, and tried again', async () => {
    const store = await place.store()
    await store.claim([claim(1)])
    await store.commit([write(1, 0), write(1, 0, 'b')])
    const client = await place.client()
    await client.query('set deadlock_timeout = \'20s\'')
    await client.query(`begin; select from ${place.schema}.heads where id = 'b' for update`)
    const commit = store.commit([write(1, 1), write(1, 1, 'b')])
    await place.waiting('commit_writes')
    // The server takes the side whose patience ends first: the store's.
    await client.query(`update ${place.schema}.heads set shard = shard where id = 'a'`)
    await client.query('commit')
    expect(await commit).toEqual(['ok', 'ok'])
  })

  test('a write that cannot be stored is no harm to the others of its flush', async () => {
    const store = await place.store()
    await store.claim([claim(1)])
    const writes = Array.from({ length: 9 }, (_, index) => write(1, 0, index === 5 ? 'no\0text' : `a${index}`))
    expect(await store.commit(writes)).toEqual(writes.map((_, index) => index === 5 ? 'unavailable' : 'ok'))
    await expect(store.load([writes[5]!])).rejects.toMatchObject({ code: 'STORE_UNAVAILABLE', retryable: false })
    expect(await store.load(writes.slice(6))).toMatchObject([{ version: 1 }, { version: 1 }, { version: 1 }])
    const reads = await Promise.allSettled(store.loadEntries(writes.map(actor => ({ actor, names: ['x'] }))))
    expect(reads.map(read => read.status === 'fulfilled' ? read.value : read.reason)).toMatchObject(
      writes.map((_, index) => index === 5 ? { code: 'STORE_UNAVAILABLE', retryable: false } : [undefined]))
  })

  test('a lock that somebody keeps: given up in time, nothing is written, and after it all goes on', async () => {
    const store = await place.store(undefined, 400)
    await store.claim([claim(1)])
    await store.commit([write(1, 0)])
    const release = await place.holdHead()
    const began = performance.now()
    expect(await store.commit([write(1, 1)])).toEqual(['unavailable'])
    expect(performance.now() - began).toBeLessThan(2_000)
    await release()
    expect(await store.load([write(1, 0)])).toMatchObject([{ version: 1 }])
    expect(await store.commit([write(1, 1)])).toEqual(['ok'])
  })
})

test('owners chase each other through a shard while backends are terminated: head and entry agree, nothing acknowledged is lost', async () => {
  const owners = [await place.store(), await place.store()]
  let epoch = 0
  let acknowledged = 0
  let unknown = 0
  const deadline = performance.now() + 20_000
  const running = (): boolean => performance.now() < deadline && (acknowledged < 40 || unknown < 5)
  const terminator = (async () => {
    for (const client = await place.client(); running();) {
      const seen = acknowledged
      await client.query(`select pg_terminate_backend(pid) from pg_stat_activity where query like 'call ' || $1 || '%' and state = 'active'`, [place.schema])
      while (running() && acknowledged === seen) await new Promise(resolve => setTimeout(resolve, 1))
    }
  })()
  const chase = async (store: PostgresActorStore): Promise<void> => {
    while (running()) {
      const mine = claim(++epoch)
      const known = acknowledged
      const claimed = await store.claim([mine]).catch(() => undefined)
      if (claimed?.[0]!.outcome !== 'ok') continue
      let version = (await eventually(() => store.load([write(1, 0)])))[0]?.version ?? 0
      expect(version).toBeGreaterThanOrEqual(known)
      for (let turn = 0; turn < 5; turn++) {
        const [result] = await store.commit([write(mine.epoch, version, 'a', [['x', Buffer.from(String(version + 1))]])])
        if (result === 'unknown') unknown++
        if (result !== 'ok') break
        acknowledged = Math.max(acknowledged, ++version)
      }
    }
  }
  await Promise.all([...owners.map(chase), terminator])
  const [version, x] = await eventually(() => stateOf(owners[0]!))
  expect(version).toBeGreaterThanOrEqual(acknowledged)
  expect(x).toBe(String(version))
  expect([acknowledged >= 40, unknown >= 5]).toEqual([true, true])
})
