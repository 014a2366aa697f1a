/**
 * `troupe host`: one process that runs the actors of app files. Hosts on one store are a cluster: the same command again, with
 * other ports, is its next host.
 *
 * It logs one line `ready` with its addresses when it serves, and drains on SIGTERM (service-life.ts).
 */
import type { Command, Option } from 'commander'
import { openLogger } from '../core/logger.ts'
import { grpcGateway } from '../gateway/grpc.ts'
import { httpGateway } from '../gateway/http.ts'
import type { Gateway } from '../runtime/gateway.ts'
import { createHost } from '../runtime/host.ts'
import { loadApps } from './app-loader.ts'
import {
  apiTokenFlag, clusterStoreFlag, doorOptions, doorsTlsFlag, flag, insecureFlag, logFlags, namespaceFlag, readAddresses, readDuration, readHostId,
  readListenAddress, readNumber, readPort, readPortOrOff, shardBitsFlag, storeFlag, tlsFlags, tlsOf, type DoorFlags, type LogFlags,
} from './flags.ts'
import { serve } from './service-life.ts'

/** Beyond the drain itself: finding new owners while placement may be away, last commits, closing doors. */
const STOP_SLACK_MS = 30_000

interface HostFlags extends LogFlags, DoorFlags {
  readonly namespace: string
  readonly placement?: string[]
  readonly placementPort: number
  readonly leaseTtl: number
  readonly stallBudget: number
  readonly port: number
  readonly advertise?: string
  readonly listen: string
  readonly httpPort: number | 'off'
  readonly grpcPort: number | 'off'
  readonly store: string
  readonly clusterStore?: string
  readonly hostId?: string
  readonly weight: number
  readonly shardBits: number
  readonly callTimeout: number
  readonly drainTimeout: number
  readonly joinTimeout: number
}

/** Flags that `troupe dev` hands on; `portFlag` is what a port in `--listen` was meant for. */
export const servingFlags = (portFlag: string): Option[] => [
  flag('--listen <address>', 'address that all ports bind to').default('127.0.0.1').argParser(readListenAddress(portFlag)),
  flag('--http-port <port>', 'HTTP door; 0: chosen by the system, off: none').default(3500).argParser(readPortOrOff),
  flag('--grpc-port <port>', 'gRPC door; 0: chosen by the system, off: none').default(50001).argParser(readPortOrOff),
  storeFlag('lmdb:./.troupe'),
  clusterStoreFlag(),
  namespaceFlag(),
  shardBitsFlag(),
  flag('--call-timeout <duration>', 'how long a call may take when the caller says nothing').default(30_000, '30s').argParser(readDuration),
  flag('--drain-timeout <duration>', 'how long running turns may go on when the host stops').default(2_000, '2s').argParser(readDuration),
  ...tlsFlags(),
  doorsTlsFlag(),
  insecureFlag(),
  ...logFlags(),
]

const clusterFlags = (): Option[] => [
  apiTokenFlag(),
  flag('--placement <addresses>', 'HOST:PORT[,HOST:PORT…] of placement services; without it hosts do that themselves').argParser(readAddresses),
  flag('--port <port>', 'port for other hosts; 0: chosen by the system').default(0).argParser(readPort),
  flag('--placement-port <port>', 'port of the placement candidate in this host; 0: chosen by the system').default(0).argParser(readPort),
  flag('--advertise <address>', 'HOST or HOST:PORT under which other machines reach this host (default: the address it listens on; needed with --listen 0.0.0.0 on a store in the network)'),
  flag('--host-id <name>', 'name of this host, unique in the cluster (default: made up)').argParser(readHostId),
  flag('--weight <number>', 'relative capacity').default(1).argParser(readNumber(0.01, 1000)),
  flag('--lease-ttl <duration>', 'how long the right to serve lasts without renewal').default(2_000, '2s').argParser(readDuration),
  flag('--stall-budget <duration>', 'how long one turn may keep the process busy before that right is not renewed any more').default(10_000, '10s').argParser(readDuration),
  flag('--join-timeout <duration>', 'how long to look for a placement service').default(30_000, '30s').argParser(readDuration),
]

const examples = `
Examples:
  troupe host app.ts                                        on LMDB in ./.troupe, which more hosts on this machine may share
  troupe host app.ts --http-port 0 --grpc-port off          the next host of that cluster
  troupe host app.ts --store redis://10.0.0.9:6379 --listen 10.0.0.1 --host-id a --tls-ca certs/ca.crt --tls-cert certs/host-a.crt --tls-key certs/host-a.key --doors-tls mutual
  troupe host app.ts --store redis://10.0.0.9:6379 --listen 10.0.0.1 --insecure     in a network that keeps strangers out
  troupe host app.ts --store redis://10.0.0.9:6379 --placement 10.0.0.1:50005,10.0.0.2:50005
  troupe host app.ts --placement 10.0.0.1:50005 --store redis://10.0.0.9:6379 --cluster-store etcd://10.0.0.5:2379,10.0.0.6:2379`

export function addHostCommand(program: Command): void {
  const command = program.command('host')
    .description('Run the actors that app files export, together with all hosts on the same store.')
    .argument('<app...>', 'files whose exported classes that extend Actor are hosted')
    .addHelpText('after', examples)
    .action((apps: string[], flags: HostFlags) => host(apps, flags))
  for (const option of [...clusterFlags(), ...servingFlags('--port')]) command.addOption(option)
}

async function host(apps: readonly string[], flags: HostFlags): Promise<void> {
  const root = openLogger(flags.logLevel, flags.logFormat)
  const log = flags.hostId === undefined ? root : root.child({ hostId: flags.hostId })
  await serve({
    log,
    stopTimeoutMs: flags.drainTimeout + STOP_SLACK_MS,
    start: async () => {
      const actors = await loadApps(apps)
      const tls = tlsOf(flags)
      const running = await createHost({
        actors,
        store: flags.store,
        ...(flags.clusterStore === undefined ? {} : { clusterStore: flags.clusterStore }),
        placement: flags.placement ?? [],
        placementPort: flags.placementPort,
        leaseTtl: flags.leaseTtl,
        stallBudget: flags.stallBudget,
        ...(flags.hostId === undefined ? {} : { hostId: flags.hostId }),
        listen: { host: flags.listen, port: flags.port, ...(flags.advertise === undefined ? {} : { advertise: flags.advertise }) },
        gateways: gatewaysOf(flags),
        weight: flags.weight,
        shardBits: flags.shardBits,
        namespace: flags.namespace,
        callTimeout: flags.callTimeout,
        joinTimeout: flags.joinTimeout,
        drainTimeout: flags.drainTimeout,
        ...(tls && { tls }),
        insecure: flags.insecure === true,
        log,
      })
      log.info({ ...(flags.hostId === undefined ? { hostId: running.id } : {}), ...running.addresses }, 'ready')
      return { stop: () => running.stop(), ended: running.stopped }
    },
  })
}

function gatewaysOf(flags: HostFlags): Gateway[] {
  const gateways: Gateway[] = []
  if (flags.httpPort !== 'off') gateways.push(httpGateway({ host: flags.listen, port: flags.httpPort, ...doorOptions(flags) }))
  if (flags.grpcPort !== 'off') gateways.push(grpcGateway({ host: flags.listen, port: flags.grpcPort, ...doorOptions(flags) }))
  return gateways
}
