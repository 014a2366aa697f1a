/**
 * From the flags of `troupe sidecar` and `troupe run`, and the variables that daprd reads (`NAMESPACE`, `DAPR_API_TOKEN`,
 * `APP_API_TOKEN`, `DAPR_HOST_IP`), to the settings of a sidecar. Pure; what cannot be together is refused here.
 *
 * Dapr's placement and scheduler addresses change nothing: its tools always give them, also where nothing listens. Hosts on one
 * store find each other, and reminders live in it; placement services of Troupe are named with `--placement`.
 */
import { TroupeError } from '../core/errors.ts'
import type { Logger, LogLevel } from '../core/logger.ts'
import type { SidecarOptions } from '../gateway/dapr/sidecar.ts'
import { unusedAmong, type DaprdFlags } from './daprd-flags.ts'
import type { AppProtocol } from './daprd-values.ts'
import { doorOptions, tlsOf, tokenIn, type Environment } from './flags.ts'

/** Beyond the drain itself: finding new owners while placement may be away, last commits, closing doors. */
const STOP_SLACK_MS = 30_000
const DEFAULT_BODY = 4 * 1024 * 1024

export interface SidecarSettings {
  readonly options: Omit<SidecarOptions, 'log' | 'onShutdownRequested'>
  /** As `--app-protocol` has it. */
  readonly appProtocol: AppProtocol
  /** Flags that were given and change nothing. */
  readonly unused: readonly string[]
  readonly logLevel: LogLevel
  readonly logFormat: 'json' | 'pretty'
  readonly stopTimeoutMs: number
}

/** @throws BAD_OPTION */
export function sidecarSettings(flags: DaprdFlags, env: Environment): SidecarSettings {
  if (flags.appId === undefined) throw bad('--app-id is missing; give the name of the application')
  checkMode(flags)
  const appProtocol = protocolOf(flags)
  const host = hostOptions(flags, env)
  const blockShutdownMs = flags.daprBlockShutdownDuration ?? 0
  return {
    options: {
      appId: flags.appId,
      app: applicationOf(flags, appProtocol, env),
      resourcesPaths: flags.resourcesPath ?? [],
      configFiles: flags.config ?? [],
      strict: flags.daprStrict === true,
      maxBodyBytes: flags.maxBodySize ?? flags.daprHttpMaxRequestSize ?? DEFAULT_BODY,
      doors: {
        listen: flags.daprListenAddresses ?? [flags.listen],
        httpPort: flags.daprHttpPort,
        grpcPort: flags.daprGrpcPort,
        publicPort: given(flags.daprPublicPort),
        security: doorOptions({ ...flags, ...(host.namespace === undefined ? {} : { namespace: host.namespace }) }, env),
      },
      host,
      defaultStore: 'lmdb:./.troupe',
      blockShutdownMs,
      env,
    },
    appProtocol,
    unused: unusedAmong(flags),
    logLevel: flags.logLevel,
    logFormat: flags.logAsJson === true ? 'json' : flags.logFormat,
    stopTimeoutMs: blockShutdownMs + flags.daprGracefulShutdownSeconds * 1000 + STOP_SLACK_MS,
  }
}

/** One line for all of them. */
export function tellUnused({ unused }: SidecarSettings, log: Logger): void {
  if (unused.length === 0) return
  const placement = unused.includes('--placement-host-address') ? '; hosts on one store find each other, and a placement service of Troupe is named with --placement' : ''
  log.warn({ flags: unused }, `these flags are for parts of Dapr that Troupe does without and change nothing${placement}`)
}

function applicationOf(flags: DaprdFlags, protocol: AppProtocol, env: Environment): SidecarOptions['app'] {
  const port = given(flags.appPort)
  const stream = protocol === 'grpc' || protocol === 'grpcs'
  if (port === undefined && !stream) return undefined
  return {
    port: port ?? 0,
    protocol: stream ? 'grpc' : protocol,
    address: flags.appChannelAddress,
    maxConcurrency: flags.appMaxConcurrency ?? 0,
    apiToken: tokenIn(env, 'APP_API_TOKEN'),
    health: flags.enableAppHealthCheck === true ? healthOf(flags) : undefined,
    wantsList: flags.appArguments === 'list',
  }
}

