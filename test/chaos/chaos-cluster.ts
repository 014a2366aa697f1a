/**
 * A cluster of real hosts on a real store, in a network with faults: `troupe host` processes from the built command line, and
 * what can be done to them. `close`, and Ctrl-C, leave no process, folder or network behind.
 */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { Mechanism } from '../../core/mechanisms.ts'
import { TroupeProcess } from '../../examples/demo/troupe-process.ts'
import { Caller } from './caller.ts'
import { startStore, type ChaosStore, type StoreKind } from './chaos-store.ts'
import { CleanUp } from './clean-up.ts'
import { CLIENTS, STORE, type FaultNetwork, type HostPlace } from './fault-network.ts'
import { openNetwork } from './open-network.ts'

const app = fileURLToPath(new URL('ledger-app.ts', import.meta.url))

export interface ClusterOptions {
  readonly store: StoreKind
  readonly hosts: number
  /** Placement services alone; 0: the hosts are candidates themselves. */
  readonly placements: number
  readonly network?: 'namespaces' | 'proxies' | undefined
  /** Mechanisms that are off in every host, to see that it is noticed. */
  readonly without?: readonly Mechanism[] | undefined
}

interface Status {
  readonly hosts: readonly { readonly id: string; readonly phase: string; readonly tableVersion: number; readonly shards: Readonly<Record<string, number>> }[]
}

/** One host, over all its lives. */
export interface ChaosHost {
  readonly name: string
  readonly url: string
  /** `frozen`, `cut`: it runs, and who calls it may wait in vain. */
  phase: 'down' | 'starting' | 'up' | 'frozen' | 'cut' | 'stopping'
  process: TroupeProcess | undefined
}

export class ChaosCluster {
  readonly caller = new Caller()
  readonly hosts: ChaosHost[] = []
  readonly placements: TroupeProcess[] = []
  readonly network: FaultNetwork
  readonly store: ChaosStore
  /** What processes said that must not be: crashes without being asked for. */
  readonly surprises: string[] = []
  readonly #ends: CleanUp
  readonly #lives: TroupeProcess[] = []
  readonly #places = new Map<string, HostPlace>()
  readonly #folder = mkdtempSync(join(tmpdir(), 'troupe-chaos-'))
  readonly #storeUrl: string
  readonly #flags: readonly string[]
  readonly #env: Readonly<Record<string, string>>
  #placementAddresses: readonly string[] = []

