/** A sidecar: what it is told, and what it is while it runs. */
import { TroupeError } from '../../core/errors.ts'
import type { Logger } from '../../core/logger.ts'
import type { HostOptions } from '../../runtime/host-options.ts'
import type { DoorOptions } from '../door-guard.ts'

export interface SidecarOptions {
  readonly appId: string
  /** Undefined: no application. The protocol `grpc` (the event stream) may have port 0. */
  readonly app?: {
    readonly port: number
    readonly protocol: 'http' | 'https' | 'h2c' | 'grpc'
    readonly address: string
    /** 0: no limit. */
    readonly maxConcurrency: number
    readonly apiToken: string | undefined
    readonly health?: { readonly path: string; readonly intervalMs: number; readonly timeoutMs: number; readonly threshold: number } | undefined
  } | undefined
  readonly resourcesPaths: readonly string[]
  readonly configFiles: readonly string[]
  readonly strict: boolean
  readonly maxBodyBytes: number
  readonly doors: {
    readonly listen: readonly string[]
    readonly httpPort: number | 'off'
    readonly grpcPort: number | 'off'
    readonly publicPort: number | undefined
    readonly security: DoorOptions
  }
  /** Without `store`: that of the components, else `defaultStore`. */
  readonly host: Omit<HostOptions, 'actors' | 'gateways'>
  readonly defaultStore: string
  readonly blockShutdownMs: number
  readonly env: Readonly<Record<string, string | undefined>>
  readonly log: Logger
  readonly onShutdownRequested: () => void
}

export interface Sidecar {
  readonly addresses: Record<string, string>
  stop(): Promise<void>
  readonly ended: Promise<unknown>
}

export const startSidecar = (_options: SidecarOptions): Promise<Sidecar> => Promise.reject(new TroupeError('INTERNAL', 'there is no sidecar yet'))
