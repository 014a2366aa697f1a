/** etcd when it is down, dies, freezes, restarts or answers too late; and what candidates and leaders may never see then. */
import { afterEach, beforeEach, expect, onTestFinished, test } from 'vitest'
import { sleep, SystemClock } from '../../core/clock.ts'
import { parseEtcdUrl } from '../../stores/etcd/address.ts'
import { EtcdClusterStore } from '../../stores/etcd/cluster-store.ts'
import { EtcdConnection, type Call, type EtcdConnectionOptions } from '../../stores/etcd/connection.ts'
import { EtcdKeys, found, list, put } from '../../stores/etcd/rows.ts'
import { openClusterStore } from '../../stores/open-store.ts'
import { startEtcd, startEtcdCluster, type EtcdServer } from '../servers/etcd.ts'
import { freePort } from '../servers/processes.ts'
import { startTcpProxy, type TcpProxy } from '../servers/tcp-proxy.ts'

const clock = new SystemClock()
const candidate = (nonce: string, ttlMs = 60_000) => ({ nonce, address: `${nonce}:1`, ttlMs })
const table = (term: number, version: number, text = `${term}.${version}`) => ({ term, version, bytes: Buffer.from(text) })

let etcd: EtcdServer
beforeEach(async () => { etcd = await startEtcd() })
afterEach(() => etcd.stop())

/** A connection that can be held just before a call, as a slow network would. */
class HeldConnection extends EtcdConnection {
  before: (method: string, request: object) => Promise<void> | undefined = () => undefined
  override operation<T>(work: (call: Call) => Promise<T>): Promise<T> {
    return super.operation(call => work(async (method, request) => {
      await this.before(method, request)
      return await call(method, request)
    }))
  }
}

async function connect(url = etcd.url, options: EtcdConnectionOptions = {}): Promise<{ store: EtcdClusterStore; connection: HeldConnection }> {
  const connection = new HeldConnection(parseEtcdUrl(url), clock, options)
  const store = new EtcdClusterStore(connection, 'test')
  await store.open()
  onTestFinished(() => store.close())
  return { store, connection }
}
const storeOn = async (url?: string, options?: EtcdConnectionOptions): Promise<EtcdClusterStore> => (await connect(url, options)).store

async function proxied(): Promise<TcpProxy> {
  const proxy = await startTcpProxy(etcd.port)
  onTestFinished(() => proxy.stop())
  return proxy
}

/** Holds the first call that `chosen` picks until `release`; `reached` resolves when it is there. */
function holdAt(connection: HeldConnection, chosen: (method: string, request: object) => boolean): { reached: Promise<void>; release: () => void } {
  const [reached, released] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()]
  let once = false
  connection.before = (method, request) => {
    if (once || !chosen(method, request)) return undefined
    once = true
    reached.resolve()
    return released.promise
  }
  return { reached: reached.promise, release: released.resolve }
}
const isChange = (method: string, request: object): boolean => method === 'KV/Txn' && 'compare' in request

/** Repeats `ask` until it succeeds, for 10 s at most. */
async function eventually<T>(ask: () => Promise<T>): Promise<T> {
  for (const deadline = performance.now() + 10_000; ;) {
    try {
      return await ask()
    } catch (error) {
      if (performance.now() > deadline) throw error
      await sleep(clock, 10)
    }
  }
}

test('down at the start: fails in time, with the reason and the remedy, and can be opened later', async () => {
  const port = await freePort()
  const connection = new EtcdConnection(parseEtcdUrl(`etcd://root:hush@127.0.0.1:${port}`), clock, { openTimeoutMs: 400 })
  const store = new EtcdClusterStore(connection, '')
  const began = performance.now()
  const error = await store.open().catch((thrown: unknown) => thrown)
  expect(error).toMatchObject({ code: 'STORE_OPEN_FAILED', message: expect.stringMatching(/ECONNREFUSED.*tried for 400 ms.*start etcd/) })
  expect(String(error)).not.toContain('hush')
  expect(performance.now() - began).toBeLessThan(2_000)
  await expect(store.loadTable()).rejects.toMatchObject({ code: 'STORE_UNAVAILABLE', message: expect.stringContaining('not open') })

  await etcd.kill()
  const later = openClusterStore(etcd.url, { clock })
  onTestFinished(() => later.close())
  const opening = later.open()
  await etcd.restart()
  await opening
  expect(await later.loadTable()).toBeUndefined()
})

