import { readFileSync } from 'node:fs'
import { request } from 'node:https'
import { createSecureContext } from 'node:tls'
import { credentials, Metadata, status, type ChannelCredentials } from '@grpc/grpc-js'
import { describe, expect, it, onTestFinished } from 'vitest'
import { TroupeError } from '../../core/errors.ts'
import { silentLogger } from '../../core/logger.ts'
import { connect, type ClientOptions } from '../../gateway/client.ts'
import type { DoorOptions } from '../../gateway/door-guard.ts'
import { grpcGateway } from '../../gateway/grpc.ts'
import { httpGateway } from '../../gateway/http.ts'
import { TableDispatcher } from '../unit/gateway/table-dispatcher.ts'
import { Certificates } from './certificates.ts'
import { daprStub } from './dapr-stub.ts'

async function http(options: DoorOptions): Promise<{ url: string; dispatcher: TableDispatcher }> {
  const gateway = httpGateway({ port: 0, ...options })
  const dispatcher = new TableDispatcher({ get: () => 1 })
  const { address } = await gateway.start(dispatcher, silentLogger)
  onTestFinished(() => gateway.stop(0))
  return { url: address, dispatcher }
}
async function grpc(options: DoorOptions): Promise<{ address: string; dispatcher: TableDispatcher }> {
  const gateway = grpcGateway({ port: 0, ...options })
  const dispatcher = new TableDispatcher({ get: () => 1 })
  const { address } = await gateway.start(dispatcher, silentLogger)
  onTestFinished(() => gateway.stop(0))
  return { address, dispatcher }
}
function get(url: string, options: ClientOptions): Promise<unknown> {
  const client = connect(url, options)
  onTestFinished(() => client.close())
  return client.call('Account', 'a', 'get', [])
}
const codeOf = (work: Promise<unknown>): Promise<string> =>
  work.then(() => 'ok', (error: unknown) => (TroupeError.is(error) ? error.code : String((error as { code?: unknown }).code)))
const metadata = (entries: Record<string, string>): Metadata => {
  const made = new Metadata()
  for (const [key, value] of Object.entries(entries)) made.set(key, value)
  return made
}

describe('a token', () => {
  it('is brought by the client, on every request', async () => {
    const { url, dispatcher } = await http({ apiToken: ['old', 'new'] })
    expect(await get(url, { apiToken: 'new' })).toBe(1)
    expect(await codeOf(get(url, { apiToken: 'other' }))).toBe('UNAUTHENTICATED')
    expect(await codeOf(get(url, {}))).toBe('UNAUTHENTICATED')
    expect(dispatcher.requests).toHaveLength(1)
    const client = connect(url, { apiToken: 'old' })
    onTestFinished(() => client.close())
    await client.status()
    await client.reminders('Account')
    await client.sends('Account')
    await client.deleteReminders('Account')
    expect(await codeOf(client.actor('Account', 'a').manage.reminders.list())).toBe('UNKNOWN_TYPE')
  })

  it('is not told in the text that refuses it', () => {
    expect(() => connect('http://127.0.0.1:1', { apiToken: 'geheim ' })).toThrow(/apiToken/)
    try {
      connect('http://127.0.0.1:1', { apiToken: 'geheim ' })
    } catch (error) {
      expect((error as Error).message).not.toContain('geheim')
    }
  })

  it('is asked for by gRPC, for every call', async () => {
    const { address, dispatcher } = await grpc({ apiToken: { shop: 's3cret' } })
    const stub = daprStub(address)
    const request = { actorType: 'Account', actorId: 'a', method: 'get', name: 'r' }
    const good = metadata({ 'dapr-api-token': 's3cret' })
    for (const call of ['invokeActor', 'registerActorReminder', 'unregisterActorReminder', 'unregisterActorRemindersByType', 'getActorReminder', 'listActorReminders']) {
      for (const bad of [{}, { 'dapr-api-token': 's3cre' }, { authorization: 'Bearer s3cret' }]) {
        const error = await stub.call(call, request, metadata(bad as Record<string, string>)).then(() => undefined, (thrown: unknown) => thrown as { code: number; details: string; metadata: Metadata })
        expect([error?.code, error?.metadata.get('troupe-code')], call).toEqual([status.UNAUTHENTICATED, ['UNAUTHENTICATED']])
        expect(error?.details).toContain('invalid api token')
      }
    }
    const twice = metadata({ 'dapr-api-token': 's3cret' })
    twice.add('dapr-api-token', 's3cret')
    expect(await codeOf(stub.invoke(request, twice))).toBe(String(status.UNAUTHENTICATED))
    expect([dispatcher.requests, dispatcher.managed, dispatcher.pages]).toEqual([[], [], []])
    await stub.invoke(request, good)
    expect(dispatcher.requests.map(r => r.caller)).toEqual([{ kind: 'outside', via: 'grpc', token: 'shop' }])
  })
})

