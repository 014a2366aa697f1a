/**
 * The life of a serving process (`troupe host`, `troupe sidecar`, `troupe placement`): starting → serving → stopping → its exit code.
 *
 * - The first SIGTERM or SIGINT stops the service, which drains: exit 0. While it still starts, nothing was promised to
 *   anyone: exit 0 at once. A service that says that it has finished is stopped in the same way, and its word is the exit code.
 * - A second one, or a drain longer than its bound, ends the process at once: exit 1. Ending hard is safe (P4): what was
 *   acknowledged is in the store.
 * - Code of authors runs in here: a rejection that nobody handles is logged and the process stays up; an exception
 *   outside any call leaves the process in an unknown state: logged, drained, exit 1.
 */
import { messageOf } from '../core/errors.ts'
import type { Logger } from '../core/logger.ts'
import { EXIT_FAILED, EXIT_OK } from './failure.ts'

export interface RunningService {
  stop(): Promise<void>
  /** Settles when the service has ended, also without being asked to (its id was taken over). */
  readonly ended?: Promise<unknown>
  /** Resolves when there is no more to do; the service is then stopped, and its process ends with that code. */
  readonly finished?: Promise<Finished>
}

export interface Finished {
  readonly reason: string
  readonly code: number
}

export interface Service {
  readonly log: Logger
  start(): Promise<RunningService>
  /** Longest that `stop` may take. */
  readonly stopTimeoutMs: number
}

type Phase = 'starting' | 'serving' | 'stopping'

/**
 * A Ctrl-C reaches the process twice when a package manager (`npm run`, `npx`) relays it, some milliseconds apart;
 * only a signal after this span is a second wish of the user.
 */
const RELAYED_WITHIN_MS = 250

const signals = ['SIGINT', 'SIGTERM'] as const

/** Runs the service until it is told to stop, then ends the process with its exit code. Rejects when it cannot start. */
export async function serve(service: Service): Promise<never> {
  const { log } = service
  const exitCode = Promise.withResolvers<number>()
  let phase: Phase = 'starting'
  let running: RunningService | undefined
  let stoppingSince = 0

  const stop = async (reason: string, code: number): Promise<void> => {
    phase = 'stopping'
    stoppingSince = performance.now()
    log.info({ reason }, 'stopping')
    const bound = setTimeout(() => {
      log.error({ stopTimeoutMs: service.stopTimeoutMs }, 'the service did not stop in time; ending the process')
      exitCode.resolve(EXIT_FAILED)
    }, service.stopTimeoutMs)
    try {
      await running?.stop()
      log.info({}, 'stopped')
      exitCode.resolve(code)
    } catch (error) {
      log.error({ err: error }, 'the service did not stop cleanly')
      exitCode.resolve(EXIT_FAILED)
    } finally {
      clearTimeout(bound)
    }
  }

  const onSignal: Record<Phase, (signal: string) => void> = {
    starting: signal => { log.info({ reason: signal }, 'interrupted while starting'); exitCode.resolve(EXIT_OK) },
    serving: signal => { void stop(signal, EXIT_OK) },
    stopping: signal => {
      if (performance.now() - stoppingSince < RELAYED_WITHIN_MS) return
      log.warn({ reason: signal }, 'asked to stop a second time; ending the process')
      exitCode.resolve(EXIT_FAILED)
    },
  }
  for (const signal of signals) process.on(signal, () => onSignal[phase](signal))
  process.on('unhandledRejection', reason => {
    log.error({ err: reason }, 'a promise of actor code was rejected and nobody handled it; the host stays up')
  })
  process.on('uncaughtException', error => {
    log.error({ err: error }, 'actor code threw outside of any call')
    if (phase === 'serving') void stop('uncaughtException', EXIT_FAILED)
    else if (phase === 'starting') exitCode.resolve(EXIT_FAILED)
  })

  log.debug({ pid: process.pid }, 'starting')
  const started = service.start().then(service => {
    running = service
    phase = 'serving'
    const ended = (facts: object): void => {
      if (phase !== 'serving') return
      log.error(facts, 'the service ended by itself')
      exitCode.resolve(EXIT_FAILED)
    }
    service.ended?.then(() => ended({}), (error: unknown) => ended({ reason: messageOf(error) }))
    void service.finished?.then(({ reason, code }) => { if (phase === 'serving') void stop(reason, code) })
  })
  started.catch(exitCode.reject)
  // Explicit: a timer or socket left open by actor code must not keep a stopped host alive.
  process.exit(await exitCode.promise)
}
