/**
 * One cluster for a run: a store in a temporary folder, a sidecar with its application for each language, and a plain host with a
 * TypeScript class. Everything is started at once and ended by `stop`, also when starting failed half-way.
 */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { TroupeProcess } from '../../examples/demo/troupe-process.ts'
import { connect, type Client } from '../../gateway/client.ts'
import { FreePorts } from './free-ports.ts'
import type { Language } from './languages.ts'
import { endNow, Pair, START_MS } from './pair.ts'

export class InteropCluster {
  readonly folder = mkdtempSync(join(tmpdir(), 'troupe-interop-'))
  readonly #pairs: Pair[] = []
  readonly #logs = join(this.folder, 'logs')
  readonly #store = `lmdb:${join(this.folder, 'store')}`
  readonly #all: Pair[] = []
  readonly #ports = new FreePorts()
  readonly #sidecarFlags: readonly string[]
  #host: TroupeProcess | undefined
  #client: Client | undefined

  /** `sidecarFlags`: for every sidecar. */
  constructor(sidecarFlags: readonly string[]) {
    this.#sidecarFlags = sidecarFlags
  }

  /** Those whose application has started. */
  get pairs(): Pair[] {
    return this.#pairs.filter(each => each.started)
  }

  get allPairs(): readonly Pair[] {
    return this.#pairs
  }

  /** Calls into the cluster as TypeScript does, by the door of the plain host. */
  get client(): Client {
    if (this.#client === undefined) throw new Error('the host of TsCounter has not started')
    return this.#client
  }

  /** Starts the host of TsCounter and all sidecars; each pair's `start` then starts its application. */
  async open(languages: readonly Language[], built: (language: Language) => string): Promise<void> {
    mkdirSync(this.#logs)
    const app = fileURLToPath(new URL('ts/counter-app.ts', import.meta.url))
    this.#host = new TroupeProcess('host of TsCounter', ['host', app, '--store', this.#store, '--http-port', '0', '--grpc-port', 'off', '--log-format', 'json'])
    for (const language of languages) this.#pairs.push(await this.#add(language, built(language), language.name))
    this.#client = connect(String((await this.#host.ready(START_MS)).http))
  }

  /** One more sidecar with the same application, between which its actors are then spread. */
  async beside(pair: Pair): Promise<Pair> {
    const second = await this.#add(pair.language, pair.built, `${pair.language.name}-2`)
    await second.start()
    return second
  }

  async #add(language: Language, built: string, name: string): Promise<Pair> {
    const ports = { app: await this.#ports.take(), http: await this.#ports.take(), grpc: await this.#ports.take() }
    const pair = new Pair(language, { name, store: this.#store, logs: this.#logs, built, ports, sidecarFlags: this.#sidecarFlags })
    this.#all.push(pair)
    return pair
  }

  /** Ends all processes and removes what they wrote; with `keep`, logs and store stay in `folder`. */
  async stop(keep: boolean): Promise<void> {
    await this.#client?.close()
    await Promise.allSettled(this.#all.map(async each => await each.stop()))
    if (this.#host !== undefined) await endNow(this.#host)
    if (!keep) return rmSync(this.folder, { recursive: true, force: true })
    for (const { name, sidecar } of this.#all) writeFileSync(join(this.#logs, `${name}-sidecar.log`), sidecar.stdout + sidecar.stderr)
    if (this.#host !== undefined) writeFileSync(join(this.#logs, 'ts-host.log'), this.#host.stdout + this.#host.stderr)
  }
}
