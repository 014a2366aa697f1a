/**
 * `dapr-api`: any sidecar that speaks the Dapr actor API, seen from its doors. Without `--target`: `troupe sidecar` beside bare floors,
 * which it starts all itself. With targets: those, side by side in the same rounds, and nothing of Troupe's own is asked of them.
 *
 * With `--app-port` this run is the application beside a target; then it knows when reminders come. Else the type and method of an
 * application that runs already are called.
 */
import type { GrpcEchoApi } from '../floors/grpc-echo.ts'
import type { ReverseProxyApi } from '../floors/reverse-proxy.ts'
import { withCpuOf, type Clocked } from '../harness/cpu.ts'
import type { Child } from '../harness/child.ts'
import { processCpu } from '../harness/process-cpu.ts'
import type { Measure, Sample } from '../harness/sample.ts'
import type { Scope } from '../harness/scope.ts'
import type { ComparisonCase, RateCase, Suite } from '../harness/suite.ts'
import { readTargets, type NamedTarget, type TargetFlags } from '../harness/targets.ts'
import type { SidecarLoad, SidecarLoadApi, SidecarTarget } from '../load/sidecar-load.ts'
import type { DaprAppApi } from '../subjects/dapr-app.ts'
import { startSidecar } from '../subjects/sidecar.ts'
import { grpc, http } from './http.ts'
import { measureLateness } from './reminder-lateness.ts'

export interface SidecarFlags extends Partial<TargetFlags> {
  readonly type?: string
  readonly method?: string
  readonly concurrency?: number
  readonly seconds?: number
  readonly quick: boolean
}

/** A sidecar that can be called, and what is known of it. */
export interface OpenTarget {
  readonly label: string
  readonly sidecar: SidecarTarget
  readonly load: Child<SidecarLoadApi>
  /** Processes whose CPU is counted. */
  readonly cpu: Readonly<Record<string, Clocked>>
  /** When this run is its application. */
  readonly app: Child<DaprAppApi> | undefined
}

const module = (path: string) => new URL(path, import.meta.url)
const OWN = { type: 'Bench', method: 'echo' }
const READY_MS = 60_000
/** Actors that are called in turn where they are many: one for each slot would do; more meet more of a sidecar's tables. */
const HOT_IDS = 1000

/** @throws Error when the flags do not fit together */
export function daprApiSuite(flags: SidecarFlags): Suite {
  const { concurrency: inFlight = 64, quick, seconds } = flags
  const length = seconds === undefined ? {} : { seconds }
  if (flags.target === undefined) {
    const lost = [flags.grpc, flags.pid, flags.appPort, flags.type, flags.method].some(it => it !== undefined)
    if (lost) throw new Error('--grpc, --pid, --app-port, --type and --method say something about a --target; give one')
    return { name: 'dapr-api', title: 'the Dapr actor API of `troupe sidecar`, beside bare floors', cases: ownCases(inFlight, quick), ...length }
  }
  const targets = readTargets({ ...flags, target: flags.target })
  if (targets.some(({ appPort }) => appPort === undefined) && (flags.type === undefined || flags.method === undefined)) {
    throw new Error('--type and --method name what is called; or give --app-port, and this run is the application')
  }
  const { type = OWN.type, method = OWN.method } = flags
  const open: OpenTarget[] = []
  return {
    name: 'dapr-api',
    title: 'sidecars through the Dapr actor API',
    ...length,
    begin: async scope => { open.push(...await Promise.all(targets.map(target => openTarget(scope, target, { type, method })))) },
    cases: [...callCases(inFlight, () => Promise.resolve(open)), ...stateCases(inFlight, quick, () => Promise.resolve(open))],
  }
}

/** Begins all ids of a run. */
const newRun = (): string => `b${Date.now().toString(36)}`

async function openTarget(scope: Scope, { label, http: url, grpc: address = '', pids, appPort }: NamedTarget, called: { type: string; method: string }): Promise<OpenTarget> {
  const app = appPort === undefined ? undefined : await scope.child<DaprAppApi>(module('../subjects/dapr-app.ts'))
  if (app !== undefined) await app.ask('start', called.type, appPort!)
  const load = await scope.child<SidecarLoadApi>(module('../load/sidecar-load.ts'))
  const sidecar = { http: url, grpc: address, ...called, run: newRun() }
  await load.ask('ready', sidecar, READY_MS)
  return { label, sidecar, load, app, cpu: { ...pids.length > 0 && { server: processCpu(pids) }, ...app !== undefined && { app } } }
}

async function openOwn(scope: Scope): Promise<OpenTarget & { readonly appPort: number }> {
  const { http: url, grpc: address, app, appPort, cpu } = await startSidecar(scope, OWN.type)
  const load = await scope.child<SidecarLoadApi>(module('../load/sidecar-load.ts'))
  const sidecar = { http: url, grpc: address, ...OWN, run: newRun() }
  await load.ask('ready', sidecar, READY_MS)
  return { label: 'troupe', sidecar, load, app, appPort, cpu: { server: cpu, app } }
}

/** What is measured; what comes before and after it costs nobody anything. */
interface What {
  readonly before?: (load: OpenTarget['load'], how: SidecarLoad) => Promise<void>
  readonly measure: (load: OpenTarget['load'], how: SidecarLoad) => Promise<Sample>
  readonly after?: (load: OpenTarget['load'], how: SidecarLoad) => Promise<void>
}
type Targets = (scope: Scope) => Promise<readonly OpenTarget[]>

const measureOf = ({ sidecar, load, cpu }: Pick<OpenTarget, 'sidecar' | 'load' | 'cpu'>, inFlight: number, what: What): Measure => async seconds => {
  const how = { target: sidecar, inFlight, seconds }
  await what.before?.(load, how)
  const sample = await withCpuOf(cpu, () => what.measure(load, how))
  await what.after?.(load, how)
  return sample
}

