/**
 * Real `troupe` processes for tests: placement, hosts and one-shot commands of the built command line, in a folder of
 * their own, on ports that the system chose.
 *
 * `await using cluster = new TestProcesses()` stops and removes everything at the end of the test, also when it fails; a
 * test run that is killed takes its processes along (see TroupeProcess). Waiting is for log lines, with deadlines.
 */
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { TroupeProcess, type Exit, type LogLine, type StartOptions } from '../../examples/demo/troupe-process.ts'

export { TroupeProcess, type Exit, type LogLine } from '../../examples/demo/troupe-process.ts'

const root = fileURLToPath(new URL('../..', import.meta.url))

/** Path of one of the example apps. */
export const exampleApp = (name: string): string => join(root, 'examples', name)

export interface RunningHost {
  readonly process: TroupeProcess
  readonly http: string
  readonly ready: LogLine
}

export interface HostSettings {
  readonly placement?: string
  readonly store?: string
  readonly apps?: readonly string[]
  readonly args?: readonly string[]
  readonly env?: Readonly<Record<string, string>>
}

export interface Finished extends Exit {
  readonly stdout: string
  readonly stderr: string
}

export class TestProcesses {
  readonly folder = mkdtempSync(join(tmpdir(), 'troupe-test-'))
  /** An LMDB store that all processes of this test may share. */
  readonly store = `lmdb:${join(this.folder, 'store')}`
  readonly #processes: TroupeProcess[] = []

  constructor() {
    // App files written here import 'troupe' as an installed package: the build that the processes run.
    mkdirSync(join(this.folder, 'node_modules'))
    symlinkSync(root, join(this.folder, 'node_modules', 'troupe'), 'dir')
    writeFileSync(join(this.folder, 'package.json'), '{"type":"module"}')
  }

  /** Writes a file into the test's folder and returns its path. */
  write(name: string, text: string): string {
    const path = join(this.folder, name)
    writeFileSync(path, text)
    return path
  }

  start(name: string, args: readonly string[], options: StartOptions = {}): TroupeProcess {
    const started = new TroupeProcess(name, args, { cwd: this.folder, ...options })
    this.#processes.push(started)
    return started
  }

  /** Runs a command to its end. */
  async run(args: readonly string[], options: StartOptions & { deadlineMs?: number } = {}): Promise<Finished> {
    const started = this.start(`troupe ${args.join(' ')}`, args, options)
    const exit = await started.ended(options.deadlineMs)
    return { ...exit, stdout: started.stdout, stderr: started.stderr }
  }

  async placement(settings: { store?: string; port?: number } = {}): Promise<{ process: TroupeProcess; address: string }> {
    const process = this.start('placement', ['placement', '--port', String(settings.port ?? 0), '--store', settings.store ?? this.store])
    const { address } = await process.ready()
    return { process, address: String(address) }
  }

  /** Starts a host without waiting for it. */
  startHost(name: string, settings: HostSettings = {}): TroupeProcess {
    const { apps = [exampleApp('counter.ts'), exampleApp('account.ts')], placement, store = this.store, args = [], env } = settings
    return this.start(name, [
      'host', ...apps, '--host-id', name, '--store', store, '--http-port', '0', '--grpc-port', 'off',
      ...(placement === undefined ? [] : ['--placement', placement]), ...args,
    ], env === undefined ? {} : { env })
  }

  async host(name: string, settings: HostSettings = {}): Promise<RunningHost> {
    const process = this.startHost(name, settings)
    const ready = await process.ready()
    return { process, http: String(ready.http), ready }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const each of this.#processes) if (each.running) each.signal('SIGKILL')
    await Promise.all(this.#processes.map(each => each.exited))
    rmSync(this.folder, { recursive: true, force: true })
  }
}

export interface HttpReply {
  readonly status: number
  readonly body: unknown
  readonly host: string | null
  readonly epoch: string | null
}

/** One call over HTTP, as any client would make it. */
export async function callHttp(url: string, type: string, id: string, method: string, ...args: readonly unknown[]): Promise<HttpReply> {
  const response = await fetch(`${url}/v1.0/actors/${encodeURIComponent(type)}/${encodeURIComponent(id)}/method/${method}`, {
    method: 'POST', body: JSON.stringify(args), headers: { 'content-type': 'application/json' }, signal: AbortSignal.timeout(20_000),
  })
  const text = await response.text()
  return {
    status: response.status,
    body: text === '' ? undefined : JSON.parse(text) as unknown,
    host: response.headers.get('troupe-host'),
    epoch: response.headers.get('troupe-epoch'),
  }
}
