/**
 * `troupe sidecar`: a host beside an application in any language, which runs the actors; daprd's flags. Sidecars on one store are
 * a cluster, and hosts of `troupe host` may be in it.
 *
 * It logs one line `ready` with its addresses when its doors are open, and drains on SIGTERM and on `POST /v1.0/shutdown`.
 */
import type { Command } from 'commander'
import { openLogger, type Logger } from '../core/logger.ts'
import type { Sidecar, startSidecar } from '../gateway/dapr/sidecar.ts'
import { daprdOptions, type DaprdFlags } from './daprd-flags.ts'
import { EXIT_OK } from './failure.ts'
import { serve, type Finished } from './service-life.ts'
import { sidecarSettings, tellUnused, type SidecarSettings } from './sidecar-settings.ts'

const examples = `
Examples:
  troupe sidecar --app-id shop --app-port 3000 --resources-path ./components        instead of daprd, same flags
  troupe sidecar --app-id shop --app-port 3000 --store redis://10.0.0.9:6379 --listen 10.0.0.1 --insecure
  troupe sidecar --app-id shop --app-protocol grpc                                  the application opens the event stream
  troupe sidecar --app-id caller                                                    no application: a door for clients
  troupe run --app-id shop --app-port 3000 -- python app.py                         both at once

Flags are read as daprd reads them (-app-id shop, --app-id=shop, --enable-mtls=false); those of parts that Troupe does without are
accepted, named in one warning, and change nothing: Dapr's placement, scheduler, Sentry, metrics, profiling.`

export function addSidecarCommand(program: Command): void {
  const command = program.command('sidecar')
    .description("Run beside an application in any language that runs actors over Dapr's API, in place of daprd.")
    .addHelpText('after', examples)
    .action((flags: DaprdFlags) => sidecar(flags))
  for (const option of daprdOptions({ httpPort: 3500, grpcPort: 50001, short: false })) command.addOption(option)
}

async function sidecar(flags: DaprdFlags): Promise<void> {
  const settings = sidecarSettings(flags, process.env)
  const log = sidecarLogger(settings)
  await serve({
    log,
    stopTimeoutMs: settings.stopTimeoutMs,
    start: async () => {
      const asked = Promise.withResolvers<Finished>()
      const running = await openSidecar(settings, log, () => asked.resolve(shutdownRequested))
      return { stop: () => running.stop(), ended: running.ended, finished: asked.promise }
    },
  })
}

export const shutdownRequested: Finished = { reason: 'a client asked for it (POST /v1.0/shutdown)', code: EXIT_OK }

export function sidecarLogger({ logLevel, logFormat, options }: SidecarSettings): Logger {
  const root = openLogger(logLevel, logFormat)
  const { hostId } = options.host
  return hostId === undefined ? root : root.child({ hostId })
}

/** Starts it and says so. */
export async function openSidecar(settings: SidecarSettings, log: Logger, onShutdownRequested: () => void, start?: typeof startSidecar): Promise<Sidecar> {
  tellUnused(settings, log)
  // Loaded here alone: other commands do without what it brings.
  const running = await (start ?? (await import('../gateway/dapr/sidecar.ts')).startSidecar)({ ...settings.options, log, onShutdownRequested })
  log.info({ appId: settings.options.appId, ...running.addresses }, 'ready')
  return running
}
