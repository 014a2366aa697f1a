/**
 * `troupe placement`: a placement candidate alone in a process. While it leads it keeps the table of which host owns which shard; it
 * runs no actors. Several on one store stand by for each other; hosts go on serving while all of them are away (P9).
 */
import type { Command } from 'commander'
import { SystemClock, type Clock } from '../core/clock.ts'
import { TroupeError } from '../core/errors.ts'
import { openLogger, type Logger } from '../core/logger.ts'
import { SystemRandom } from '../core/random.ts'
import { TlsIdentity } from '../core/tls-identity.ts'
import { checkOwnRole, type ClusterTls } from '../placement/grpc-tls.ts'
import { startPlacement } from '../placement/placement-server.ts'
import { openStores } from '../stores/open-store.ts'
import {
  clusterStoreFlag, flag, insecureFlag, logFlags, namespaceFlag, readListenAddress, readPort, shardBitsFlag, storeFlag, tlsFlags, tlsOf, type LogFlags, type TlsFlags,
} from './flags.ts'
import { serve } from './service-life.ts'

const STOP_TIMEOUT_MS = 10_000

interface PlacementFlags extends LogFlags, TlsFlags {
  readonly listen: string
  readonly advertise?: string
  readonly port: number
  readonly store: string
  readonly clusterStore?: string
  readonly namespace: string
  readonly shardBits: number
  readonly insecure?: boolean
}

const examples = `
Examples:
  troupe placement --store lmdb:./data
  troupe placement --listen 10.0.0.1 --insecure --advertise 10.0.0.7 --port 50005 --store redis://10.0.0.9:6379
  troupe placement --store redis://10.0.0.9:6379 --cluster-store etcd://10.0.0.5:2379,10.0.0.6:2379`

export function addPlacementCommand(program: Command): void {
  const command = program.command('placement')
    .description('Run the placement service, which says which host owns which shard. Several on one store stand by for each other.')
    .addHelpText('after', examples)
    .action((flags: PlacementFlags) => placement(flags))
  const options = [
    flag('--port <port>', 'port for hosts; 0: chosen by the system').default(50005).argParser(readPort),
    flag('--listen <address>', 'address to bind').default('127.0.0.1').argParser(readListenAddress('--port')),
    flag('--advertise <address>', 'HOST or HOST:PORT by which hosts reach this service, when it is not --listen'),
    storeFlag('lmdb:./.troupe'),
    clusterStoreFlag(),
    namespaceFlag(),
    shardBitsFlag(),
    ...tlsFlags(),
    insecureFlag(),
    ...logFlags(),
  ]
  for (const option of options) command.addOption(option)
}

async function placement(flags: PlacementFlags): Promise<void> {
  const log = openLogger(flags.logLevel, flags.logFormat)
  await serve({
    log,
    stopTimeoutMs: STOP_TIMEOUT_MS,
    start: async () => {
      const clock = new SystemClock()
      const random = new SystemRandom()
      // Only the cluster's rows: this process stores nothing of actors.
      const { actors, cluster: clusterStore } = openStores(flags.store, { namespace: flags.namespace, clock, log, clusterStore: flags.clusterStore })
      if (flags.clusterStore === undefined && !actors.shared) {
        throw new TroupeError('BAD_OPTION', `--store ${clusterStore.name} is gone with this process, and with it the versions that its hosts' claims rest on; use lmdb:DIR on one machine, redis://… or postgres://…`)
      }
      const security = { tls: tlsOfService(flags, clock, log), insecure: flags.insecure === true }
      const advertise = advertised(flags, clusterStore.name)
      await clusterStore.open()
      const server = await startPlacement({
        host: flags.listen, port: flags.port, shardBits: flags.shardBits, namespace: flags.namespace, clusterStore, clusterStoreApart: clusterStore.name !== actors.name, clock, random, log,
        security, ...(advertise === undefined ? {} : { advertise }),
      })
      log.info({ address: server.address, store: clusterStore.name, leader: server.leader }, 'ready')
      return {
        stop: async () => {
          await server.stop()
          await clusterStore.close()
        },
      }
    },
  })
}

/** @throws BAD_OPTION when a file cannot be used, or the certificate is none of a placement service */
function tlsOfService(flags: PlacementFlags, clock: Clock, log: Logger): ClusterTls | undefined {
  const files = tlsOf(flags)
  if (files === undefined) return undefined
  const tls = { identity: new TlsIdentity(files, { clock, log }), namespace: flags.namespace }
  checkOwnRole(tls, 'placement')
  return tls
}

/** Others find the leader by the row that it writes. All processes on an LMDB folder are on this machine. */
const advertised = ({ advertise, listen }: PlacementFlags, clusterStore: string): string | undefined =>
  advertise ?? (['0.0.0.0', '::', '[::]'].includes(listen) && clusterStore.startsWith('lmdb:') ? '127.0.0.1' : undefined)
