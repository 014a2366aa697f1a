/** What a host does when placement is not there, when its name is taken, and when its options are not the cluster's. */
import { once } from 'node:events'
import { createServer, type AddressInfo } from 'node:net'
import { describe, expect, it } from 'vitest'
import { callHttp, TestProcesses } from './processes.ts'

/** A port that was free a moment ago. */
async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  server.close()
  await once(server, 'close')
  return port
}

describe('a host', () => {
  it('gives up after its join timeout when there is no placement service', async () => {
    await using processes = new TestProcesses()
    const host = processes.startHost('a', { placement: `127.0.0.1:${await freePort()}`, args: ['--join-timeout', '2s'] })
    expect(await host.ended(15_000)).toEqual({ code: 1, signal: null })
    expect(host.stderr).toMatch(/^troupe: PLACEMENT_UNREACHABLE: [^\n]*127\.0\.0\.1[^\n]*\n$/)
    expect(host.stderr).not.toContain('Resolution note')
  })

  it('waits for a placement service that starts after it', async () => {
    await using processes = new TestProcesses()
    const port = await freePort()
    const host = processes.startHost('a', { placement: `127.0.0.1:${port}` })
    expect(await host.logged('waiting for placement')).toMatchObject({ level: 'info', placement: [`127.0.0.1:${port}`] })
    await processes.placement({ port })
    const { http } = await host.ready()
    expect(await callHttp(String(http), 'Counter', 'x', 'increment')).toMatchObject({ status: 200, body: 1 })
  })

  it('ends at once, with 0, when it is interrupted while it waits', async () => {
    await using processes = new TestProcesses()
    const host = processes.startHost('a', { placement: `127.0.0.1:${await freePort()}`, args: ['--log-level', 'debug'] })
    await host.logged('starting')
    expect(await host.stop('SIGINT', 5_000)).toEqual({ code: 0, signal: null })
  })

  it('stops soon when its placement service stops with it', async () => {
    await using processes = new TestProcesses()
    const { process: service, address } = await processes.placement()
    const { process: host } = await processes.host('a', { placement: address })
    const ends = Promise.all([service.stop('SIGTERM', 15_000), host.stop('SIGTERM', 8_000)])
    expect(await ends).toEqual([{ code: 0, signal: null }, { code: 0, signal: null }])
  })

  it('that names no placement service joins the cluster on its store', async () => {
    await using processes = new TestProcesses()
    const { address } = await processes.placement()
    const member = await processes.host('a', { placement: address })
    const other = await processes.host('b')
    expect(await callHttp(member.http, 'Counter', 'x', 'increment')).toMatchObject({ status: 200, body: 1 })
    expect(await callHttp(other.http, 'Counter', 'x', 'increment')).toMatchObject({ status: 200, body: 2 })
    const { hosts } = await (await fetch(`${other.http}/troupe/v1/status`)).json() as { hosts: { id: string }[] }
    expect(hosts.map(({ id }) => id)).toEqual(['a', 'b'])
  })

  it('is refused when a living host has its name, which serves on', async () => {
    await using processes = new TestProcesses()
    const { address } = await processes.placement()
    const first = await processes.host('twin', { placement: address })
    const second = processes.startHost('twin', { placement: address })
    expect(await second.ended()).toEqual({ code: 1, signal: null })
    expect(second.stderr).toMatch(/^troupe: DUPLICATE_HOST: [^\n]*twin[^\n]*\n$/)
    expect(await callHttp(first.http, 'Counter', 'x', 'increment')).toMatchObject({ status: 200, body: 1, host: 'twin' })
  })

  it.each([
    ['--shard-bits', '8', /10.*8|8.*10/],
    ['--namespace', 'other', /default.*other|other.*default/],
  ])('is refused when its %s is not that of the cluster, with both values', async (flag, value, both) => {
    await using processes = new TestProcesses()
    const { address } = await processes.placement()
    await processes.host('a', { placement: address })
    const odd = processes.startHost('b', { placement: address, args: [flag, value] })
    expect(await odd.ended()).toEqual({ code: 1, signal: null })
    expect(odd.stderr).toMatch(/^troupe: CLUSTER_MISMATCH: [^\n]+\n$/)
    expect(odd.stderr).toMatch(both)
  })
})

describe('a placement service', () => {
  it('does not start on a port that is taken', async () => {
    await using processes = new TestProcesses()
    const { address } = await processes.placement()
    const port = address.slice(address.lastIndexOf(':') + 1)
    const { code, stderr } = await processes.run(['placement', '--port', port, '--store', `lmdb:${processes.folder}/other`])
    expect(stderr).toMatch(new RegExp(`^troupe: PORT_TAKEN: [^\n]*${port}[^\n]*\n$`))
    expect(code).toBe(1)
  })

  it('ends in order on SIGTERM, and its successor knows the table', async () => {
    await using processes = new TestProcesses()
    const port = await freePort()
    const first = await processes.placement({ port })
    const host = await processes.host('a', { placement: first.address })
    expect(await callHttp(host.http, 'Counter', 'x', 'increment')).toMatchObject({ body: 1 })
    expect(await first.process.stop()).toEqual({ code: 0, signal: null })

    await processes.placement({ port })
    const second = await processes.host('b', { placement: `127.0.0.1:${port}` })
    expect(await callHttp(second.http, 'Counter', 'x', 'increment')).toMatchObject({ status: 200, body: 2 })
  })
})
