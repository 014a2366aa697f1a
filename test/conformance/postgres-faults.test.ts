/**
 * PostgreSQL when it is down, dies, freezes, restarts or says no; and that nothing of a fenced owner ever lands, however
 * a write and a claim, a termination or a lost connection cross each other.
 */
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, beforeEach, describe, expect, onTestFinished, test } from 'vitest'
import type { Client } from 'pg'
import { SystemClock } from '../../core/clock.ts'
import type { ActorWrite, Claim } from '../../stores/actor-store.ts'
import { PostgresActorStore } from '../../stores/postgres/actor-store.ts'
import { parsePostgresUrl } from '../../stores/postgres/address.ts'
import { PostgresConnection } from '../../stores/postgres/connection.ts'
import { endProcess, startProcess } from '../servers/processes.ts'
import { startPostgres, type PostgresServer } from '../servers/postgres.ts'
import { startTcpProxy, type TcpProxy } from '../servers/tcp-proxy.ts'

const clock = new SystemClock()
const claim = (epoch: number): Claim => ({ type: 'T', shard: 1, epoch, nonce: `host-${epoch}` })
const write = (epoch: number, previous: number, id = 'a', entries?: ActorWrite['entries']): ActorWrite =>
  ({ ...claim(epoch), id, previous, head: Buffer.from(`v${previous + 1}`), ...entries && { entries } })

let server: PostgresServer
let namespace = ''
let schema = ''
let namespaces = 0
beforeAll(async () => { server = await startPostgres('deadlock_timeout=200ms') })
afterAll(() => server?.stop())
beforeEach(() => {
  namespace = `n${namespaces++}`
  schema = `"troupe_${namespace}"`
})

async function storeOn(url = server.url, commandTimeoutMs = 5_000): Promise<PostgresActorStore> {
  const store = new PostgresActorStore(new PostgresConnection(parsePostgresUrl(url), namespace, clock, { commandTimeoutMs }))
  await store.open()
  onTestFinished(() => store.close())
  return store
}
async function proxied(): Promise<{ proxy: TcpProxy; url: string }> {
  const proxy = await startTcpProxy(server.port)
  onTestFinished(() => proxy.stop())
  return { proxy, url: server.url.replace(`:${server.port}/`, `:${proxy.port}/`) }
}
async function connected(): Promise<Client> {
  const client = await server.connect()
  onTestFinished(() => client.end())
  return client
}
/** Repeats `ask` until it succeeds, for 10 s at most. */
async function eventually<T>(ask: () => Promise<T>): Promise<T> {
  for (const deadline = performance.now() + 10_000; ;) {
    try {
      return await ask()
    } catch (error) {
      if (performance.now() > deadline) throw error
      await new Promise(resolve => setTimeout(resolve, 10))
    }
  }
}
/** Resolves with the backends that run `procedure` for this namespace and wait for a lock, when there are `count`. */
const waiting = (procedure: string, count = 1): Promise<number[]> => eventually(async () => {
  const rows = await server.sql<{ pid: number }>(
    `select pid from pg_stat_activity where wait_event_type = 'Lock' and query like 'call ' || $1 || '.' || $2 || '%'`, [schema, procedure])
  expect(rows).toHaveLength(count)
  return rows.map(({ pid }) => pid)
})
/** Somebody else's transaction that holds the head of actor `a`: writes of it stop in the middle, holding their claim. */
async function holdHead(): Promise<{ client: Client; release: () => Promise<unknown> }> {
  const client = await connected()
  await client.query(`begin; select from ${schema}.heads where id = 'a' for update`)
  return { client, release: () => client.query('rollback') }
}
const stateOf = async (store: PostgresActorStore): Promise<unknown[]> => [
  (await store.load([write(1, 0)]))[0]?.version, ...(await store.loadEntries(write(1, 0), ['x', 'y'])).map(value => value && Buffer.from(value).toString()),
]
const pending = async (promise: Promise<unknown>): Promise<boolean> =>
  await Promise.race([promise, new Promise(resolve => setTimeout(resolve, 150, 'pending'))]) === 'pending'

