/**
 * A host whose main thread is busy for seconds keeps its lease, one that is stuck loses it, and a frozen one knows at once that
 * it has none: real processes, real stores, looked at from outside.
 */
import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { afterEach, beforeEach, describe, expect, onTestFinished, test, vi } from 'vitest'
import { SystemClock } from '../../core/clock.ts'
import { silentLogger, type Logger } from '../../core/logger.ts'
import { LeaseThread } from '../../placement/lease-thread.ts'
import { defaultLeaseTimes, type LeaseTimes } from '../../placement/lease.ts'
import type { ClusterStore } from '../../stores/cluster-store.ts'
import { openClusterStore } from '../../stores/open-store.ts'
import { startEtcd } from '../servers/etcd.ts'
import { startPostgres } from '../servers/postgres.ts'
import { endProcess, startProcess } from '../servers/processes.ts'
import { startRedis } from '../servers/redis.ts'

interface Said { readonly said: string; readonly valid?: boolean; readonly ms?: number }

interface Holder {
  readonly process: ChildProcess
  tell(line: string): void
  /** Resolves with the next fact of this name; facts that came before are skipped. */
  hear(said: string, timeoutMs?: number): Promise<Said>
  exited(): Promise<number | null>
}

const clock = new SystemClock()
let folder: string
let url: string
let store: ClusterStore
/** Where leases are looked at from outside. */
let looked: ClusterStore

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'troupe-lease-'))
  url = `lmdb:${folder}`
  store = openClusterStore(url, { clock })
  await store.open()
  looked = store
})

afterEach(async () => {
  await store.close()
  rmSync(folder, { recursive: true, force: true })
})

async function holder(id: string, times: LeaseTimes = defaultLeaseTimes, extension = 'ts'): Promise<Holder> {
  const child = spawn(process.execPath, ['--disable-warning=ExperimentalWarning', fileURLToPath(new URL('lease-host.ts', import.meta.url)), url, id, JSON.stringify(times), extension], {
    stdio: ['pipe', 'pipe', 'inherit'],
  })
  const exit = once(child, 'exit')
  onTestFinished(async () => {
    child.kill('SIGKILL')
    await exit
  })
  const heard: Said[] = []
  const waiting = new Set<() => void>()
  createInterface(child.stdout).on('line', line => {
    heard.push(JSON.parse(line) as Said)
    for (const wake of waiting) wake()
  })
  const hear = (said: string, timeoutMs = 15_000): Promise<Said> => new Promise((resolve, reject) => {
    const settle = (): void => {
      timer.cancel()
      waiting.delete(look)
    }
    const look = (): void => {
      const index = heard.findIndex(fact => fact.said === said)
      if (index < 0) return
      settle()
      resolve(heard.splice(0, index + 1).at(-1)!)
    }
    const timer = clock.after(timeoutMs, () => { settle(); reject(new Error(`${said} was not said within ${timeoutMs} ms; heard ${JSON.stringify(heard)}`)) }, true)
    waiting.add(look)
    look()
  })
  await hear('ready')
  return { process: child, hear, tell: line => void child.stdin.write(`${line}\n`), exited: async () => (await exit)[0] as number | null }
}

const leftMs = async (id: string): Promise<number | undefined> => (await looked.leases()).find(lease => lease.id === id)?.leftMs
const isOver = async (id: string): Promise<void> => expect(await leftMs(id)).toBeLessThanOrEqual(0)
const within = { timeout: 10_000, interval: 20 }

/** Looks at the lease in the store, from this process, until `done`; the least that was left of it. */
async function leastLeft(id: string, done: Promise<unknown>): Promise<number> {
  let least = Infinity
  let over = false
  void done.then(() => { over = true }, () => { over = true })
  while (!over) {
    least = Math.min(least, await leftMs(id) ?? -Infinity)
    await new Promise(resolve => setTimeout(resolve, 20))
  }
  return least
}

const stalls: LeaseTimes = { ttlMs: 1_000, renewMs: 250, stallMs: 1_000 }

