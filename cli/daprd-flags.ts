/**
 * The flags of `troupe sidecar` and `troupe run`: daprd's, under daprd's names, and Troupe's own beside them. What they come to
 * is in sidecar-settings.ts, how values are written in daprd-values.ts, how names are in daprd-spelling.ts.
 *
 * Flags of parts of Dapr that Troupe does without are known, so that command lines need no change, and hidden in the help.
 */
import { Option } from 'commander'
import type { LogLevel } from '../core/logger.ts'
import {
  readAppId, readBoolean, readByteSize, readConcurrency, readDoorPort, readGoDuration, readList, readListenAddresses, readLogLevel, readMebibytes,
  readOptionalPort, readPath, readProtocol, readWhole, type AppProtocol,
} from './daprd-values.ts'
import {
  apiTokenFlag, clusterStoreFlag, doorsTlsFlag, flag, insecureFlag, readAddresses, readDuration, readHostId, readListenAddress, readNumber, readPort,
  shardBitsFlag, tlsFlags, type DoorFlags,
} from './flags.ts'

export interface DaprdFlags extends DoorFlags {
  readonly appId?: string
  readonly appPort?: number
  readonly appProtocol: AppProtocol
  readonly appSsl?: boolean
  readonly appChannelAddress: string
  readonly appMaxConcurrency?: number
  readonly enableAppHealthCheck?: boolean
  readonly appHealthCheckPath: string
  readonly appHealthProbeInterval: number
  readonly appHealthProbeTimeout: number
  readonly appHealthThreshold: number
  readonly daprHttpPort: number | 'off'
  readonly daprGrpcPort: number | 'off'
  readonly daprPublicPort?: number
  readonly daprListenAddresses?: readonly string[]
  readonly maxBodySize?: number
  readonly daprHttpMaxRequestSize?: number
  readonly daprStrict?: boolean
  readonly appArguments: 'value' | 'list'
  readonly resourcesPath?: readonly string[]
  readonly config?: readonly string[]
  readonly store?: string
  readonly clusterStore?: string
  readonly shardBits: number
  readonly placement?: string[]
  readonly placementPort: number
  readonly listen: string
  readonly advertise?: string
  readonly daprInternalGrpcPort?: number
  readonly daprInternalGrpcListenAddress?: string
  readonly hostId?: string
  readonly weight: number
  readonly leaseTtl: number
  readonly stallBudget: number
  readonly joinTimeout: number
  readonly callTimeout: number
  readonly daprGracefulShutdownSeconds: number
  readonly daprBlockShutdownDuration?: number
  readonly mode?: string
  readonly enableMtls?: boolean
  readonly logLevel: LogLevel
  readonly logFormat: 'json' | 'pretty'
  readonly logAsJson?: boolean
  readonly metricsPort?: string
}

/** Defaults in which the two commands differ. */
export interface DaprdDefaults {
  readonly httpPort: number
  readonly grpcPort: number
  /** The one-letter forms that `dapr run` has. */
  readonly short: boolean
}

export function daprdOptions(defaults: DaprdDefaults): Option[] {
  const named = (letter: string, flags: string): string => (defaults.short ? `-${letter}, ${flags}` : flags)
  return [
    ...grouped('Application:', applicationFlags(named)),
    ...grouped('Dapr API:', apiFlags(defaults, named)),
    ...grouped('Components and configuration:', [
      flag(named('d', '--resources-path <dir>'), 'folder of component and resiliency files; may be repeated').argParser(readList),
      flag(named('c', '--config <file>'), 'Configuration file; may be repeated').argParser(readList),
    ]),
    ...grouped('Store and cluster:', clusterFlags(named)),
    ...grouped('Security:', [apiTokenFlag(), ...tlsFlags(), doorsTlsFlag(), insecureFlag()]),
    ...grouped('Life and logs:', lifeFlags()),
    ...hiddenFlags(),
    ...unusedFlags(named),
  ]
}

const grouped = (heading: string, options: readonly Option[]): Option[] => options.map(option => option.helpGroup(heading))

type Named = (letter: string, flags: string) => string

const applicationFlags = (named: Named): Option[] => [
  flag(named('a', '--app-id <id>'), 'name of the application').argParser(readAppId),
  flag(named('p', '--app-port <port>'), 'where the application listens; without it nothing is asked of it, unless it opens the event stream').argParser(readOptionalPort),
  flag(named('P', '--app-protocol <protocol>'), 'http, https, h2c, or grpc and grpcs for the event stream').default('http').argParser(readProtocol),
  flag('--app-channel-address <address>', 'where the application is').default('127.0.0.1'),
  flag('--app-max-concurrency <number>', 'requests to the application at once (default: no limit)').argParser(readConcurrency),
  flag('--enable-app-health-check [bool]', 'host its actors only while it says that it is well').argParser(readBoolean),
  flag('--app-health-check-path <path>', 'what it is asked').default('/healthz').argParser(readPath),
  flag('--app-health-probe-interval <seconds>', 'how often').default(5).argParser(readWhole(1, 86_400)),
  flag('--app-health-probe-timeout <ms>', 'how long it may take to answer').default(500).argParser(readWhole(1, 3_600_000)),
  flag('--app-health-threshold <number>', 'failures in a row that make it unwell').default(3).argParser(readWhole(1, 1_000_000)),
]

