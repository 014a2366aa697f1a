import { Client, credentials, loadPackageDefinition, Metadata, type ServiceClientConstructor } from '@grpc/grpc-js'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { expect, it, onTestFinished } from 'vitest'
import type { HostMessage, PlacementMessage } from '../../placement/messages.ts'
import { loadPlacementProto } from '../../placement/proto.ts'
import { servePlacement } from '../../placement/placement-grpc.ts'
import type { HostSession } from '../../placement/host-sessions.ts'
import { encodeTable } from '../../placement/table-codec.ts'
import { nextTable } from '../../placement/next-table.ts'
import { emptyTable } from '../../placement/table.ts'
import { clock, host, memoryStore, placement, placementClient, request, shares } from '../unit/placement/cluster.ts'
import { heapInUse, Mutations } from './fuzz-mutations.ts'

setFlagsFromString('--expose_gc')
globalThis.gc = runInNewContext('gc') as NodeJS.GCFunction

const SEED = Number(process.env.TROUPE_FUZZ_SEED ?? Date.now() % 1_000_000)
const MESSAGES = Number(process.env.TROUPE_FUZZ_FRAMES ?? 3_000)

const { service } = (loadPackageDefinition(loadPlacementProto()) as unknown as { troupe: { placement: { v1: { Placement: ServiceClientConstructor } } } }).troupe.placement.v1.Placement
const { requestSerialize, responseDeserialize, path } = service.Connect!
const identity = (bytes: Buffer): Buffer => bytes

/** What hosts say, as bytes. */
const hostMessages = (): Buffer[] => ([
  { version: 0, kind: 'join', join: { ...request('h9', '127.0.0.1:1', ['A', 'B']), leaving: false } },
  { version: 3, kind: 'heartbeat', heartbeat: {} },
  { version: 3, kind: 'released', released: { sets: [{ type: 'A', shards: [1, 2, 63] }] } },
  { version: 3, kind: 'suspect', suspect: { id: 'sound' } },
  { version: 3, kind: 'leave', leave: {} },
] satisfies HostMessage[]).map(message => requestSerialize(message))

/** What a raw stream hears of what it says; rejects when it does not end. */
const say = (client: Client, messages: readonly Buffer[]): Promise<PlacementMessage[]> => new Promise((resolve, reject) => {
  const heard: PlacementMessage[] = []
  const stream = client.makeBidiStreamRequest(path, identity, responseDeserialize as (bytes: Buffer) => PlacementMessage, new Metadata())
  const timer = setTimeout(() => reject(new Error(`seed ${SEED}: the stream does not end after ${messages.map(m => m.toString('hex')).join(' ')}`)), 10_000)
  stream.on('error', () => {}).on('data', (message: PlacementMessage) => heard.push(message)).on('status', () => {
    clearTimeout(timer)
    resolve(heard)
  })
  for (const message of messages) stream.write(message)
  stream.end()
})
function rawClient(address: string): Client {
  const client = new Client(address, credentials.createInsecure(), { 'grpc.use_local_subchannel_pool': 1, 'grpc.enable_http_proxy': 0 })
  onTestFinished(() => client.close())
  return client
}

it('bytes that are no message end the stream with PROTOCOL, also when something was said on it before', async () => {
  const server = await servePlacement('127.0.0.1', 0, {
    receive: (session: HostSession) => session.send({ version: 1, term: 1, kind: 'heartbeat', heartbeat: {} }),
    closed: () => {}, drained: () => {}, status: () => ({ version: 1, term: 1, members: [], leading: true }),
  } as never, clock)
  onTestFinished(() => server.close())
  const client = rawClient(server.address)
  const malformed = Buffer.from('0803c0', 'hex')
  const refused = { kind: 'refused', refused: { code: 'PROTOCOL', retry: true } }
  expect(await say(client, [malformed])).toMatchObject([refused])
  expect(await say(client, [...hostMessages().slice(0, 2), malformed, ...hostMessages()])).toMatchObject([{ kind: 'heartbeat' }, { kind: 'heartbeat' }, refused])
})

