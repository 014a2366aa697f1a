import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { callHttp, exampleApp, TestProcesses } from './processes.ts'

const TYPES = 'Account,Transfer,Counter'

async function certificates(cluster: TestProcesses, ...args: string[]): Promise<(name: string) => string[]> {
  const folder = join(cluster.folder, 'certs')
  const made = await cluster.run(['certs', folder, ...args])
  expect([made.code, made.stderr]).toEqual([0, ''])
  expect(existsSync(join(folder, 'ca.crt'))).toBe(true)
  return name => ['--tls-ca', join(folder, 'ca.crt'), '--tls-cert', join(folder, `${name}.crt`), '--tls-key', join(folder, `${name}.key`)]
}

test('hosts and placement with certificates are a cluster; what its certificate does not name does not start; doors know who calls', async () => {
  await using cluster = new TestProcesses()
  const tls = await certificates(cluster, '--hosts', 'a,b', '--types', TYPES, '--no-lead')
  const service = cluster.start('placement', ['placement', '--port', '0', '--store', cluster.store, ...tls('placement')])
  const placement = String((await service.ready()).address)
  const a = await cluster.host('a', { placement, args: [...tls('host-a'), '--doors-tls', 'mutual'] })
  const b = await cluster.host('b', { placement, args: [...tls('host-b')], env: { TROUPE_API_TOKEN: 'shop:sesame,other' } })
  expect(a.http).toMatch(/^https:/)

  // Ids enough to have some on each host: calls cross the stream between them.
  for (const id of ['x', 'y', 'z', 'u', 'v', 'w']) {
    const called = await cluster.run(['call', `Counter/${id}`, 'increment', '1', '--to', a.http, ...tls('client')])
    expect([called.stderr, called.stdout]).toEqual(['', '1\n'])
  }
  const token = { env: { DAPR_API_TOKEN: 'sesame' } }
  expect((await cluster.run(['call', 'Counter/x', 'increment', '1', '--to', b.http], token)).stdout).toBe('2\n')
  expect((await cluster.run(['status', '--json', '--to', b.http, '--api-token', 'other'])).stdout).toContain('"connected"')
  const stranger = await cluster.run(['call', 'Counter/x', 'increment', '1', '--to', b.http])
  expect([stranger.code, stranger.stderr]).toEqual([1, expect.stringContaining('UNAUTHENTICATED')])
  expect((await fetch(`${b.http}/v1.0/healthz`)).status).toBe(204)

  const refused = async (name: string, args: readonly string[]): Promise<string> => {
    const host = cluster.startHost(name, { placement, args })
    const { code } = await host.ended()
    expect(code).not.toBe(0)
    return host.stderr
  }
  expect(await refused('c', tls('host-a'))).toMatch(/BAD_OPTION.*host c.*host\/c/)
  expect(await refused('client', tls('client'))).toMatch(/BAD_OPTION.*host client/)
  expect(await refused('d', ['--listen', '0.0.0.0', '--advertise', '127.0.0.1'])).toMatch(/BAD_OPTION.*0\.0\.0\.0.*--insecure/)
  expect(await refused('e', ['--tls-ca', join(cluster.folder, 'certs/ca.crt')])).toMatch(/BAD_OPTION.*--tls-cert and --tls-key/)
  expect((await cluster.start('placement', ['placement', '--port', '0', '--store', `${cluster.store}-2`, ...tls('host-a')]).ended()).code).not.toBe(0)
})

test('hosts without a placement service lead with their own certificates, and take renewed ones while they run', async () => {
  await using cluster = new TestProcesses()
  const tls = await certificates(cluster, '--hosts', 'a,b,c', '--types', TYPES)
  const a = await cluster.host('a', { args: tls('host-a') })
  const b = await cluster.host('b', { args: tls('host-b') })
  // Another authority: what the running hosts trusted is worth nothing now, to new connections.
  await certificates(cluster, '--hosts', 'a,b,c', '--types', TYPES, '--replace')
  const c = await cluster.host('c', { args: tls('host-c'), apps: [exampleApp('counter.ts'), exampleApp('account.ts')] })
  for (const id of ['x', 'y', 'z', 'u', 'v', 'w', 'q', 'r']) {
    for (const host of [a, b, c]) expect((await callHttp(host.http, 'Counter', id, 'increment', 1)).status).toBe(200)
  }
})
