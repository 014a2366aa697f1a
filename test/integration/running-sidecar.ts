/** Sidecars in this process, for tests; gone when the test is. */
import { onTestFinished } from 'vitest'
import { silentLogger } from '../../core/logger.ts'
import { startSidecar, type Sidecar, type SidecarOptions } from '../../gateway/dapr/sidecar.ts'

export interface SidecarSetting {
  readonly appId?: string
  readonly appPort?: number
  readonly protocol?: 'http' | 'h2c' | 'grpc'
  readonly store?: string
  readonly strict?: boolean
  readonly health?: NonNullable<NonNullable<SidecarOptions['app']>['health']>
  readonly resourcesPaths?: readonly string[]
  readonly wantsList?: boolean
  readonly maxBodyBytes?: number
  readonly configFiles?: readonly string[]
  readonly host?: Partial<SidecarOptions['host']>
}

export async function sidecarOf(setting: SidecarSetting = {}): Promise<Sidecar & { readonly http: string; readonly grpc: string }> {
  const { appId = 'app', appPort, protocol = 'http', store, strict = false, health, resourcesPaths = [], configFiles = [], wantsList = false, maxBodyBytes = 4 * 1024 * 1024 } = setting
  const sidecar = await startSidecar({
    appId, strict, resourcesPaths, configFiles, maxBodyBytes, defaultStore: 'memory:', blockShutdownMs: 0, env: {}, log: silentLogger,
    app: appPort === undefined && protocol !== 'grpc' ? undefined : { port: appPort ?? 0, protocol, address: '127.0.0.1', maxConcurrency: 0, apiToken: undefined, health, wantsList },
    doors: { listen: ['127.0.0.1'], httpPort: 0, grpcPort: 0, publicPort: undefined, security: {} },
    host: { ...store === undefined ? {} : { store }, ...setting.host }, onShutdownRequested: () => undefined,
  })
  onTestFinished(() => sidecar.stop())
  return Object.assign(sidecar, { http: sidecar.addresses.http!, grpc: sidecar.addresses.grpc! })
}