describe('a write and a claim that cross', () => {
  test('a claim that comes while a write is under way is answered after it, and the write is seen', async () => {
    const [old, next] = [await storeOn(), await storeOn()]
    await old.claim([claim(1)])
    await old.commit([write(1, 0)])
    const { release } = await holdHead()
    const commit = old.commit([write(1, 1, 'a', [['x', Buffer.from('1')]])])
    await waiting('commit_writes')
    const claimed = next.claim([claim(2)])
    await waiting('claim_shards')
    expect(await pending(claimed)).toBe(true)
    await release()
    expect(await claimed).toEqual([{ outcome: 'ok' }])
    // Asked at once after the claim's answer: nothing can come after it.
    expect(await stateOf(next)).toEqual([2, '1', undefined])
    expect(await commit).toEqual(['ok'])
    expect(await old.commit([write(1, 2)])).toEqual(['fenced'])
  })

  test('a write that comes while a claim is under way waits for it, and is fenced', async () => {
    const store = await storeOn()
    await store.claim([claim(1)])
    await store.commit([write(1, 0, 'a', [['x', Buffer.from('1')]])])
    const client = await connected()
    await client.query(`begin; update ${schema}.claims set epoch = 2, nonce = 'host-2'`)
    const commit = store.commit([write(1, 1, 'a', [['x', null]]), { ...write(1, 0), head: null, entries: [['y', Buffer.from('late')]] }])
    await waiting('commit_writes')
    await client.query('commit')
    expect(await commit).toEqual(['fenced', 'fenced'])
    expect(await stateOf(store)).toEqual([1, '1', undefined])
  })

  test('a claim that is taken back lets the write through', async () => {
    const store = await storeOn()
    await store.claim([claim(1)])
    const client = await connected()
    await client.query(`begin; update ${schema}.claims set epoch = 2, nonce = 'host-2'`)
    const commit = store.commit([write(1, 0)])
    await waiting('commit_writes')
    await client.query('rollback')
    expect(await commit).toEqual(['ok'])
  })

  test('two writes of one claim do not overlap: the second one sees what the first one did while it waited', async () => {
    const [one, two] = [await storeOn(), await storeOn()]
    for (const store of [one, two]) await store.claim([claim(1)])
    await one.commit([write(1, 0)])
    const { release } = await holdHead()
    const first = one.commit([write(1, 1, 'a', [['x', Buffer.from('1')]])])
    await waiting('commit_writes')
    const second = two.commit([{ ...write(1, 0), head: null, entries: [['x', null], ['y', Buffer.from('2')]] }, write(1, 1)])
    await waiting('commit_writes', 2)
    await release()
    expect([await first, await second]).toEqual([['ok'], ['ok', 'duplicate']])
    expect(await stateOf(one)).toEqual([2, undefined, '2'])
  })

  test('an owner in doubt shuts its own late write out by a fraction of an epoch', async () => {
    const store = await storeOn()
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
    const [old, next] = [await storeOn(), await storeOn()]
    await old.claim([claim(1)])
    await old.commit([write(1, 0)])
    const { release } = await holdHead()
    const commit = old.commit([write(1, 0, 'b'), write(1, 1, 'a', [['x', Buffer.from('late')]])])
    const [pid] = await waiting('commit_writes')
    await server.sql('select pg_terminate_backend($1)', [pid])
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
    const [old, next] = [await storeOn(url), await storeOn()]
    await old.claim([claim(1)])
    await old.commit([write(1, 0)])
    const { release } = await holdHead()
    const commit = old.commit([write(1, 1, 'a', [['x', Buffer.from('in time')]])])
    await waiting('commit_writes')
    await proxy.stop()
    expect(await commit).toEqual(['unknown'])
    const claimed = next.claim([claim(2)])
    await waiting('claim_shards')
    await release()
    await claimed
    // The server went on with it: it came before the claim, so it counts.
    expect(await stateOf(next)).toEqual([2, 'in time', undefined])
    expect(await next.commit([write(2, 2)])).toEqual(['ok'])
  })

  test('its connection is lost before it arrives: a late one changes nothing', async () => {
    const { proxy, url } = await proxied()
    const [old, next] = [await storeOn(url, 400), await storeOn()]
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
    const store = await storeOn(url)
    await store.claim([claim(1)])
    await store.commit([write(1, 0)])
    proxy.cutNextReply()
    expect(await store.commit([write(1, 1)])).toEqual(['unknown'])
    await eventually(async () => expect((await store.load([write(1, 0)]))[0]?.version).toBe(2))
    expect(await store.commit([write(1, 1)])).toEqual(['duplicate'])
  })

  test('a host that freezes before the last message of its request holds no shard', async () => {
    const store = await storeOn()
    await store.claim([claim(1)])
    // A request as pg sends it, but for the Sync at its end.
    const sendMostOf = async (text: string): Promise<void> => {
      const { connection } = await connected() as unknown as { connection: Record<'parse' | 'bind' | 'execute' | 'flush', (message?: object) => void> }
      connection.parse({ text, name: '', types: [] })
      connection.bind({ statement: '', values: [] })
      connection.execute({ portal: '', rows: 0 })
      connection.flush()
    }
    await sendMostOf(`call ${schema}.claim_shards('{T}', '{1}', '{2}', '{host-2}', null, null)`)
    await eventually(async () => expect(await store.claim([claim(1)])).toMatchObject([{ outcome: 'refused', epoch: 2 }]))
    expect(await store.claim([claim(3)])).toEqual([{ outcome: 'ok' }])
    await sendMostOf(`call ${schema}.commit_writes('{T}', '{1}', '{3}', '{host-3}', '{1}', '{a}', '{0}', '{1}', '{1}',
      '{}', '{}', '{}', '{}', '{}', '{}', 'h', null)`)
    await eventually(async () => expect(await store.load([write(3, 0)])).toMatchObject([{ version: 1 }]))
    expect(await store.claim([claim(4)])).toEqual([{ outcome: 'ok' }])
  })

  test('a deadlock with somebody else is undone by the server, and tried again', async () => {
    const store = await storeOn()
    await store.claim([claim(1)])
    await store.commit([write(1, 0), write(1, 0, 'b')])
    const client = await connected()
    await client.query('set deadlock_timeout = \'20s\'')
    await client.query(`begin; select from ${schema}.heads where id = 'b' for update`)
    const commit = store.commit([write(1, 1), write(1, 1, 'b')])
    await waiting('commit_writes')
    // The server takes the side whose patience ends first: the store's.
    await client.query(`update ${schema}.heads set shard = shard where id = 'a'`)
    await client.query('commit')
    expect(await commit).toEqual(['ok', 'ok'])
  })

  test('a write that cannot be stored is no harm to the others of its flush', async () => {
    const store = await storeOn()
    await store.claim([claim(1)])
    const writes = Array.from({ length: 9 }, (_, index) => write(1, 0, index === 5 ? 'no\0text' : `a${index}`))
    expect(await store.commit(writes)).toEqual(writes.map((_, index) => index === 5 ? 'unknown' : 'ok'))
    await expect(store.load([writes[5]!])).rejects.toMatchObject({ code: 'STORE_UNAVAILABLE', retryable: false })
    expect(await store.load(writes.slice(6))).toMatchObject([{ version: 1 }, { version: 1 }, { version: 1 }])
  })

  test('a lock that somebody keeps: unknown in time, and after it all goes on', async () => {
    const store = await storeOn(server.url, 400)
    await store.claim([claim(1)])
    await store.commit([write(1, 0)])
    const { release } = await holdHead()
    const began = performance.now()
    expect(await store.commit([write(1, 1)])).toEqual(['unknown'])
    expect(performance.now() - began).toBeLessThan(2_000)
    await release()
    expect(await store.commit([write(1, 1)])).toEqual(['ok'])
  })
})