const apiFlags = ({ httpPort, grpcPort }: DaprdDefaults, named: Named): Option[] => [
  flag(named('H', '--dapr-http-port <port>'), 'HTTP door; 0: chosen by the system, off: none').default(httpPort).argParser(readDoorPort),
  flag(named('G', '--dapr-grpc-port <port>'), 'gRPC door; 0: chosen by the system, off: none').default(grpcPort).argParser(readDoorPort),
  flag('--dapr-public-port <port>', 'health and metadata alone on another port (default: none)').argParser(readOptionalPort),
  flag('--dapr-listen-addresses <addresses>', 'addresses of the doors, with commas (default: --listen)').argParser(readListenAddresses),
  flag(named('B', '--max-body-size <size>'), 'largest request: 16MB, 8Mi (default: 4Mi)').argParser(readByteSize),
  flag('--app-arguments <form>', 'how a single argument of a TypeScript caller is sent to the application: value (5) or list ([5]), which hosts of the JavaScript SDK need').choices(['value', 'list']).default('value'),
  flag('--dapr-strict', 'exactly what Dapr does, also where Troupe promises better'),
]

const clusterFlags = (named: Named): Option[] => [
  flag('--store <url>', 'where state lives: memory:, lmdb:DIR, redis://…, rediss://…, redis+cluster://… or postgres://… (default: the component that is the actorStateStore, else lmdb:./.troupe)'),
  clusterStoreFlag(),
  flag('--namespace <name>', 'sidecars with different namespaces share a store without meeting (default: $NAMESPACE, else default)'),
  shardBitsFlag(),
  flag('--placement <addresses>', 'HOST:PORT[,HOST:PORT…] of placement services of Troupe; without it hosts on one store find each other').argParser(readAddresses),
  flag('--placement-port <port>', 'port of the placement candidate in this process; 0: chosen by the system').default(0).argParser(readPort),
  flag('--listen <address>', 'address that all ports bind to').default('127.0.0.1').argParser(readListenAddress('--dapr-http-port')),
  flag('--advertise <address>', 'HOST or HOST:PORT under which other machines reach this sidecar'),
  flag(named('I', '--dapr-internal-grpc-port <port>'), 'port for other sidecars (default: chosen by the system)').argParser(readOptionalPort),
  flag('--host-id <name>', 'name in the cluster, unique (default: made up)').argParser(readHostId),
  flag('--weight <number>', 'relative capacity').default(1).argParser(readNumber(0.01, 1000)),
  flag('--lease-ttl <duration>', 'how long the right to serve lasts without renewal').default(2_000, '2s').argParser(readDuration),
  flag('--stall-budget <duration>', 'how long this process may be stuck before that right is not renewed any more').default(10_000, '10s').argParser(readDuration),
  flag('--join-timeout <duration>', 'how long to look for a placement service').default(30_000, '30s').argParser(readDuration),
]

const lifeFlags = (): Option[] => [
  flag('--call-timeout <duration>', 'how long a call may take when the caller says nothing').default(300_000, '5m').argParser(readDuration),
  flag('--dapr-graceful-shutdown-seconds <seconds>', 'how long running turns may go on when the sidecar stops').default(5).argParser(readWhole(0, 86_400)),
  flag('--dapr-block-shutdown-duration <duration>', 'how long to go on serving after being told to stop (default: 0s)').argParser(readGoDuration),
  flag('--log-level <level>', 'least level that is logged').default('info').argParser(readLogLevel),
  flag('--log-format <format>', 'json: one object a line; pretty: for people').choices(['json', 'pretty'])
    .default(process.stdout.isTTY === true ? 'pretty' : 'json', 'pretty on a terminal, else json'),
]

/** Understood, and of no interest to who writes a command line for Troupe. */
const hiddenFlags = (): Option[] => [
  new Option('--app-ssl [bool]').argParser(readBoolean),
  new Option('--dapr-http-max-request-size <MiB>').argParser(readMebibytes),
  new Option('--dapr-internal-grpc-listen-address <address>'),
  new Option('--log-as-json [bool]').argParser(readBoolean),
  new Option('--mode <mode>'),
  new Option('--enable-mtls [bool]').argParser(readBoolean),
].map(option => option.hideHelp())

/** Known without effect: `--flag=false` of the second list asks for what is so anyway. */
const unusedFlags = (named: Named): Option[] => [
  ...[
    '--placement-host-address', '--scheduler-host-address', '--scheduler-job-streams', '--actors-service', '--reminders-service',
    '--actors-disseminate-timeout', '--sentry-address', '--sentry-request-jwt-audiences', '--control-plane-address', '--control-plane-trust-domain',
    '--control-plane-namespace', '--trust-domain', '--trust-anchors-file', '--kubeconfig', '--metrics-listen-address', '--profile-port',
    '--profile-listen-address', '--dapr-public-listen-address', '--dapr-http-read-buffer-size', '--read-buffer-size', '--allowed-origins',
    '--disable-init-endpoints', '--runtime-path',
  ].map(name => new Option(`${name} <value>`)),
  new Option(named('M', '--metrics-port <port>')),
  new Option(named('u', '--unix-domain-socket <dir>')),
  ...['--enable-metrics', '--enable-profiling', '--enable-api-logging', '--disable-builtin-k8s-secret-store']
    .map(name => new Option(`${name} [bool]`).argParser(readBoolean)),
].map(option => option.hideHelp())

/** Those without effect that were given, as daprd spells them. */
export const unusedAmong = (given: object): string[] => {
  const values = given as Readonly<Record<string, unknown>>
  return unusedFlags((_letter, flags) => flags)
    .filter(option => ![undefined, false, ''].includes(values[option.attributeName()] as never))
    .map(option => option.long!)
    .filter(name => name !== '--disable-builtin-k8s-secret-store')
}
