/** An application beside its sidecar, as `dapr run` would start them: the sidecar's doors open first, then the application runs. */
import { join } from 'node:path'
import { TroupeProcess } from '../../examples/demo/troupe-process.ts'
import { Application } from './application.ts'
import { spelled, type Language } from './languages.ts'
import { until } from './until.ts'

/** The machine may be slow, and all start at once: virtual machines, interpreters, sidecars. */
export const START_MS = 90_000

export interface PairPorts {
  readonly app: number
  readonly http: number
  readonly grpc: number
}

export interface PairPlace {
  /** Of its log files. */
  readonly name: string
  readonly store: string
  readonly logs: string
  /** What the toolchain built. */
  readonly built: string
  readonly ports: PairPorts
  readonly sidecarFlags: readonly string[]
}

export class Pair {
  readonly language: Language
  readonly name: string
  readonly built: string
  readonly appId: string
  /** The sidecar's HTTP door. */
  readonly http: string
  readonly sidecar: TroupeProcess
  readonly #place: PairPlace
  #application: Application | undefined
  #started = false

  constructor(language: Language, place: PairPlace) {
    const { ports, store, logs, sidecarFlags } = place
    this.language = language
    this.#place = place
    this.name = place.name
    this.built = place.built
    this.appId = `interop-${language.name}`
    this.http = `http://127.0.0.1:${ports.http}`
    this.sidecar = new TroupeProcess(`sidecar of ${place.name}`, [
      'sidecar', '--app-id', this.appId, ...language.hasPort ? ['--app-port', String(ports.app)] : [], '--app-protocol', language.protocol,
      '--dapr-http-port', String(ports.http), '--dapr-grpc-port', String(ports.grpc), '--store', store, '--log-format', 'json',
      ...language.argumentLists === true ? ['--app-arguments', 'list'] : [], ...sidecarFlags,
    ], { cwd: logs })
  }

  get started(): boolean {
    return this.#started
  }

  get application(): Application {
    if (this.#application === undefined) throw new Error(`the application in ${this.name} has not started`)
    return this.#application
  }

  /** Resolves when the application answers a call of its own client: `ready` of the sidecar says only that its doors are open. */
  async start(): Promise<void> {
    await this.sidecar.ready(START_MS)
    this.#launch()
    await this.application.ready(START_MS)
    await until('first answer', async () => await this.ask('first', 'get'), () => true, START_MS)
    this.#started = true
  }

  /**
   * Ends the application as a crash would and starts it again; the sidecar stays. A call meanwhile is refused, from which a sidecar
   * learns that this process has gone: an application that came back between two calls cannot be told from the one before.
   */
  async restart(): Promise<void> {
    await this.application.kill()
    const method = spelled(this.language, 'get')
    const reply = await fetch(`${this.http}/v1.0/actors/${this.language.type}/restart/method/${method}`, { method: 'POST', signal: AbortSignal.timeout(START_MS) })
    if (reply.ok) throw new Error(`a call succeeded without its application: ${reply.status} ${await reply.text()}`)
    this.#launch()
    await this.application.ready(START_MS)
  }

  /** The application's client calls an actor of the application's own type. */
  async ask(id: string, method: string, ...args: readonly unknown[]): Promise<unknown> {
    return await this.application.call(this.language.type, id, spelled(this.language, method), args)
  }

  /** Actors of the application's type that are in memory here. */
  async activeActors(): Promise<number> {
    const reply = await fetch(`${this.http}/v1.0/metadata`, { signal: AbortSignal.timeout(10_000) })
    const facts = await reply.json() as { id: string; actorRuntime?: { activeActors?: { type: string; count?: number }[] } }
    if (facts.id !== this.appId) throw new Error(`metadata names the application ${JSON.stringify(facts.id)}, not ${this.appId}`)
    return facts.actorRuntime?.activeActors?.find(each => each.type === this.language.type)?.count ?? 0
  }

  /** What both said last, for failures. */
  lastLines(): [who: string, lines: readonly string[]][] {
    return [
      ...this.#application === undefined ? [] : [[this.#application.name, this.#application.lastLines.slice(-15)] as [string, readonly string[]]],
      [this.sidecar.name, `${this.sidecar.stdout}${this.sidecar.stderr}`.trim().split('\n').slice(-15)],
    ]
  }

  async stop(): Promise<void> {
    await this.#application?.kill()
    await endNow(this.sidecar)
  }

  #launch(): void {
    const { logs, ports } = this.#place
    this.#application = new Application(`application in ${this.name}`, this.language.command(this.built), {
      APP_ID: this.appId, ...this.language.hasPort ? { APP_PORT: String(ports.app) } : {}, DAPR_HTTP_PORT: String(ports.http), DAPR_GRPC_PORT: String(ports.grpc),
      // Go's SDK dials for 5 s by default, which a busy machine may take.
      DAPR_CLIENT_TIMEOUT_SECONDS: '30', PYTHONUNBUFFERED: '1', PYTHONDONTWRITEBYTECODE: '1',
    }, join(logs, `${this.name}-app.log`))
  }
}

export async function endNow(troupe: TroupeProcess): Promise<void> {
  if (troupe.running) await troupe.stop('SIGKILL', 10_000).catch((error: Error) => console.log(error.message))
}
