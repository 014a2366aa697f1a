/** A host as a process on an LMDB store (argv: DIR ADDRESSES ID TYPES): joins placement, says `ready`, releases what moves away. No actors. */
import { createServer } from 'node:net'
import { once } from 'node:events'
import { SystemClock } from '../../../core/clock.ts'
import { silentLogger } from '../../../core/logger.ts'
import { SystemRandom } from '../../../core/random.ts'
import { LeaseKeeper } from '../../../placement/lease-keeper.ts'
import { PlacementClient } from '../../../placement/placement-client.ts'
import { openStores } from '../../../stores/open-store.ts'

const [directory = '', addresses = '', id = '', types = ''] = process.argv.slice(2)
const clock = new SystemClock()
const { cluster } = openStores(`lmdb:${directory}`, { clock })
await cluster.open()
const random = new SystemRandom()
const server = createServer(socket => socket.on('error', () => {}).resume()).listen(0, '127.0.0.1')
await once(server, 'listening')
const { port } = server.address() as { port: number }
const lease = new LeaseKeeper({ store: cluster, clock, random, log: silentLogger })
const client = new PlacementClient({ addresses, clock, random, log: silentLogger, shardBits: 6, clusterStore: cluster, lease })
client.onChange(change => client.released(change.shards.filter(s => s.after?.from === id)))
client.onExpelled(() => process.exit(3))
await client.join({
  id, incarnation: random.nonce(), address: `127.0.0.1:${port}`, http: '', types: types.split(','), weight: 1, fingerprint: { shardBits: '6' },
}, 10_000)
process.once('SIGTERM', () => {
  void client.leave(5_000).then(async () => {
    await client.close()
    await cluster.close()
    process.exit(0)
  })
})
process.stdout.write('ready\n')
