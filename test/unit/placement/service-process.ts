/** A placement candidate as a process on an LMDB store (argv: DIR PORT), which leads or stands by when it says `ready HOST:PORT`. */
import { SystemClock } from '../../../core/clock.ts'
import { silentLogger } from '../../../core/logger.ts'
import { SystemRandom } from '../../../core/random.ts'
import { startPlacement } from '../../../placement/placement-server.ts'
import { openStores } from '../../../stores/open-store.ts'

const [directory = '', port = '0'] = process.argv.slice(2)
const clock = new SystemClock()
const { cluster } = openStores(`lmdb:${directory}`, { clock })
await cluster.open()
const service = await startPlacement({
  clusterStore: cluster, clock, random: new SystemRandom(), log: silentLogger, shardBits: 6, port: Number(port),
})
process.stdout.write(`ready ${service.address}\n`)
process.once('SIGTERM', () => {
  void service.stop().then(() => cluster.close()).then(() => process.exit(0))
})