describe.each(['ts', 'js'])('from %s', extension => {
  test('a main thread that is busy for 3 s keeps its lease all the time', async () => {
    const host = await holder('a1', defaultLeaseTimes, extension)
    host.tell('busy 3000')
    const busy = host.hear('busy')
    expect(await leastLeft('a1', busy)).toBeGreaterThan(0)
    expect(await store.revokeLease('a1')).toBe('held')
    expect(await busy).toMatchObject({ valid: true })
    host.tell('close')
    await host.hear('closed')
    expect(await store.leases()).toEqual([])
  })
})

test('a main thread that is stuck for longer than it may be loses the lease, and hears that it was revoked', async () => {
  const host = await holder('a1', stalls)
  host.tell('busy 5000')
  await vi.waitFor(() => isOver('a1'), within)
  expect(await store.revokeLease('a1')).toBe('revoked')
  expect(await host.hear('busy')).toMatchObject({ valid: false })
  expect(await host.hear('revoked')).toMatchObject({ valid: false })
})

test('a lease that was over and not revoked is held again when the main thread runs again', async () => {
  const host = await holder('a1', stalls)
  host.tell('busy 3000')
  await vi.waitFor(() => isOver('a1'), within)
  expect(await host.hear('busy')).toMatchObject({ valid: false })
  await vi.waitFor(async () => expect(await leftMs('a1')).toBeGreaterThan(0), within)
  host.tell('valid')
  expect(await host.hear('valid')).toMatchObject({ valid: true })
})

/** A process that is frozen while it writes holds LMDB's lock, and everybody waits; a server goes on without it. */
async function onRedis(): Promise<void> {
  const server = await startRedis()
  onTestFinished(() => server.stop())
  const redis = openClusterStore(server.url, { clock })
  await redis.open()
  onTestFinished(() => redis.close())
  url = server.url
  looked = redis
}

test('a process that was frozen knows in its first moment that its lease is over', async () => {
  await onRedis()
  const host = await holder('a1')
  host.tell('watch 20000')
  await host.hear('watching')
  expect(await leftMs('a1')).toBeGreaterThan(0)
  host.process.kill('SIGSTOP')
  await vi.waitFor(() => isOver('a1'), within)
  // Revoked, so that no renewal of the thread can be faster than the look.
  expect(await looked.revokeLease('a1')).toBe('revoked')
  host.process.kill('SIGCONT')
  const seen = await host.hear('jumped')
  expect(seen.ms).toBeGreaterThan(1_000)
  expect(seen.valid).toBe(false)
  expect(await host.hear('revoked')).toMatchObject({ valid: false })
})

test('a frozen process whose lease nobody revoked holds it again', async () => {
  await onRedis()
  const host = await holder('a1')
  host.process.kill('SIGSTOP')
  await vi.waitFor(() => isOver('a1'), within)
  host.process.kill('SIGCONT')
  await vi.waitFor(async () => expect(await leftMs('a1')).toBeGreaterThan(0), within)
})

test('the thread keeps no process alive, and goes with one that exits', async () => {
  const idle = await holder('a1')
  idle.tell('idle')
  expect(await idle.exited()).toBe(0)
  const exits = await holder('b1')
  exits.tell('exit')
  expect(await exits.exited()).toBe(0)
  await vi.waitFor(async () => {
    await isOver('a1')
    await isOver('b1')
  }, within)
})

// ---- in this process ------------------------------------------------------------------------------------------------

function thread(options: Partial<ConstructorParameters<typeof LeaseThread>[0]> = {}): LeaseThread {
  const lease = new LeaseThread({ clusterStore: url, namespace: '', clock, log: silentLogger, ...options })
  onTestFinished(() => lease.close(false))
  return lease
}

/** A logger that keeps what is said. */
function listener(lines: { level: string; fields: object; message: string }[], base: object = {}): Logger {
  const at = (level: string) => (fields: object, message: string): void => void lines.push({ level, fields: { ...base, ...fields }, message })
  return { debug: at('debug'), info: at('info'), warn: at('warn'), error: at('error'), child: fields => listener(lines, { ...base, ...fields }) }
}

