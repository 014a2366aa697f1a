/**
 * Options of a host: what may be given, checked all at once, resolved with defaults, frozen.
 *
 * Cluster-wide options (shard bits, namespace, store, cluster store) are fingerprinted and compared when a host joins; the rest is each host's own.
 */
import { z } from 'zod'
import type { Authorize } from '../actors/authorize.ts'
import { isActorClass, optionProblem, type ActorClass } from '../actors/actor-type.ts'
import { SystemClock, type Clock } from '../core/clock.ts'
import { durationMs, type Duration } from '../core/duration.ts'
import { TroupeError } from '../core/errors.ts'
import { nameProblem } from '../core/ids.ts'
import { silentLogger, type Logger } from '../core/logger.ts'
import { SystemRandom, type Random } from '../core/random.ts'
import type { TlsFiles } from '../core/tls-identity.ts'
import { defaultLeaseTimes, type LeaseTimes } from '../placement/lease.ts'
import type { ActorStore } from '../stores/actor-store.ts'
import type { ClusterStore } from '../stores/cluster-store.ts'
import type { Gateway } from './gateway.ts'

export interface HostOptions {
  /** Actor classes to run; none: a host that only calls those of others. */
  actors: readonly ActorClass[]
  /**
   * Where state lives: `memory:` (default: gone with the process), `lmdb:DIR`, `redis://…`, `rediss://…`,
   * `redis+cluster://…`, `rediss+cluster://…`, `postgres://…`, or opened adapters.
   */
  store?: string | { actors: ActorStore; cluster: ClusterStore }
  /**
   * Where the cluster's own rows live (who leads placement, the placement table): `etcd://HOST:PORT[,HOST:PORT…]`, any URL of
   * `store` but `memory:`, or an opened adapter. By default `store`. Cluster-wide.
   */
  clusterStore?: string | ClusterStore
  /**
   * HOST:PORT of placement services. None, on a store that hosts can share: this host is a placement candidate itself, and finds
   * the others through the store; on `memory:` it is alone and owns everything.
   */
  placement?: string | readonly string[]
  /** Port of the placement candidate in this host; 0, the default: chosen by the system. It listens where `listen` says. */
  placementPort?: number
  /** Name of this host, unique in the cluster; by default `host-` and its incarnation. */
  hostId?: string
  /**
   * Address and port of the peer transport; `127.0.0.1` and 0 (chosen by the system) by default. Unused on `memory:`.
   * `advertise`: HOST or HOST:PORT under which other machines reach it, when it is not the address it listens on.
   */
  listen?: { host?: string; port?: number; advertise?: string }
  /** Doors to the outside: `httpGateway({ port })`, `grpcGateway({ port })`. None by default. */
  gateways?: readonly Gateway[]
  /** Relative capacity, 1 by default. */
  weight?: number
  /** log2 of the shards a type has; 10 by default. Cluster-wide. */
  shardBits?: number
  /** Clusters with different namespaces share a store without meeting; `default` by default. Cluster-wide. */
  namespace?: string
  /** How long a call may take when the caller says nothing; 30 s by default. */
  callTimeout?: Duration
  /** How long a store may take for a commit before its outcome counts as unknown; 5 s by default. */
  commitTimeout?: Duration
  /**
   * How long this host's right to serve lasts without renewal; 2 s by default, renewed four times as often. It bounds how long
   * the actors of a host that hangs are away; a shorter one makes hosts pause sooner when the store answers slowly.
   */
  leaseTtl?: Duration
  /** How long one turn may keep the process busy before the host's lease is not renewed any more; 10 s by default. */
  stallBudget?: Duration
  /** How long to look for a placement service at start; 30 s by default. */
  joinTimeout?: Duration
  /** How long running turns may go on when their shard moves or the host stops; 2 s by default. */
  drainTimeout?: Duration
  /** Largest argument list or result, in bytes; 4 MiB by default. */
  maxPayloadBytes?: number
  /** Calls under way at once, 100,000 by default; three quarters of them may come from outside turns. More get OVERLOADED. */
  maxCalls?: number
  /** What the arguments of calls under way may take, in bytes; 256 MiB by default. */
  maxCallBytes?: number
  /** Calls that may wait for a shard on its way to this host; 10,000 by default. */
  maxParked?: number
  /** Proves that `readonly` methods changed nothing; on unless NODE_ENV is `production`. Costs an encoding of the state a readonly turn. */
  checkReadonly?: boolean
  /**
   * Certificates of this host and the authority of the cluster: streams between hosts and to placement are mutual TLS. Paths of PEM
   * files, read again when they change.
   */
  tls?: TlsFiles
  /** Lets the ports for hosts and placement listen beyond this machine without `tls`. False by default. */
  insecure?: boolean
  /** Who may do what with which actor; asked on the host that runs it. Everybody by default. */
  authorize?: Authorize
  log?: Logger
  clock?: Clock
  random?: Random
}

