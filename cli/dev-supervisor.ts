/**
 * Keeps one child process running the newest version of an app: stops it and starts another when a file that it loaded
 * is saved. The child reports what it loads (dev-imports.ts), so exactly the app and what it imports are watched.
 *
 * A start that fails in the author's code (a syntax error, say) shows the error and waits for the next save; one that
 * fails elsewhere (a port that is taken) ends the whole. SIGINT and SIGTERM end the child, then this process.
 */
import { spawn, type ChildProcess } from 'node:child_process'
import { dirname, extname, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { watch, type FSWatcher } from 'chokidar'
import { EXIT_FAILED, EXIT_OK, EXIT_USAGE } from './failure.ts'

/** What the child tells: a file that it loaded (or looked for in vain), or the code that it failed with. */
export type DevReport = { readonly loaded: string } | { readonly failed: string }

type Phase = 'running' | 'restarting' | 'waiting' | 'ending'

/** Several saves within this span are one: editors write in steps, formatters write again. */
const SETTLE_MS = 60
/** A child that does not drain within this span is killed; its acknowledged writes are in the store. */
const STOP_MS = 10_000

const codeFile = /\.(?:[cm]?[jt]s|json)$/

export async function superviseDev(options: { apps: readonly string[]; hostArguments: readonly string[] }): Promise<number> {
  const supervisor = new DevSupervisor(options.hostArguments, options.apps.map(file => resolve(file)))
  return await supervisor.run()
}

class DevSupervisor {
  readonly #hostArguments: readonly string[]
  readonly #loaded: Set<string>
  readonly #watcher: FSWatcher
  readonly #exitCode = Promise.withResolvers<number>()
  #phase: Phase = 'waiting'
  #child: ChildProcess | undefined
  /** Nothing is news before the first start. */
  #startedAtMs = Infinity
  #failure: string | undefined
  #settle: NodeJS.Timeout | undefined
  #kill: NodeJS.Timeout | undefined

  constructor(hostArguments: readonly string[], apps: readonly string[]) {
    this.#hostArguments = hostArguments
    this.#loaded = new Set(apps)
    // Folders, not files: a file that an editor replaces, or that does not exist yet, is seen all the same.
    this.#watcher = watch(apps.map(file => dirname(file)), { depth: 0, alwaysStat: true, ignored: path => path.includes('/node_modules/') })
  }

  async run(): Promise<number> {
    this.#watcher.on('change', path => this.#onSaved(path))
    // 'add' also comes for each file when its folder is first watched: only one written since the start is news.
    this.#watcher.on('add', (path, stats) => { if ((stats?.mtimeMs ?? 0) > this.#startedAtMs) this.#onSaved(path) })
    this.#watcher.on('error', error => say(`cannot watch: ${(error as Error).message}`))
    for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => this.#end())
    await new Promise<void>(resolve => { this.#watcher.once('ready', resolve) })
    if (this.#phase === 'waiting') this.#start()
    const code = await this.#exitCode.promise
    clearTimeout(this.#settle)
    await this.#watcher.close()
    return code
  }

  #start(): void {
    this.#phase = 'running'
    this.#failure = undefined
    this.#startedAtMs = Date.now()
    const extension = extname(fileURLToPath(import.meta.url))
    const beside = (name: string): string => new URL(`./${name}${extension}`, import.meta.url).href
    const { TROUPE_PLACEMENT: _, ...env } = process.env
    const child = spawn(
      process.execPath,
      ['--import', beside('dev-imports'), fileURLToPath(beside('troupe')), ...this.#hostArguments],
      // Its own process group: a Ctrl-C in the terminal reaches only this process, which stops the child in order.
      { stdio: ['ignore', 'inherit', 'inherit', 'ipc'], env, detached: true },
    )
    this.#child = child
    child.on('message', message => this.#onReport(message as DevReport))
    child.once('error', error => { say(`cannot start: ${error.message}`); this.#onExit(EXIT_FAILED) })
    child.once('exit', code => this.#onExit(code ?? EXIT_FAILED))
  }

  #onReport(report: DevReport): void {
    if ('failed' in report) this.#failure = report.failed
    else if (!this.#loaded.has(report.loaded)) {
      this.#loaded.add(report.loaded)
      this.#watcher.add(dirname(report.loaded))
    }
  }

  #onSaved(path: string): void {
    // After a failed start any file may be the missing piece: what it would have loaded was never reported.
    const matters = this.#loaded.has(path) || (this.#phase === 'waiting' && codeFile.test(path))
    if (!matters || this.#phase === 'ending') return
    clearTimeout(this.#settle)
    this.#settle = setTimeout(() => this.#restart(path), SETTLE_MS)
  }

  #restart(path: string): void {
    if (this.#phase === 'waiting') {
      say(`${path} changed: starting again`)
      this.#start()
    } else if (this.#phase === 'running') {
      say(`${path} changed: starting again`)
      this.#phase = 'restarting'
      this.#stopChild()
    }
    // 'restarting': the start that comes loads the newest files anyway. 'ending': too late.
  }

  #onExit(code: number): void {
    clearTimeout(this.#kill)
    this.#child = undefined
    if (this.#phase === 'ending') this.#exitCode.resolve(EXIT_OK)
    else if (this.#phase === 'restarting') this.#start()
    else if (code === EXIT_USAGE || (this.#failure !== undefined && !mendedBySaving.has(this.#failure))) this.#exitCode.resolve(code)
    else {
      this.#phase = 'waiting'
      say(`the host ended with code ${code}; save a file to start it again, Ctrl-C to end`)
    }
  }

  #end(): void {
    if (this.#phase === 'ending') return
    this.#phase = 'ending'
    if (this.#child === undefined) this.#exitCode.resolve(EXIT_OK)
    else this.#stopChild()
  }

  #stopChild(): void {
    this.#child?.kill('SIGTERM')
    this.#kill = setTimeout(() => this.#child?.kill('SIGKILL'), STOP_MS)
  }
}

const mendedBySaving: ReadonlySet<string> = new Set(['APP_LOAD_FAILED', 'BAD_ACTOR_CLASS'])

const say = (text: string): void => { process.stderr.write(`troupe dev: ${text}\n`) }