test('killed and restarted under a leader: row, term and table are there, and the leader goes on', async () => {
  const [a, b] = [await storeOn(), await storeOn()]
  await a.campaign(candidate('a'))
  expect(await a.saveTable(table(1, 1))).toBe('ok')
  await etcd.kill()
  for (const call of [() => a.campaign(candidate('a')), () => a.saveTable(table(1, 2)), () => a.loadTable(), () => a.resign('a')]) {
    await expect(call()).rejects.toMatchObject({ code: 'STORE_UNAVAILABLE', message: expect.stringContaining(etcd.url) })
  }
  await etcd.restart()
  expect(await eventually(() => b.campaign(candidate('b')))).toMatchObject({ nonce: 'a', term: 1 })
  expect(await eventually(() => a.campaign(candidate('a')))).toMatchObject({ nonce: 'a', term: 1 })
  expect(await a.loadTable()).toEqual(table(1, 1))
  expect(await a.saveTable(table(1, 2))).toBe('ok')
})

test('leases outlive a restart of etcd, and one that asks for a longer time gets it', async () => {
  const [a, b] = [await storeOn(), await storeOn()]
  await a.openLease({ id: 'h', ttlMs: 5_000 })
  await etcd.kill()
  await expect(a.renewLease({ id: 'h', ttlMs: 5_000 })).rejects.toMatchObject({ code: 'STORE_UNAVAILABLE' })
  await etcd.restart()
  expect(await eventually(() => a.renewLease({ id: 'h', ttlMs: 5_000 }))).toEqual({ held: true, version: 0, leader: undefined })
  expect(await b.revokeLease('h')).toBe('held')
  // By another process: it does not know which etcd lease it hangs on.
  expect(await b.renewLease({ id: 'h', ttlMs: 90_000 })).toMatchObject({ held: true })
  expect(await a.leases()).toEqual([{ id: 'h', leftMs: 90_000 }])
  expect(await a.renewLease({ id: 'h', ttlMs: 5_000 })).toMatchObject({ held: true })
  await b.endLease('h')
  expect(await a.renewLease({ id: 'h', ttlMs: 5_000 })).toMatchObject({ held: false })
  expect(await a.leases()).toEqual([])
})

test('a revocation whose answer is lost is made again, and a renewal that comes after it is told', async () => {
  const proxy = await proxied()
  const { store: far } = await connect(`etcd://127.0.0.1:${proxy.port},localhost:${etcd.port}`)
  const near = await storeOn()
  await near.openLease({ id: 'h', ttlMs: 100 })
  await eventually(async () => expect(await near.leases()).toEqual([{ id: 'h', leftMs: 0 }]))
  await far.leases()
  proxy.cutNextReply()
  expect(await far.revokeLease('h')).toBe('revoked')
  expect(await near.renewLease({ id: 'h', ttlMs: 60_000 })).toMatchObject({ held: false })
})

test('frozen: every call fails within its bound, and the next one after the thaw succeeds', async () => {
  const store = await storeOn(etcd.url, { operationTimeoutMs: 600 })
  await store.campaign(candidate('a'))
  etcd.freeze()
  const began = performance.now()
  const outcomes = await Promise.allSettled([store.campaign(candidate('a')), store.saveTable(table(1, 1)), store.loadTable(), store.resign('other')])
  expect(outcomes.map(o => o.status === 'rejected' ? (o.reason as { code: string }).code : 'answered')).toEqual(Array(4).fill('STORE_UNAVAILABLE'))
  expect(performance.now() - began).toBeLessThan(1_500)
  etcd.thaw()
  expect(await eventually(() => store.campaign(candidate('a')))).toMatchObject({ nonce: 'a', term: 1 })
})

test('a dead leader is replaced after its time, not before, and within what the store says', async () => {
  const [a, b] = [await storeOn(), await storeOn()]
  const began = performance.now()
  await a.campaign(candidate('a', 2_500))
  // A renewal counts anew.
  await sleep(clock, 700)
  const renewed = performance.now()
  await a.campaign(candidate('a', 2_500))
  let row = await b.campaign(candidate('b'))
  while (row.nonce === 'a') {
    expect(performance.now() - began).toBeLessThan(10_000)
    await sleep(clock, 25)
    row = await b.campaign(candidate('b'))
  }
  expect(row).toMatchObject({ nonce: 'b', term: 2 })
  expect(performance.now() - renewed).toBeGreaterThan(2_500)
  expect(performance.now() - renewed).toBeLessThan(2_500 + b.lateMs)
  expect(await a.saveTable(table(1, 1))).toBe('stale')
  expect(await a.campaign(candidate('a'))).toMatchObject({ nonce: 'b', term: 2 })
})

