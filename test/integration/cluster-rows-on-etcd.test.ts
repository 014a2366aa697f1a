/** Actors on LMDB, the cluster's rows on etcd: placement comes back to the same owners, and nobody joins with other rows. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { startEtcd, type EtcdServer } from '../servers/etcd.ts'
import { freePort } from '../servers/processes.ts'
import { callHttp, TestProcesses, type RunningHost, type TroupeProcess } from './processes.ts'

let etcd: EtcdServer
beforeAll(async () => { etcd = await startEtcd() })
afterAll(() => etcd?.stop())

/** Each test has a namespace, so that their rows do not meet. */
let namespaces = 0
function cluster(processes: TestProcesses, url = etcd.url) {
  const namespace = `n${namespaces++}`
  const args = ['--cluster-store', url, '--namespace', namespace]
  return {
    args,
    namespace,
    startPlacement: (port: number, env: Record<string, string> = {}): TroupeProcess =>
      processes.start('placement', ['placement', '--port', String(port), '--store', processes.store, ...args], { env }),
    async placement(port = 0): Promise<{ process: TroupeProcess; address: string }> {
      const process = this.startPlacement(port)
      const ready = await process.ready(30_000)
      expect(ready.store).toBe(url)
      return { process, address: String(ready.address) }
    },
    host: (name: string, placement: string): Promise<RunningHost> => processes.host(name, { placement, args }),
  }
}

const owners = (host: RunningHost): Promise<unknown[]> => Promise.all(Array.from({ length: 24 }, async (_, i) => {
  const { status, host: owner, epoch } = await callHttp(host.http, 'Counter', `c${i}`, 'increment')
  return [status, owner, epoch]
}))

describe('a cluster with its rows on etcd', () => {
  it('keeps its owners over a placement service that is killed, and takes hosts again when it is back', async () => {
    await using processes = new TestProcesses()
    const it = cluster(processes)
    const { process, address } = await it.placement()
    const [a] = await Promise.all(['a', 'b'].map(name => it.host(name, address)))
    const before = await owners(a!)
    expect(new Set(before.map(one => (one as unknown[])[1]))).toEqual(new Set(['a', 'b']))
    await process.stop('SIGKILL')
    expect(await owners(a!)).toEqual(before)
    await it.placement(Number(address.split(':')[1]))
    expect(await owners(a!)).toEqual(before)
    const c = await it.host('c', address)
    expect(await callHttp(c.http, 'Counter', 'c0', 'get')).toMatchObject({ status: 200, body: 3 })
  }, 60_000)

  it('serves on while etcd is away, and takes hosts again when it is back', async () => {
    await using processes = new TestProcesses()
    const it = cluster(processes)
    const { address } = await it.placement()
    const a = await it.host('a', address)
    const before = await owners(a)
    await etcd.kill()
    try {
      expect(await owners(a)).toEqual(before)
    } finally {
      await etcd.restart()
    }
    const b = await it.host('b', address)
    expect(await callHttp(b.http, 'Counter', 'c0', 'get')).toMatchObject({ status: 200, body: 2 })
  }, 60_000)

  it('refuses a host whose rows are elsewhere, and one that names another place, with both values', async () => {
    await using processes = new TestProcesses()
    const it = cluster(processes)
    const { address } = await it.placement()
    const refused = async (args: readonly string[], says: RegExp): Promise<void> => {
      const odd = processes.startHost('odd', { placement: address, args: ['--namespace', it.namespace, ...args] })
      expect(await odd.ended(20_000)).toEqual({ code: 1, signal: null })
      expect(odd.stderr).toMatch(/^troupe: CLUSTER_MISMATCH: [^\n]+\n$/)
      expect(odd.stderr).toMatch(says)
    }
    // The first host says how a cluster is set up, but not where its rows are.
    await refused([], /clusterStore is not set here and "etcd:/)
    await it.host('a', address)
    await refused([], /clusterStore is not set here and "etcd:/)
    await refused(['--cluster-store', `lmdb:${processes.folder}/other`], /clusterStore is "lmdb:[^"]*" here and "etcd:/)
  }, 60_000)

  it('is refused as a whole by a placement service that keeps its rows in the actors\' store', async () => {
    await using processes = new TestProcesses()
    const { address } = await processes.placement()
    const odd = processes.startHost('odd', { placement: address, args: ['--cluster-store', etcd.url] })
    expect(await odd.ended(20_000)).toEqual({ code: 1, signal: null })
    expect(odd.stderr).toMatch(/CLUSTER_MISMATCH.*clusterStore is "etcd:.*" here and "lmdb:/)
  }, 30_000)
})

describe('a host that leads itself, with its rows on etcd', () => {
  it('starts again and again, and joins a living cluster', async () => {
    await using processes = new TestProcesses()
    const it = cluster(processes)
    for (let start = 1; start <= 2; start++) {
      const alone = await processes.host('alone', { args: it.args })
      expect(await callHttp(alone.http, 'Counter', 'x', 'increment')).toMatchObject({ status: 200, body: start })
      await alone.process.stop()
    }
    await it.placement()
    const beside = await processes.host('beside', { args: it.args })
    expect(await callHttp(beside.http, 'Counter', 'x', 'increment')).toMatchObject({ status: 200, body: 3 })
  }, 60_000)
})

describe('etcd that cannot be used', () => {
  it('not running: says where it was looked for', async () => {
    await using processes = new TestProcesses()
    const url = `etcd://root:hush@127.0.0.1:${await freePort()}`
    const { code, stderr } = await processes.run(['placement', '--port', '0', '--cluster-store', url], { deadlineMs: 20_000 })
    expect({ code, stderr }).toEqual({ code: 1, stderr: expect.stringMatching(/^troupe: STORE_OPEN_FAILED: [^\n]*etcd:\/\/127\.0\.0\.1[^\n]*start etcd[^\n]*\n$/) as string })
    expect(stderr).not.toContain('hush')
  }, 30_000)

  it('over TLS: only with a certificate that this machine trusts', async () => {
    await using processes = new TestProcesses()
    const secure = await startEtcd({ tls: true })
    try {
      const it = cluster(processes, secure.url)
      const untrusted = it.startPlacement(0)
      expect(await untrusted.ended(20_000)).toEqual({ code: 1, signal: null })
      expect(untrusted.stderr).toMatch(/^troupe: STORE_OPEN_FAILED: [^\n]*certificate[^\n]*\n$/m)
      const trusted = it.startPlacement(0, { NODE_EXTRA_CA_CERTS: secure.certificate })
      expect(await trusted.ready(20_000)).toMatchObject({ store: secure.url })
    } finally {
      await secure.stop()
    }
  }, 60_000)
})