test('owners chase each other through a shard while backends are terminated: head and entry agree, nothing acknowledged is lost', async () => {
  const owners = [await storeOn(), await storeOn()]
  let epoch = 0
  let acknowledged = 0
  let unknown = 0
  const deadline = performance.now() + 20_000
  const running = (): boolean => performance.now() < deadline && (acknowledged < 40 || unknown < 5)
  const terminator = (async () => {
    for (const client = await connected(); running();) {
      const seen = acknowledged
      await client.query(`select pg_terminate_backend(pid) from pg_stat_activity where query like 'call ' || $1 || '%' and state = 'active'`, [schema])
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

describe('a server that goes away', () => {
  // Its own server: killing one takes everybody's.
  let own: PostgresServer
  beforeAll(async () => { own = await startPostgres() })
  afterAll(() => own?.stop())

  test('down at the start: fails in time, with the reason and the remedy, and can be opened later', async () => {
    await own.kill()
    const connection = new PostgresConnection(parsePostgresUrl(own.url), namespace, clock, { openTimeoutMs: 500 })
    const began = performance.now()
    const error = await connection.open().catch((thrown: unknown) => thrown)
    expect(error).toMatchObject({ code: 'STORE_OPEN_FAILED', message: expect.stringMatching(/ECONNREFUSED.*start the server/) })
    expect(performance.now() - began).toBeLessThan(5_000)
    expect(String(error)).not.toContain('hush')
    // A name with several addresses.
    const byName = new PostgresConnection(parsePostgresUrl(own.url.replace('127.0.0.1', 'localhost')), namespace, clock, { openTimeoutMs: 200 })
    await expect(byName.open()).rejects.toMatchObject({ message: expect.stringMatching(/ECONNREFUSED/) })
    await own.restart()
    await connection.open()
    await connection.close()
  })

  test('one that comes up while opening is waited for', async () => {
    await own.kill()
    const opening = storeOn(own.url)
    await own.restart()
    expect(await (await opening).load([write(1, 0)])).toEqual([undefined])
  })

  test('killed in the middle: commits are unknown, loads fail, and after a restart all goes on by itself', async () => {
    const store = await storeOn(own.url)
    await store.claim([claim(1)])
    expect(await store.commit([write(1, 0)])).toEqual(['ok'])
    await own.kill()
    const began = performance.now()
    expect(await store.commit([write(1, 1), write(1, 0, 'b')])).toEqual(['unknown', 'unknown'])
    await expect(store.load([write(1, 0)])).rejects.toMatchObject({ code: 'STORE_UNAVAILABLE' })
    await expect(store.claim([claim(2)])).rejects.toMatchObject({ code: 'STORE_UNAVAILABLE' })
    expect(performance.now() - began).toBeLessThan(2_000)
    await own.restart()
    expect(await eventually(() => store.load([write(1, 0), write(1, 0, 'b')]))).toMatchObject([{ version: 1 }, undefined])
    expect(await store.commit([write(1, 1)])).toEqual(['ok'])
  })

  test('restarted under load: what was acknowledged is there, and what is unknown is there once or not at all', async () => {
    const store = await storeOn(own.url)
    await store.claim([claim(1)])
    let acknowledged = 0
    let restarted = false
    let restart: Promise<void> | undefined
    while (!restarted || acknowledged < 60) {
      const [result] = await store.commit([write(1, acknowledged)])
      if (result === 'ok') acknowledged++
      else {
        expect(result).toBe('unknown')
        const [found] = await eventually(() => store.load([write(1, 0)]))
        const version = found?.version ?? 0
        expect([acknowledged, acknowledged + 1]).toContain(version)
        acknowledged = version
      }
      if (acknowledged === 30) restart ??= own.restart().then(() => { restarted = true })
    }
    await restart
    expect(await store.load([write(1, 0)])).toMatchObject([{ version: acknowledged }])
  })

  test('frozen: everything ends within the time limit, and goes on after', async () => {
    const store = await storeOn(own.url, 400)
    await store.claim([claim(1)])
    own.freeze()
    const began = performance.now()
    const [results, load] = await Promise.all([store.commit([write(1, 0)]), store.load([write(1, 0)]).catch((error: unknown) => error)])
    expect(results).toEqual(['unknown'])
    expect(load).toMatchObject({ code: 'STORE_UNAVAILABLE' })
    expect(performance.now() - began).toBeLessThan(2_000)
    own.thaw()
    await eventually(() => store.claim([claim(2)]))
    const version = (await store.load([write(1, 0)]))[0]?.version ?? 0
    expect(await store.commit([write(1, version)])).toEqual(['fenced'])
    expect(await store.commit([write(2, version)])).toEqual(['ok'])
  })

  test('a frozen one cannot be opened, in time', async () => {
    own.freeze()
    const connection = new PostgresConnection(parsePostgresUrl(own.url), namespace, clock, { openTimeoutMs: 500 })
    const began = performance.now()
    await expect(connection.open()).rejects.toMatchObject({ code: 'STORE_OPEN_FAILED', message: expect.stringMatching(/timeout/) })
    expect(performance.now() - began).toBeLessThan(4_000)
    own.thaw()
  })

  test('a frozen one does not keep a store from closing', async () => {
    const store = await storeOn(own.url, 400)
    await store.load([write(1, 0)])
    own.freeze()
    const began = performance.now()
    const load = store.load([write(1, 0)]).catch(() => undefined)
    await store.close()
    await load
    expect(performance.now() - began).toBeLessThan(3_000)
    own.thaw()
  })

  test('a frozen one does not keep a process up that has closed its store', async () => {
    const program = `
      import { openStores } from ${JSON.stringify(fileURLToPath(new URL('../../stores/open-store.ts', import.meta.url)))}
      import { SystemClock } from ${JSON.stringify(fileURLToPath(new URL('../../core/clock.ts', import.meta.url)))}
      const { actors } = openStores(process.argv[1], { clock: new SystemClock(), namespace: ${JSON.stringify(namespace)} })
      await actors.open()
      await Promise.all([1, 2, 3].map(() => actors.load([{ type: 'T', shard: 1, id: 'a' }])))
      process.stdin.once('data', async () => {
        process.stdin.destroy()
        await actors.close()
      })
      console.log('opened')`
    const child = await startProcess(process.execPath, ['--input-type=module', '-e', program, own.url], /opened/)
    onTestFinished(() => endProcess(child))
    own.freeze()
    const began = performance.now()
    child.stdin!.write('close\n')
    expect(await once(child, 'exit')).toEqual([0, null])
    expect(performance.now() - began).toBeLessThan(4_000)
    own.thaw()
  })

  test('connections that nobody uses are lost: no harm, and new ones are made', async () => {
    const store = await storeOn()
    await Promise.all(Array.from({ length: 5 }, () => store.load([write(1, 0)])))
    const ended = await server.sql('select pg_terminate_backend(pid) from pg_stat_activity where application_name = \'troupe\'')
    expect(ended.length).toBeGreaterThan(0)
    expect(await eventually(() => store.load([write(1, 0)]))).toEqual([undefined])
  })
})

test('a process has no more connections than its pool', async () => {
  const store = await storeOn(`${server.url}?pool=2&application_name=bounded`)
  const loads = Promise.all(Array.from({ length: 50 }, () => store.load([write(1, 0)])))
  await loads
  expect(await server.sql('select count(*)::int as n from pg_stat_activity where application_name = \'bounded\'')).toEqual([{ n: 2 }])
})