function healthOf(flags: DaprdFlags): NonNullable<NonNullable<SidecarOptions['app']>['health']> {
  const intervalMs = flags.appHealthProbeInterval * 1000
  if (flags.appHealthProbeTimeout > intervalMs) {
    throw bad(`--app-health-probe-timeout ${flags.appHealthProbeTimeout} (ms) is longer than --app-health-probe-interval ${flags.appHealthProbeInterval} (s); make it shorter`)
  }
  return { path: flags.appHealthCheckPath, intervalMs, timeoutMs: flags.appHealthProbeTimeout, threshold: flags.appHealthThreshold }
}

function hostOptions(flags: DaprdFlags, env: Environment): SidecarOptions['host'] {
  const tls = tlsOf(flags)
  const listen = flags.daprInternalGrpcListenAddress ?? flags.listen
  const advertise = flags.advertise ?? (['0.0.0.0', '::', '[::]'].includes(listen) ? nonEmpty(env.DAPR_HOST_IP) : undefined)
  const namespace = flags.namespace ?? nonEmpty(env.NAMESPACE)
  return {
    ...(flags.store === undefined ? {} : { store: flags.store }),
    ...(flags.clusterStore === undefined ? {} : { clusterStore: flags.clusterStore }),
    ...(flags.placement === undefined ? {} : { placement: flags.placement }),
    ...(flags.hostId === undefined ? {} : { hostId: flags.hostId }),
    ...(namespace === undefined ? {} : { namespace }),
    ...(tls && { tls }),
    listen: { host: listen, port: flags.daprInternalGrpcPort ?? 0, ...(advertise === undefined ? {} : { advertise }) },
    placementPort: flags.placementPort,
    shardBits: flags.shardBits,
    weight: flags.weight,
    leaseTtl: flags.leaseTtl,
    stallBudget: flags.stallBudget,
    joinTimeout: flags.joinTimeout,
    callTimeout: flags.callTimeout,
    drainTimeout: flags.daprGracefulShutdownSeconds * 1000,
    insecure: flags.insecure === true,
  }
}

function checkMode(flags: DaprdFlags): void {
  if (flags.mode === 'kubernetes') {
    throw bad('--mode kubernetes reads components and certificates from the Kubernetes API, which Troupe does not; leave it out, and mount component files into a folder for --resources-path')
  }
  if (flags.mode !== undefined && flags.mode !== '' && flags.mode !== 'standalone') throw bad(`--mode ${flags.mode} is not known; leave it out, or write standalone`)
  if (flags.enableMtls === true && tlsOf(flags) === undefined) {
    throw bad("--enable-mtls: certificates do not come from Dapr's Sentry here; give --tls-ca, --tls-cert and --tls-key ('troupe certs' makes a set for development), or --enable-mtls=false")
  }
}

/** `--app-ssl` is the older way to say https and grpcs. */
const protocolOf = ({ appProtocol, appSsl }: DaprdFlags): AppProtocol => {
  if (appSsl !== true || appProtocol === 'https' || appProtocol === 'grpcs') return appProtocol
  if (appProtocol === 'h2c') throw bad('--app-ssl does not go with --app-protocol h2c, which is HTTP/2 without TLS; write --app-protocol https')
  return appProtocol === 'grpc' ? 'grpcs' : 'https'
}

const given = (port: number | undefined): number | undefined => (port === 0 ? undefined : port)

const nonEmpty = (text: string | undefined): string | undefined => (text === '' ? undefined : text)

const bad = (message: string): TroupeError => new TroupeError('BAD_OPTION', message)