describe('a door with certificates', () => {
  const channel = (files: { ca: string; cert?: string; key?: string }): ChannelCredentials =>
    credentials.createFromSecureContext(createSecureContext({
      ca: readFileSync(files.ca), ...(files.cert === undefined ? {} : { cert: readFileSync(files.cert), key: readFileSync(files.key!) }),
    }))

  it('takes clients of the cluster, by HTTP and by gRPC, and tells who they are', async () => {
    const certificates = await Certificates.make()
    const tls = certificates.files('host-a')
    const door = await http({ tls })
    expect(door.url).toMatch(/^https:/)
    expect(await get(door.url, { tls: certificates.files('client') })).toBe(1)
    expect(await get(door.url, { tls: certificates.files('host-b') })).toBe(1)
    expect(await codeOf(get(door.url, { tls: certificates.files('placement') }))).toBe('FORBIDDEN')
    expect(door.dispatcher.requests.map(r => r.caller)).toEqual([
      { kind: 'outside', via: 'http', certificate: 'client/client' }, { kind: 'outside', via: 'http', certificate: 'host/b' },
    ])
    const other = await grpc({ tls })
    const request = { actorType: 'Account', actorId: 'a', method: 'get' }
    await daprStub(other.address, channel(certificates.files('client'))).invoke(request)
    expect(await codeOf(daprStub(other.address, channel(certificates.files('placement'))).invoke(request))).toBe(String(status.PERMISSION_DENIED))
    expect(await codeOf(daprStub(other.address, channel({ ca: tls.ca })).invoke(request))).toBe(String(status.UNAVAILABLE))
    expect(other.dispatcher.requests.map(r => r.caller)).toEqual([{ kind: 'outside', via: 'grpc', certificate: 'client/client' }])
  })

  it('takes nobody of another authority or namespace, nor without a certificate', async () => {
    const ours = await Certificates.make()
    const theirs = await Certificates.make()
    const { url, dispatcher } = await http({ tls: ours.files('host-a') })
    // A client that trusts anybody: it is the door that refuses.
    const { cert, key } = theirs.files('client')
    for (const shown of [{}, { cert: readFileSync(cert), key: readFileSync(key) }]) {
      const { port } = new URL(url)
      const answered = new Promise(resolve => {
        request({ host: '127.0.0.1', port, path: '/v1.0/metadata', rejectUnauthorized: false, agent: false, ...shown }, reply => resolve(reply.statusCode))
          .on('error', error => resolve((error as NodeJS.ErrnoException).code)).end()
      })
      expect(await answered).toMatch(/ERR_SSL|ECONNRESET|EPIPE/)
    }
    const elsewhere = await http({ tls: { ...ours.files('host-a'), namespace: 'other' } })
    expect(await codeOf(get(elsewhere.url, { tls: ours.files('client') }))).toBe('FORBIDDEN')
    await expect(fetch(url)).rejects.toThrow()
    expect(dispatcher.requests).toEqual([])
  })

  it('is not believed by a client that trusts another authority', async () => {
    const ours = await Certificates.make()
    const theirs = await Certificates.make()
    const { url, dispatcher } = await http({ tls: { ...theirs.files('host-a'), clients: 'unasked' }, apiToken: 'secret' })
    expect(await codeOf(get(url, { tls: ours.files('client'), apiToken: 'secret' }))).toBe('PEER_UNREACHABLE')
    expect(await codeOf(get(url, { apiToken: 'secret' }))).toBe('PEER_UNREACHABLE')
    expect(dispatcher.requests).toEqual([])
  })

  it('asks for certificate and token where both are set', async () => {
    const certificates = await Certificates.make()
    const { url, dispatcher } = await http({ tls: certificates.files('host-a'), apiToken: { shop: 'secret' } })
    expect(await codeOf(get(url, { tls: certificates.files('client') }))).toBe('UNAUTHENTICATED')
    expect(await get(url, { tls: certificates.files('client'), apiToken: 'secret' })).toBe(1)
    expect(dispatcher.requests.map(r => r.caller)).toEqual([{ kind: 'outside', via: 'http', token: 'shop', certificate: 'client/client' }])
  })

  it('takes renewed certificates without a restart', async () => {
    const certificates = await Certificates.make()
    const { url } = await http({ tls: certificates.files('host-a') })
    expect(await get(url, { tls: certificates.files('client') })).toBe(1)
    await certificates.add({ authority: 'replace' })
    const deadline = Date.now() + 10_000
    while (await codeOf(get(url, { tls: certificates.files('client') })) !== 'ok') expect(Date.now()).toBeLessThan(deadline)
  })

  it('is not opened with files that cannot be used', async () => {
    const certificates = await Certificates.make()
    const tls = { ...certificates.files('host-a'), key: certificates.files('host-b').key }
    for (const gateway of [httpGateway({ port: 0, tls }), grpcGateway({ port: 0, tls })]) {
      expect(await codeOf(gateway.start(new TableDispatcher({}), silentLogger))).toBe('BAD_OPTION')
    }
    for (const wrong of [{}, { ca: 'x' }, { ...tls, clients: 'maybe' }, 5]) {
      expect(() => httpGateway({ port: 0, tls: wrong as never })).toThrow(/tls: /)
      expect(() => connect('https://127.0.0.1:1', { tls: wrong as never })).toThrow(/tls: /)
    }
  })
})