test('a row whose leader asks for a longer time, or moved to another address, says so at once', async () => {
  const [a, b] = [await storeOn(), await storeOn()]
  await a.campaign(candidate('a', 1_000))
  expect(await a.campaign({ ...candidate('a', 60_000), address: 'moved:1' })).toEqual({ nonce: 'a', address: 'moved:1', term: 1 })
  await sleep(clock, 1_000 + b.lateMs)
  expect(await b.campaign(candidate('b'))).toEqual({ nonce: 'a', address: 'moved:1', term: 1 })
})

test('two candidates at once: one wins each time, both see the same, terms rise by one', async () => {
  const stores = [await storeOn(), await storeOn()]
  for (let term = 1; term <= 20; term++) {
    const rows = await Promise.all(stores.map((store, i) => store.campaign(candidate(`n${i}.${term}`))))
    expect(rows[0]).toEqual(rows[1])
    expect(rows[0]!.term).toBe(term)
    await stores[term % 2]!.resign(rows[0]!.nonce)
  }
})

test('a candidate that is late by a whole election sees who won', async () => {
  const [late, other] = [await connect(), await storeOn()]
  const hold = holdAt(late.connection, isChange)
  const campaign = late.store.campaign(candidate('late'))
  await hold.reached
  await other.campaign(candidate('other'))
  hold.release()
  expect(await campaign).toMatchObject({ nonce: 'other', term: 1 })
})

test('a save that arrives after a newer leader was elected changes nothing', async () => {
  const [old, next] = [await connect(), await storeOn()]
  await old.store.campaign(candidate('old'))
  await old.store.saveTable(table(1, 1))
  const hold = holdAt(old.connection, isChange)
  const save = old.store.saveTable(table(1, 2, 'late'))
  await hold.reached
  await next.resign('old')
  expect(await next.campaign(candidate('next'))).toMatchObject({ nonce: 'next', term: 2 })
  hold.release()
  expect(await save).toBe('stale')
  expect(await next.loadTable()).toEqual(table(1, 1))
  expect(await next.saveTable(table(2, 2))).toBe('ok')
})

test('of saves of one version that meet, one is taken', async () => {
  const stores = [await storeOn(), await storeOn(), await storeOn()]
  await stores[0]!.campaign(candidate('a'))
  for (let version = 1; version <= 10; version++) {
    const outcomes = await Promise.all(stores.map((store, i) => store.saveTable(table(1, version, `store ${i}`))))
    expect(outcomes.filter(outcome => outcome === 'ok')).toHaveLength(1)
    expect(await stores[0]!.loadTable()).toEqual(table(1, version, `store ${outcomes.indexOf('ok')}`))
  }
})

test('changes whose answers are lost are repeated at the next endpoint and count once', async () => {
  const proxy = await proxied()
  // Endpoints are asked in the order of their names.
  const { store, connection } = await connect(`etcd://127.0.0.1:${proxy.port},localhost:${etcd.port}`)
  const cut = (): void => {
    let once = false
    connection.before = async (method, request) => {
      if (once || !isChange(method, request)) return
      once = true
      proxy.cutNextReply()
    }
  }
  cut()
  expect(await store.campaign(candidate('a'))).toMatchObject({ nonce: 'a', term: 1 })
  const fresh = await connect(`etcd://127.0.0.1:${proxy.port},localhost:${etcd.port}`)
  fresh.connection.before = async (method, request) => { if (isChange(method, request)) proxy.cutNextReply() }
  expect(await fresh.store.saveTable(table(1, 1))).toBe('ok')
  expect(await store.loadTable()).toEqual(table(1, 1))
  await (await storeOn()).campaign(candidate('b'))
  expect(await store.campaign(candidate('a'))).toMatchObject({ nonce: 'a', term: 1 })
})

test('an endpoint that refuses and one that is silent are passed over', async () => {
  const silent = await proxied()
  const refusing = await freePort()
  const store = await storeOn(`etcd://127.0.0.1:${silent.port},[::1]:${refusing},localhost:${etcd.port}`, { operationTimeoutMs: 3_000 })
  await store.campaign(candidate('a'))
  silent.holdRequests()
  const began = performance.now()
  expect(await store.campaign(candidate('a'))).toMatchObject({ nonce: 'a', term: 1 })
  expect(performance.now() - began).toBeLessThan(2_500)
  // From now on the one that answers is asked first.
  const again = performance.now()
  expect(await store.saveTable(table(1, 1))).toBe('ok')
  expect(performance.now() - again).toBeLessThan(500)
})

