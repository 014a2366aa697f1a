/**
 * What the application of `troupe run` finds in its environment: the variables by which SDKs of Dapr find their sidecar. Pure.
 *
 * The sidecar of the application is this one: what is inherited about another is replaced. `DAPR_HTTP_ENDPOINT` and
 * `DAPR_GRPC_ENDPOINT` are set only where a port on 127.0.0.1 in plain text is not how this one is reached.
 */
import { isLoopback } from '../core/exposure.ts'
import type { Environment } from './flags.ts'
import type { SidecarSettings } from './sidecar-settings.ts'

export interface ApplicationFacts {
  readonly settings: SidecarSettings
  /** Of the running sidecar: `http` as a URL, `grpc` as HOST:PORT. */
  readonly addresses: Readonly<Record<string, string>>
  readonly metricsPort: string | undefined
}

export function applicationEnvironment(env: Environment, { settings: { options, appProtocol }, addresses, metricsPort }: ApplicationFacts): Record<string, string | undefined> {
  const { appId, app, doors, host } = options
  const secure = doors.security.tls !== undefined
  const httpPort = portOf(addresses.http)
  const grpcPort = portOf(addresses.grpc)
  const reachable = doors.listen.some(onThisMachine)
  const endpoint = (port: string | undefined): string | undefined =>
    (port === undefined || (reachable && !secure) ? undefined : `${secure ? 'https' : 'http'}://${reachable ? '127.0.0.1' : shown(doors.listen[0]!)}:${port}`)
  return {
    ...env,
    APP_ID: appId,
    APP_PORT: app === undefined || app.port === 0 ? undefined : String(app.port),
    APP_PROTOCOL: appProtocol,
    DAPR_HTTP_PORT: httpPort,
    DAPR_GRPC_PORT: grpcPort,
    DAPR_HTTP_ENDPOINT: endpoint(httpPort),
    DAPR_GRPC_ENDPOINT: endpoint(grpcPort),
    DAPR_METRICS_PORT: metricsPort,
    DAPR_API_TOKEN: tokenFor(options.doors.security.apiToken),
    NAMESPACE: host.namespace,
  }
}

const portOf = (address: string | undefined): string | undefined => (address === undefined ? undefined : /:(\d+)\/?$/.exec(address)?.[1])

/** By 127.0.0.1, where SDKs look. */
const onThisMachine = (address: string): boolean =>
  address === 'localhost' || ['0.0.0.0', '::'].includes(address) || (isLoopback(address) && !address.includes(':'))

const shown = (address: string): string => (address.includes(':') ? `[${address}]` : address)

/** Any of them is good. */
const tokenFor = (tokens: unknown): string | undefined =>
  (typeof tokens === 'string' ? tokens : typeof tokens === 'object' && tokens !== null ? Object.values(tokens)[0] as string | undefined : undefined)