export interface ResolvedHostOptions {
  readonly actors: readonly ActorClass[]
  readonly store: string | { actors: ActorStore; cluster: ClusterStore }
  readonly clusterStore?: string | ClusterStore | undefined
  readonly placement: readonly string[]
  readonly placementPort: number
  readonly lease: LeaseTimes
  readonly hostId: string
  readonly incarnation: string
  readonly listen: { readonly host: string; readonly port: number; readonly advertise?: string | undefined }
  readonly gateways: readonly Gateway[]
  readonly weight: number
  readonly shardBits: number
  readonly namespace: string
  readonly callTimeoutMs: number
  readonly commitTimeoutMs: number
  readonly joinTimeoutMs: number
  readonly drainTimeoutMs: number
  readonly maxPayloadBytes: number
  readonly maxCalls: number
  readonly maxCallBytes: number
  readonly tls?: TlsFiles | undefined
  readonly insecure: boolean
  readonly authorize?: Authorize | undefined
  readonly maxParked: number
  readonly checkReadonly: boolean
  readonly log: Logger
  readonly clock: Clock
  readonly random: Random
}

const duration = (fallback: number) => z.union([z.number(), z.string()]).default(fallback).transform((value, context) => {
  try {
    return durationMs(value, String(context.issues.length === 0 ? 'duration' : 'duration'))
  } catch (error) {
    context.addIssue({ code: 'custom', message: (error as Error).message.replace(/^duration: /, '') })
    return z.NEVER
  }
})

const port = z.number().int().min(0).max(65_535)

const schema = z.strictObject({
  actors: z.array(z.custom<ActorClass>(isActorClass, 'is no class that extends Actor')),
  store: z.union([z.string(), z.custom<{ actors: ActorStore; cluster: ClusterStore }>(v =>
    typeof v === 'object' && v !== null && 'actors' in v && 'cluster' in v, 'is neither a URL nor { actors, cluster }')]).default('memory:'),
  clusterStore: z.union([z.string(), z.custom<ClusterStore>(v =>
    typeof v === 'object' && v !== null && 'campaign' in v && 'saveTable' in v, 'is neither a URL nor a cluster store')]).optional(),
  placement: z.union([z.string(), z.array(z.string())]).default([])
    .transform(v => (typeof v === 'string' ? v.split(',') : v).map(a => a.trim()).filter(a => a !== '')),
  placementPort: port.default(0),
  leaseTtl: duration(defaultLeaseTimes.ttlMs).refine(ms => ms >= 200 && ms <= 600_000, 'must be 200 ms to 10 minutes'),
  stallBudget: duration(defaultLeaseTimes.stallMs),
  hostId: z.string().refine(v => nameProblem(v, 128) === undefined, 'must be 1 to 128 bytes without / \\ # ? or control characters').optional(),
  listen: z.strictObject({ host: z.string().min(1).default('127.0.0.1'), port: port.default(0), advertise: z.string().regex(/^[^\s/]+$/, 'must be HOST or HOST:PORT').optional() }).prefault({}),
  gateways: z.array(z.custom<Gateway>(v => typeof v === 'object' && v !== null && 'start' in v, 'is no gateway; use httpGateway(…) or grpcGateway(…)')).default([]),
  weight: z.number().min(0.01).max(1000).default(1),
  shardBits: z.number().int().min(0).max(14).default(10),
  namespace: z.string().regex(/^[a-zA-Z0-9_.-]{1,64}$/, 'must be 1 to 64 letters, digits, dots, dashes or underscores').default('default'),
  callTimeout: duration(30_000),
  commitTimeout: duration(5_000),
  joinTimeout: duration(30_000),
  drainTimeout: duration(2_000),
  maxPayloadBytes: z.number().int().min(1024).max(256 * 1024 * 1024).default(4 * 1024 * 1024),
  maxCalls: z.number().int().min(1).default(100_000),
  maxCallBytes: z.number().int().min(1024).default(256 * 1024 * 1024),
  tls: z.strictObject({ ca: z.string().min(1), cert: z.string().min(1), key: z.string().min(1) }).optional(),
  insecure: z.boolean().default(false),
  authorize: z.custom<Authorize>(v => typeof v === 'function', 'is no function').optional(),
  maxParked: z.number().int().min(1).default(10_000),
  checkReadonly: z.boolean().default(process.env.NODE_ENV !== 'production'),
  log: z.custom<Logger>().default(() => silentLogger),
  clock: z.custom<Clock>().default(() => new SystemClock()),
  random: z.custom<Random>().default(() => new SystemRandom()),
})

/** @throws BAD_OPTION with every problem, each named by its path. */
export function resolveHostOptions(options: HostOptions): ResolvedHostOptions {
  const parsed = schema.safeParse(options)
  if (!parsed.success) {
    const problems = parsed.error.issues.map(i => optionProblem([], i, Object.keys(schema.shape)))
    throw new TroupeError('BAD_OPTION', `createHost: ${problems.join('; ')}`, { data: { problems } })
  }
  const { callTimeout, commitTimeout, joinTimeout, drainTimeout, leaseTtl, stallBudget, hostId, ...rest } = parsed.data
  const incarnation = rest.random.nonce()
  return Object.freeze({
    ...rest,
    incarnation,
    hostId: hostId ?? `host-${incarnation.slice(0, 8)}`,
    lease: { ttlMs: leaseTtl, renewMs: leaseTtl / 4, stallMs: stallBudget },
    callTimeoutMs: callTimeout,
    commitTimeoutMs: commitTimeout,
    joinTimeoutMs: joinTimeout,
    drainTimeoutMs: drainTimeout,
  })
}