test('a table beyond the largest request of etcd is saved in parts, which go with the next save', async () => {
  const { store, connection } = await connect()
  await store.campaign(candidate('a'))
  const bytes = Buffer.alloc(5 * 1024 * 1024 + 7, 'troupe')
  expect(await store.saveTable({ term: 1, version: 1, bytes })).toBe('ok')
  const loaded = await store.loadTable()
  expect([loaded?.version, bytes.equals(loaded!.bytes)]).toEqual([1, true])
  const rows = async (): Promise<number> => {
    const everything = { key: Buffer.from('troupe/'), range_end: Buffer.from('troupe0') }
    return found(await connection.operation(call => call('KV/Txn', { success: [list(everything)] })), 0).length
  }
  expect(await rows()).toBe(3 + 6)
  expect(await store.saveTable({ term: 1, version: 1, bytes })).toBe('stale')
  expect(await store.saveTable(table(1, 2))).toBe('ok')
  expect(await rows()).toBe(3 + 1)
  expect(await store.loadTable()).toEqual(table(1, 2))
})

test('rows that somebody else wrote are told by name', async () => {
  const { store, connection } = await connect()
  await connection.operation(call => call('KV/Txn', { success: [put(new EtcdKeys('test').saved, 'what?')] }))
  await expect(store.loadTable()).rejects.toMatchObject({ code: 'STORE_UNAVAILABLE', message: expect.stringMatching(/troupe\/test\/saved/) })
})

test('user and password: wrong ones are told at once and never shown, right ones outlive the tokens that etcd forgets', async () => {
  const admin = async (path: string, body: object): Promise<void> => {
    const reply = await fetch(`http://127.0.0.1:${etcd.port}/v3/auth/${path}`, { method: 'POST', body: JSON.stringify(body) })
    if (!reply.ok) throw new Error(`${path}: ${await reply.text()}`)
  }
  await admin('user/add', { name: 'root', password: 'p@ss:hush' })
  await admin('role/add', { name: 'root' })
  await admin('user/grant', { user: 'root', role: 'root' })
  await admin('enable', {})
  const withUser = (user: string): string => etcd.url.replace('//', `//${user}@`)
  for (const url of [etcd.url, withUser('root:hushed')]) {
    const began = performance.now()
    const error = await openClusterStore(url, { clock }).open().catch((thrown: unknown) => thrown)
    expect(error).toMatchObject({ code: 'STORE_OPEN_FAILED', message: expect.stringMatching(/etcdserver: .*correct the URL/) })
    expect(String(error)).not.toContain('hush')
    expect(performance.now() - began).toBeLessThan(3_000)
  }
  const store = await storeOn(withUser('root:p%40ss:hush'))
  expect(store.name).toBe(etcd.url)
  expect(await store.campaign(candidate('a'))).toMatchObject({ nonce: 'a', term: 1 })
  await etcd.restart()
  expect(await eventually(() => store.campaign(candidate('a')))).toMatchObject({ nonce: 'a', term: 1 })
})

test('three members, of which each in turn freezes or dies: the leader keeps its row and its term', async () => {
  const cluster = await startEtcdCluster()
  onTestFinished(() => cluster.stop())
  const [a, b] = [await storeOn(cluster.url), await storeOn(cluster.url)]
  await a.campaign(candidate('a', 20_000))
  let version = 0
  for (const [index, member] of cluster.members.entries()) {
    if (index === 1) await member.kill()
    else member.freeze()
    // Up to a second or two while the others choose who leads among them.
    expect(await eventually(() => a.campaign(candidate('a', 20_000)))).toMatchObject({ nonce: 'a', term: 1 })
    expect(await eventually(() => a.saveTable(table(1, ++version)))).toBe('ok')
    expect(await eventually(() => b.campaign(candidate('b')))).toMatchObject({ nonce: 'a', term: 1 })
    if (index === 1) await member.restart()
    else member.thaw()
  }
  expect(await eventually(() => b.loadTable())).toEqual(table(1, version))
  await eventually(() => a.resign('a'))
  expect(await eventually(() => b.campaign(candidate('b')))).toMatchObject({ nonce: 'b', term: 2 })
}, 60_000)