describe('what a client says of itself has no effect', () => {
  /** Everything that Troupe or its relatives use between processes, or might. */
  const internal: Record<string, string> = {
    'troupe-caller': '{"kind":"host","id":"a"}', 'troupe-chain': 'Account,a,1', 'troupe-host': 'evil', 'troupe-epoch': '999', 'troupe-deadline': '1', 'troupe-forwarded': '1',
    'troupe-kind': 'internal', 'troupe-peer': 'a', 'troupe-executed': 'no', 'troupe-code': 'OK', 'troupe-reentrancy': 'x', 'troupe-once': 'Account/a,1',
    'dapr-caller-app-id': 'evil', 'dapr-caller-namespace': 'evil', 'dapr-app-id': 'evil', 'dapr-callee-app-id': 'evil', 'x-daprerrorresponseheader': 'x',
    'dapr-api-call': 'true', 'x-forwarded-for': '127.0.0.1', 'x-forwarded-host': 'evil', 'x-original-url': '/v1.0/healthz', 'x-rewrite-url': '/v1.0/healthz', 'x-http-method-override': 'DELETE',
    forwarded: 'for=127.0.0.1', via: '1.1 evil', 'x-client-cert': 'evil', 'ssl-client-verify': 'SUCCESS',
  }
  const known = ['args', 'bytes', 'caller', 'id', 'idempotencyKey', 'method', 'signal', 'timeoutMs', 'type']

  it.each(Object.entries(internal))('HTTP header %s', async (name, value) => {
    const { url, dispatcher } = await http({})
    const reply = await fetch(`${url}/v1.0/actors/Account/a/method/get`, { method: 'POST', headers: { [name]: value } })
    expect(reply.status).toBe(200)
    expect([reply.headers.get('troupe-host'), reply.headers.get('troupe-epoch')]).toEqual(['h1', '7'])
    const [request] = dispatcher.requests
    expect(Object.keys(request!).sort()).toEqual([...known, 'body', 'reentrancyId'].sort())
    expect(request).toMatchObject({ type: 'Account', id: 'a', method: 'get', args: [], body: undefined, caller: { kind: 'outside', via: 'http' } })
    // A name that only the turn was told which it belongs to; who makes one up belongs to none.
    expect(request!.reentrancyId).toBe(name === 'dapr-reentrancy-id' ? value : undefined)
    expect([request!.timeoutMs, request!.idempotencyKey]).toEqual([undefined, undefined])
  })

  it('gRPC metadata, and the map in the request', async () => {
    const { address, dispatcher } = await grpc({})
    const stub = daprStub(address)
    for (const [name, value] of Object.entries(internal)) {
      await stub.invoke({ actorType: 'Account', actorId: 'a', method: 'get', metadata: { [name]: value } }, metadata({ [name]: value }))
      const request = dispatcher.requests.pop()!
      expect(Object.keys(request).sort(), name).toEqual(known)
      expect(request, name).toMatchObject({ type: 'Account', id: 'a', method: 'get', args: [], idempotencyKey: undefined, caller: { kind: 'outside', via: 'grpc' } })
    }
  })

  it('a door does not speak with hosts: neither the stream between them nor the one to placement is there', async () => {
    const { address } = await grpc({})
    const { client } = daprStub(address)
    for (const path of ['/troupe.peer.v1.Peer/Connect', '/troupe.placement.v1.Placement/Connect', '/troupe.placement.v1.Placement/Status']) {
      const identity = (bytes: Buffer): Buffer => bytes
      const code = await new Promise(resolve => {
        const stream = client.makeBidiStreamRequest(path, identity, identity, new Metadata())
        stream.on('error', () => {}).on('data', () => resolve('data')).on('status', ended => resolve(ended.code))
        stream.write(Buffer.from([1]))
      })
      expect(code).toBe(status.UNIMPLEMENTED)
    }
  })
})
