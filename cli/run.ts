/**
 * `troupe run`: a sidecar in this process and its application as a child, as `dapr run` does it.
 *
 * The sidecar's ports are open before the application starts, which finds them in its environment. Told to stop, the sidecar
 * drains first, while the application still answers, so that running turns end; then the application is stopped. When the
 * application ends by itself the sidecar stops, and the exit code is the application's.
 */
import type { Command } from 'commander'
import { TroupeError } from '../core/errors.ts'
import type { Logger } from '../core/logger.ts'
import { SystemRandom } from '../core/random.ts'
import type { startSidecar } from '../gateway/dapr/sidecar.ts'
import { applicationEnvironment } from './application-environment.ts'
import { Application, type ApplicationOptions } from './application.ts'
import { daprdOptions, type DaprdFlags } from './daprd-flags.ts'
import { serve, type Finished, type RunningService } from './service-life.ts'
import { sidecarSettings, type SidecarSettings } from './sidecar-settings.ts'
import { openSidecar, shutdownRequested, sidecarLogger } from './sidecar.ts'

const APP_PREFIX = '== APP == '
/** An application that does not end within this span is killed. */
const APP_GRACE_MS = 10_000

const examples = `
Examples:
  troupe run --app-id shop --app-port 3000 -- python app.py
  troupe run --app-id shop --app-port 3000 --app-protocol h2c --resources-path ./components -- ./shop --verbose
  troupe run --app-id shop --app-protocol grpc -- dotnet run       the application opens the event stream, it needs no port
  troupe run -a client -- node client.js                           no actors of its own: it only calls
  troupe run --app-id shop --app-port 3000                         the sidecar alone; start the application elsewhere

The application finds its sidecar by DAPR_HTTP_PORT and DAPR_GRPC_PORT, and itself by APP_ID, APP_PORT and APP_PROTOCOL. On Ctrl-C running
turns end first, then the application gets SIGTERM. Otherwise the exit code is the application's.`

interface RunFlags extends DaprdFlags {
  readonly runFile?: string
  readonly kubernetes?: boolean
}

export function addRunCommand(program: Command): void {
  const command = program.command('run')
    .description('Start an application and its sidecar together.')
    .argument('[command...]', 'the application and its arguments, after --')
    .addHelpText('after', examples)
    .action((words: string[], flags: RunFlags) => run(words, flags))
  for (const option of daprdOptions({ httpPort: 0, grpcPort: 0, short: true })) command.addOption(option)
  for (const flags of ['-f, --run-file <file>', '-k, --kubernetes [bool]']) command.addOption(command.createOption(flags).hideHelp())
}

async function run(words: readonly string[], flags: RunFlags): Promise<void> {
  if (flags.runFile !== undefined) throw new TroupeError('BAD_OPTION', '--run-file is not read here; start each application with a troupe run of its own')
  if (flags.kubernetes !== undefined) throw new TroupeError('BAD_OPTION', '--kubernetes is not for Troupe; start the application here, or run troupe sidecar as a container beside it')
  const settings = sidecarSettings({ ...flags, appId: flags.appId ?? `app-${new SystemRandom().nonce().slice(0, 8)}` }, process.env)
  const log = sidecarLogger(settings)
  // The terminal was closed; the application, in a group of its own, would not hear of it.
  process.once('SIGHUP', () => { process.kill(process.pid, 'SIGTERM') })
  await serve({
    log,
    stopTimeoutMs: settings.stopTimeoutMs + APP_GRACE_MS,
    start: () => startTogether({
      settings, log, metricsPort: flags.metricsPort,
      application: words.length === 0 ? undefined
        : { command: words, prefix: APP_PREFIX, stdout: process.stdout, stderr: process.stderr, graceMs: APP_GRACE_MS },
    }),
  })
}

export interface TogetherOptions {
  readonly settings: SidecarSettings
  /** Undefined: the sidecar alone. */
  readonly application: Omit<ApplicationOptions, 'env'> | undefined
  readonly metricsPort: string | undefined
  readonly log: Logger
  readonly start?: typeof startSidecar
}

/** @throws APP_LOAD_FAILED, and whatever the sidecar cannot start for; nothing is left running then */
export async function startTogether({ settings, application, metricsPort, log, start }: TogetherOptions): Promise<RunningService> {
  const finished = Promise.withResolvers<Finished>()
  const sidecar = await openSidecar(settings, log, () => finished.resolve(shutdownRequested), start)
  if (application === undefined) log.info({}, 'there is no command after --: the sidecar runs alone, and waits for an application that is started elsewhere')
  if (application === undefined) return { stop: () => sidecar.stop(), ended: sidecar.ended, finished: finished.promise }

  const env = applicationEnvironment(settings.options.env, { settings, addresses: sidecar.addresses, metricsPort })
  const running = await Application.start({ ...application, env }).catch(async (error: unknown) => {
    await sidecar.stop()
    throw error
  })
  log.info({ pid: running.pid, command: application.command }, 'the application runs')
  let failed = false
  sidecar.ended.catch(() => { failed = true })
  // Unless it was ended because of the sidecar, whose failure is the reason then.
  void running.ended.then(code => { if (!failed) finished.resolve({ reason: `the application ended with code ${code}`, code }) })
  return {
    stop: async () => {
      try {
        await sidecar.stop()
      } finally {
        await running.stop()
      }
    },
    // Without a sidecar the application has nothing to do: its clients must learn that it is away.
    ended: sidecar.ended.finally(() => running.stop()),
    finished: finished.promise,
  }
}