describe.each([
  ['LMDB', async () => ({ url, stop: async () => {} })], ['Redis', startRedis], ['PostgreSQL', startPostgres], ['etcd', startEtcd],
] as const)('on %s', (_name, start) => {
  test('the lease is opened, renewed, released, and the thread ends by itself', async () => {
    const server = await start()
    onTestFinished(() => server.stop())
    const seen = openClusterStore(server.url, { clock })
    await seen.open()
    onTestFinished(() => seen.close())
    const lines: { level: string; fields: object; message: string }[] = []
    const lease = thread({ clusterStore: server.url, log: listener(lines) })
    const leader = await seen.campaign({ nonce: 'n', address: 'p:1', ttlMs: 60_000 })
    const heard = new Promise(resolve => lease.onNews(news => { if (news.version === 7) resolve(news) }))
    await lease.open('a1')
    expect(lease.valid()).toBe(true)
    expect(await seen.leases()).toMatchObject([{ id: 'a1' }])
    await seen.saveTable({ term: leader.term, version: 7, bytes: new Uint8Array(3) })
    lease.renewNow()
    expect(await heard).toEqual({ version: 7, leader })
    await lease.close(true)
    expect(lease.valid()).toBe(false)
    expect(await seen.leases()).toEqual([])
    expect(lines.filter(line => line.level !== 'debug')).toEqual([])
  })
})

test('a store that stands still costs the right to serve in time, and nothing else', async () => {
  const server = await startRedis()
  onTestFinished(() => server.stop())
  const lease = thread({ clusterStore: server.url })
  let revoked = false
  lease.onRevoked(() => { revoked = true })
  await lease.open('a1')
  server.freeze()
  await vi.waitFor(() => expect(lease.valid()).toBe(false), within)
  server.thaw()
  await vi.waitFor(() => expect(lease.valid()).toBe(true), within)
  expect(revoked).toBe(false)
})

test('a thread that hangs in its store is left behind in time', async () => {
  const held = mkdtempSync(join(tmpdir(), 'troupe-lease-'))
  const lease = thread({ clusterStore: `lmdb:${held}`, times: { ttlMs: 500, renewMs: 100, stallMs: 1_000 } })
  await lease.open('a1')
  const locker = await startProcess(process.execPath, [fileURLToPath(new URL('../servers/lmdb-writer.ts', import.meta.url)), 'hold', held], /holding/)
  onTestFinished(async () => {
    await endProcess(locker)
    rmSync(held, { recursive: true, force: true })
  })
  await vi.waitFor(() => expect(lease.valid()).toBe(false), within)
  await lease.close(true)
})

test('what cannot be opened says why: a URL that is none, a store that is not there, a second lease', async () => {
  await expect(thread({ clusterStore: 'nothing:here' }).open('a1')).rejects.toMatchObject({ code: 'BAD_OPTION', message: expect.stringMatching(/no known scheme/) })
  await expect(thread({ clusterStore: 'lmdb:/dev/null/store' }).open('a1')).rejects.toMatchObject({ code: 'STORE_OPEN_FAILED' })
  const lease = thread()
  await lease.open('a1')
  await expect(lease.open('a2')).rejects.toMatchObject({ code: 'INTERNAL' })
})

test('closed while opening, it leaves nothing in the store', async () => {
  const lease = thread()
  const opening = lease.open('a1').catch((error: unknown) => error)
  await lease.close(true)
  expect(await opening).toMatchObject({ code: 'STORE_UNAVAILABLE' })
  expect(await store.leases()).toEqual([])
})

test('a thread that crashes is replaced and the lease goes on; after too many it counts as revoked', async () => {
  const lines: { level: string; fields: object; message: string }[] = []
  const lease = thread({ worker: new URL('lease-crashing-worker.ts', import.meta.url), log: listener(lines), times: { ...defaultLeaseTimes, ttlMs: 10_000 } })
  let revoked = 0
  const over = new Promise<void>(resolve => lease.onRevoked(() => { revoked++; resolve() }))
  await lease.open('a1')
  expect(await leastLeft('a1', over)).toBeGreaterThan(0)
  expect(revoked).toBe(1)
  expect(lease.valid()).toBe(false)
  expect(lines.filter(line => line.level === 'error').map(line => line.fields)).toEqual(Array.from({ length: 4 }, () => ({ thread: 'lease', reason: 'crashed on purpose' })))
})