it('a stream that was refused ends, whatever its host goes on to say', async () => {
  const { address } = await placement()
  const wrong = requestSerialize({ version: 0, kind: 'join', join: { ...request('', 'no address'), leaving: false } })
  const client = rawClient(address)
  for (let i = 0; i < 20; i++) {
    expect(await say(client, [wrong, wrong, wrong, ...hostMessages()])).toMatchObject([{ kind: 'refused', refused: { code: 'BAD_OPTION' } }])
  }
})

it(`${MESSAGES} mutated messages of hosts leave a placement service up and its memory flat (seed ${SEED})`, async () => {
  const leading = await placement()
  const sound = await host(leading.address, 'sound')
  const seeds = hostMessages()
  const fuzz = async (seed: number, count: number): Promise<void> => {
    let left = count
    const attackers = Array.from({ length: 24 }, async (_, i) => {
      const mutations = new Mutations(seed * 100 + i)
      const client = rawClient(leading.address)
      while (left-- > 0) {
        const messages = Array.from({ length: 1 + mutations.below(3) }, (_, at) => (at === 0 && mutations.below(2) === 0 ? seeds[0]! : mutations.next(seeds)))
        await say(client, messages)
      }
    })
    await Promise.all(attackers)
  }
  await fuzz(SEED, Math.ceil(MESSAGES / 4))
  const before = await heapInUse()
  await fuzz(SEED + 1, MESSAGES)
  const grown = (await heapInUse()) - before
  expect(grown, `memory grew by ${grown} bytes`).toBeLessThan(24e6)
  expect(leading.status().leading).toBe(true)
  const other = await host(leading.address, 'other')
  expect(Object.keys(shares(other.client)).length).toBeGreaterThan(0)
  expect(sound.client.connected).toBe(true)
}, 60_000 + MESSAGES * 5)

it(`mutated tables of a placement service leave a host with the table it had (seed ${SEED})`, async () => {
  const table = nextTable(emptyTable(64), [{ id: 'a', incarnation: 'i', address: '127.0.0.1:1', http: '', types: ['A'], weight: 1, leaving: false }])
  const seeds = [encodeTable(table), encodeTable(nextTable(table, []))]
  const mutations = new Mutations(SEED)
  const sessions: HostSession[] = []
  let joins = 0
  const server = await servePlacement('127.0.0.1', 0, {
    receive: (session: HostSession, message: HostMessage) => {
      if (message.kind !== 'join') return
      joins++
      sessions.push(session)
      const bytes = mutations.below(2) === 0 ? mutations.next(seeds) : mutations.pick(seeds)
      const version = mutations.pick([0, 1, 2, 2 ** 40])
      const kind = mutations.pick(['full', 'delta'] as const)
      session.send({ version, term: mutations.pick([0, 1, 2]), kind, [kind]: bytes } as unknown as PlacementMessage)
      session.end()
    },
    closed: () => {}, drained: () => {}, status: () => ({ version: 1, term: 1, members: [], leading: true }),
  } as never, clock)
  onTestFinished(() => server.close())
  const client = placementClient(server.address, memoryStore())
  const wanted = 40
  void client.join({ ...request('a', '127.0.0.1:1'), incarnation: 'i' }, 30_000).catch(() => {})
  const deadline = Date.now() + 60_000
  while (joins < wanted) {
    expect(Date.now(), `it came ${joins} times`).toBeLessThan(deadline)
    await new Promise(resolve => setTimeout(resolve, 5))
    const { table: held } = client
    for (let shard = 0; shard < 64; shard++) {
      const owner = held.owner('A', shard)
      if (owner !== undefined) expect(owner.epoch).toBeLessThanOrEqual(held.version)
    }
  }
}, 90_000)