  static async start(options: ClusterOptions): Promise<ChaosCluster> {
    const ends = new CleanUp()
    try {
      const store = await startStore(options.store)
      ends.add(() => store.stop())
      const network = await openNetwork(options.network)
      ends.add(() => network.close())
      const at = store.server === undefined ? '' : await network.storeAt(store.server.port)
      const cluster = new ChaosCluster(ends, store, network, at, await insecureFlags(network), options.without ?? [])
      ends.add(() => cluster.#endProcesses())
      for (let i = 0; i < options.placements; i++) await cluster.startPlacement()
      for (let i = 0; i < options.hosts; i++) await cluster.addHost()
      await Promise.all(cluster.hosts.map(host => cluster.startHost(host)))
      await cluster.settled()
      return cluster
    } catch (error) {
      await ends.close()
      throw error
    }
  }

  private constructor(ends: CleanUp, store: ChaosStore, network: FaultNetwork, storeAt: string, flags: readonly string[], without: readonly Mechanism[]) {
    this.#ends = ends
    this.store = store
    this.network = network
    this.#storeUrl = store.urlAt(storeAt)
    this.#flags = flags
    this.#env = without.length === 0 ? {} : { NODE_OPTIONS: switchingOff(without) }
  }

  /** Doors of hosts that can answer. */
  get doors(): readonly ChaosHost[] {
    return this.hosts.filter(({ phase }) => phase === 'up')
  }

  /** Makes the place for one more host; it is down. */
  async addHost(): Promise<ChaosHost> {
    const name = `h${this.hosts.length + 1}`
    const place = await this.network.place(name)
    this.#places.set(name, place)
    const host: ChaosHost = { name, url: place.url, phase: 'down', process: undefined }
    this.hosts.push(host)
    return host
  }

  /** Resolves when it is ready. */
  async startHost(host: ChaosHost, deadlineMs = 30_000): Promise<void> {
    const { under, flags } = this.#places.get(host.name)!
    host.phase = 'starting'
    const started = host.process = new TroupeProcess(host.name, [
      'host', app, '--host-id', host.name, '--store', this.#storeUrl, '--grpc-port', 'off', '--drain-timeout', '2s', ...flags, ...this.#flags,
      ...(this.#placementAddresses.length === 0 ? [] : ['--placement', this.#placementAddresses.join(',')]),
    ], { cwd: this.#folder, under, env: this.#env })
    this.#lives.push(started)
    await this.network.up(host.name, started.child.pid!)
    void started.exited.then(async exit => {
      if (host.process !== started) return
      if (host.phase === 'up') this.surprises.push(`${host.name} ended by itself (code ${exit.code}, ${exit.signal}): ${started.stderr.slice(-500)} ${started.stdout.slice(-1_000)}`)
      host.phase = 'down'
      await this.network.down(host.name)
    })
    await started.ready(deadlineMs)
    if (host.phase === 'starting') host.phase = 'up'
  }

  /** As `kill -9`. Resolves when the process is gone. */
  async kill(host: ChaosHost): Promise<void> {
    host.phase = 'down'
    host.process!.signal('SIGKILL')
    await host.process!.ended()
    await this.network.down(host.name)
  }

  /** SIGTERM: it drains and leaves. @throws Error when its exit code is not 0 */
  async stopHost(host: ChaosHost): Promise<void> {
    host.phase = 'stopping'
    const exit = await host.process!.stop('SIGTERM', 60_000)
    host.phase = 'down'
    await this.network.down(host.name)
    if (exit.code !== 0) this.surprises.push(`${host.name} ended with ${exit.code ?? exit.signal} after SIGTERM`)
  }

  freeze(host: ChaosHost): void {
    host.phase = 'frozen'
    host.process!.signal('SIGSTOP')
  }

  thaw(host: ChaosHost): void {
    host.process!.signal('SIGCONT')
    if (host.phase === 'frozen') host.phase = 'up'
  }

  /** Nothing goes to or from it: neither peers nor store nor clients. */
  cutOff(host: ChaosHost): void {
    host.phase = 'cut'
    for (const other of this.#othersOf(host)) {
      this.network.cut(host.name, other)
      this.network.cut(other, host.name)
    }
  }

  reconnect(host: ChaosHost): void {
    for (const other of this.#othersOf(host)) {
      this.network.heal(host.name, other)
      this.network.heal(other, host.name)
    }
    if (host.phase === 'cut') host.phase = 'up'
  }

  #othersOf(host: ChaosHost): string[] {
    return [...this.hosts.filter(other => other !== host).map(({ name }) => name), CLIENTS, ...(this.store.server === undefined ? [] : [STORE])]
  }

  async startPlacement(port = 0): Promise<TroupeProcess> {
    const { clientsHost } = this.network
    const started = new TroupeProcess(`p${this.placements.length + 1}`, [
      'placement', '--listen', clientsHost, '--port', String(port), '--store', this.#storeUrl, ...this.#flags,
    ], { cwd: this.#folder })
    this.placements.push(started)
    this.#lives.push(started)
    const { address } = await started.ready()
    this.#placementAddresses = [...new Set([...this.#placementAddresses, String(address)])]
    return started
  }

  /** Resolves when every host that is up is a member, all shards have owners among them, and all hosts say the same. */
  async settled(deadlineMs = 60_000): Promise<void> {
    const end = performance.now() + deadlineMs
    for (;;) {
      const up = this.doors
      const status = up[0] === undefined ? undefined : await this.caller.get<Status>(up[0].url, '/troupe/v1/status')
      const problem = status === undefined ? 'no status' : problemOf(status, up.map(({ name }) => name))
      if (problem === undefined) return
      if (performance.now() > end) throw new Error(`the cluster has not settled within ${deadlineMs} ms: ${problem}; ${JSON.stringify(status?.hosts)}`)
      await pause(50)
    }
  }

  /** Those of `ids` that live on `host`, as `through` sees it. */
  async actorsOn(host: ChaosHost, ids: readonly string[], through: ChaosHost): Promise<string[]> {
    const on: string[] = []
    for (const id of ids) {
      const location = await this.caller.get<{ member?: { id: string } }>(through.url, `/troupe/v1/actors/Ledger/${id}`)
      if (location?.member?.id === host.name) on.push(id)
    }
    return on
  }

  /** The host whose candidate leads; undefined when none is seen to. */
  leader(): ChaosHost | undefined {
    const led = this.hosts.filter(({ process }) => process?.running === true).map(host => ({ host, at: lastTerm(host.process!) }))
    const newest = led.filter(({ at }) => at > 0).sort((a, b) => b.at - a.at)[0]
    return newest?.host
  }

  /** What all processes said, those that are gone included. */
  logs(): string {
    return this.#lives.map(({ name, child, stdout, stderr }) => `==== ${name}, process ${child.pid}\n${stdout}${stderr}`).join('\n')
  }

  close(): Promise<void> {
    return this.#ends.close()
  }

  async #endProcesses(): Promise<void> {
    // Not told to by their parent's end: a frozen one would not hear of it.
    for (const process of this.#lives) if (process.running) process.signal('SIGKILL')
    await Promise.all(this.#lives.map(process => process.exited))
    this.caller.close()
    rmSync(this.#folder, { recursive: true, force: true })
  }
}

export const pause = (ms: number): Promise<void> => new Promise(resolve => { setTimeout(resolve, ms) })

function problemOf({ hosts }: Status, up: readonly string[]): string | undefined {
  const [ids, wanted] = [hosts.map(({ id }) => id).sort().join(), [...up].sort().join()]
  if (ids !== wanted) return `members are ${ids}, hosts that run ${wanted}`
  const busy = hosts.find(({ phase }) => phase !== 'serving')
  if (busy !== undefined) return `${busy.id} is ${busy.phase}`
  const versions = new Set(hosts.map(({ tableVersion }) => tableVersion))
  if (versions.size > 1) return `hosts have tables ${[...versions].join()}`
  const shards = hosts.reduce((sum, { shards }) => sum + (shards.Ledger ?? 0), 0)
  if (shards !== 1024) return `${shards} shards have owners`
  return hosts.some(({ shards }) => shards.Ledger === 0) ? 'a host has no shards yet' : undefined
}

/** The highest term in which this process said that it leads; 0: none, or another one has led since. */
function lastTerm({ lines }: TroupeProcess): number {
  const last = lines.findLast(line => line.msg === 'leads placement')
  return last !== undefined ? Number(last.term ?? 1) : 0
}

/** A wider address than loopback may have to be asked for. */
async function insecureFlags(network: FaultNetwork): Promise<string[]> {
  if (network.kind === 'proxies') return []
  const help = new TroupeProcess('help', ['host', '--help'])
  await help.ended()
  return help.stdout.includes('--insecure') ? ['--insecure'] : []
}

/** Flags of Node that load, before anything else, what core/mechanisms.ts then finds. */
function switchingOff(without: readonly Mechanism[]): string {
  const code = `globalThis[Symbol.for('troupe.mechanisms')]={off:new Set(${JSON.stringify(without)})}`
  return `--import=data:text/javascript,${encodeURIComponent(code)}`
}
