/**
 * What the HTTP and gRPC doors of one process know and do beside calls: the facts of the Dapr metadata API, and how strictly
 * that API is followed. Made once, given to both doors.
 */
import { TroupeError } from '../../core/errors.ts'
import type { Dispatcher } from '../../runtime/dispatch/dispatcher.ts'

/** A component as the metadata API shows it. */
export interface ComponentFact {
  readonly name: string
  readonly type: string
  readonly version: string
  readonly capabilities: readonly string[]
}

export interface AppConnection {
  readonly port: number
  readonly protocol: string
  readonly channelAddress: string
  /** 0: no limit. */
  readonly maxConcurrency: number
  readonly health?: {
    readonly healthCheckPath: string
    /** Go durations. */
    readonly healthProbeInterval: string
    readonly healthProbeTimeout: string
    readonly healthThreshold: number
  } | undefined
}

export interface DoorFacts {
  /** Exactly what Dapr does, also where Troupe promises better (docs/dapr.md). */
  readonly strict: boolean
  /** The `id` of the metadata route, and what `?appid=` of the health route must be; the host's id when undefined. */
  readonly appId: string | undefined
  readonly components: readonly ComponentFact[]
  readonly appConnection: AppConnection | undefined
  readonly enabledFeatures: readonly string[]
  /** Set by clients (`PUT /v1.0/metadata/KEY`, `SetMetadata`), shown to all; the doors bound it. */
  readonly extended: Map<string, string>
  /** INITIALIZING: the application has not said yet what it hosts. DISABLED: it never will, there is none. */
  runtimeStatus(): 'INITIALIZING' | 'DISABLED' | 'RUNNING'
  /** Ends the process in good order; undefined where clients may not do that. */
  readonly shutdown?: (() => void) | undefined
}

/** As Dapr has it, strictly, reminders and timers are only for types that run here. @throws UNKNOWN_TYPE */
export async function demandHosted(type: string, dispatcher: Dispatcher, timeoutMs?: number): Promise<void> {
  const isHosted = dispatcher.runsType === undefined ? dispatcher.hostStatus().types.includes(type) : await dispatcher.runsType(type, timeoutMs)
  if (!isHosted) throw new TroupeError('UNKNOWN_TYPE', `this host does not run ${type}`)
}

/** Of a host without an application. */
export const hostFacts = (shutdown?: () => void): DoorFacts => ({
  strict: false, appId: undefined, components: [], appConnection: undefined, enabledFeatures: [], extended: new Map(), runtimeStatus: () => 'RUNNING', shutdown,
})