const activate = (ids: number): NonNullable<What['before']> => (load, how) => load.ask('activate', how, ids)
const invokeHttp = (ids: number): What => ({ before: activate(ids), measure: (load, how) => load.ask('invokeHttp', how, ids) })
const invokeGrpc = (ids: number): What => ({ before: activate(ids), measure: (load, how) => load.ask('invokeGrpc', how, ids) })
const transact: What = { before: activate(HOT_IDS), measure: (load, how) => load.ask('transact', how, HOT_IDS) }
const setReminders: What = {
  measure: (load, how) => load.ask('setReminders', how, HOT_IDS),
  after: (load, how) => load.ask('deleteReminders', how, HOT_IDS),
}

const compare = (name: string, inFlight: number, targets: Targets, measure: (target: OpenTarget) => Measure | string): ComparisonCase => ({
  kind: 'comparison', name, inFlight, warmUp: 2,
  open: async scope => Object.fromEntries((await targets(scope)).map(target => [target.label, measure(target)])),
})

const overGrpc = (inFlight: number, ids: number) => (target: OpenTarget): Measure | string =>
  target.sidecar.grpc === '' ? 'no --grpc was given' : measureOf(target, inFlight, invokeGrpc(ids))

const callCases = (inFlight: number, targets: Targets): ComparisonCase[] => [
  compare('HTTP invoke, 1,000 hot ids', inFlight, targets, target => measureOf(target, inFlight, invokeHttp(HOT_IDS))),
  compare('HTTP invoke, one hot id', inFlight, targets, target => measureOf(target, inFlight, invokeHttp(1))),
  compare('HTTP invoke, fresh ids', inFlight, targets, target => measureOf(target, inFlight, invokeHttp(0))),
  compare('gRPC InvokeActor, 1,000 hot ids', inFlight, targets, overGrpc(inFlight, HOT_IDS)),
  compare('gRPC InvokeActor, one hot id', inFlight, targets, overGrpc(inFlight, 1)),
  compare('gRPC InvokeActor, fresh ids', inFlight, targets, overGrpc(inFlight, 0)),
]

const stateCases = (inFlight: number, quick: boolean, targets: Targets): ComparisonCase[] => [
  compare('state transaction, one upsert', inFlight, targets, target => measureOf(target, inFlight, transact)),
  compare('reminder registration', inFlight, targets, target => measureOf(target, inFlight, setReminders)),
  compare('reminder lateness (as latency)', inFlight, targets, target => target.app === undefined
    ? 'no --app-port was given, so this run is not the application that reminders come to'
    : measureLateness(target, target.app, inFlight, quick ? 100 : 1000)),
]

/** The sidecar beside the bare reverse proxy, to the same application. */
const besideProxy = (name: string, ids: number, inFlight: number, atLeast?: number): RateCase => ({
  kind: 'rate', name, inFlight, floor: 'HTTP: bare node:http reverse proxy to the same application', warmUp: 3,
  ...atLeast !== undefined && { atLeast },
  async open(scope) {
    const own = await openOwn(scope)
    const proxy = await scope.child<ReverseProxyApi>(module('../floors/reverse-proxy.ts'))
    const url = `http://127.0.0.1:${await proxy.ask('start', own.appPort)}`
    const bare = { load: own.load, sidecar: { ...own.sidecar, http: url }, cpu: { server: proxy, app: own.app! } }
    return { floor: allGood(measureOf(bare, inFlight, invokeHttp(ids))), subject: allGood(measureOf(own, inFlight, invokeHttp(ids))) }
  },
})

/** The sidecar's gRPC door, with its application behind it, beside a server that answers by itself. */
const besideGrpcEcho = (name: string, ids: number, inFlight: number): RateCase => ({
  kind: 'rate', name, inFlight, floor: 'gRPC: bare grpc-js unary echo of the same messages, no application behind it', warmUp: 3,
  async open(scope) {
    const own = await openOwn(scope)
    const echo = await scope.child<GrpcEchoApi>(module('../floors/grpc-echo.ts'))
    const bare = { load: own.load, sidecar: { ...own.sidecar, grpc: await echo.ask('start') }, cpu: { server: echo } }
    return { floor: allGood(measureOf(bare, inFlight, invokeGrpc(ids))), subject: allGood(measureOf(own, inFlight, invokeGrpc(ids))) }
  },
})

/** A share of a floor says nothing when some of the calls failed. */
const allGood = (measure: Measure): Measure => async seconds => {
  const sample = await measure(seconds)
  if ((sample.errors ?? 0) > 0) throw new Error(`${sample.errors} of ${sample.operations + sample.errors!} calls failed, the first: ${sample.problem}`)
  return sample
}

function ownCases(inFlight: number, quick: boolean): Suite['cases'] {
  const own: Targets = async scope => [await openOwn(scope)]
  return [
    besideProxy('sidecar, HTTP to HTTP app, 1,000 hot ids', HOT_IDS, inFlight, 0.6),
    besideProxy('sidecar, HTTP to HTTP app, one hot id', 1, inFlight),
    besideProxy('sidecar, HTTP to HTTP app, fresh ids', 0, inFlight),
    besideGrpcEcho('sidecar, gRPC to HTTP app, 1,000 hot ids', HOT_IDS, inFlight),
    besideGrpcEcho('sidecar, gRPC to HTTP app, fresh ids', 0, inFlight),
    http('TypeScript class, readonly, memory', 'echo', 1000, 0.7, 'memory'),
    grpc('TypeScript class, readonly, memory', 'echo', 1000, 0.7, 'memory'),
    ...stateCases(inFlight, quick, own),
  ]
}
