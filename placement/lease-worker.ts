/**
 * The thread that renews a host's lease: a `LeaseKeeper` on a connection of its own. Started by `LeaseThread` alone.
 *
 * It goes on while the main thread is busy, for as long as that has beaten within the last `stallMs`: a host that is stuck for longer must lose
 * its lease though its process lives. The deadline goes to the board before anything else is said of it. Ends when it is told to,
 * and with its process.
 */
import { parentPort, workerData, type MessagePort } from 'node:worker_threads'
import { SystemClock } from '../core/clock.ts'
import { messageOf, TroupeError } from '../core/errors.ts'
import { SystemRandom } from '../core/random.ts'
import { loadClusterStore } from '../stores/load-cluster-store.ts'
import { LeaseBoardWriter } from './lease-board.ts'
import { LeaseKeeper } from './lease-keeper.ts'
import { failureOf, portLogger, type LeaseOrder, type LeaseReport, type LeaseTask } from './lease-messages.ts'

async function serve(port: MessagePort, task: LeaseTask): Promise<void> {
  const { id, times } = task
  const clock = new SystemClock()
  const report = (said: LeaseReport): void => port.postMessage(said)
  const log = portLogger(report)
  const board = new LeaseBoardWriter(task.memory, clock)
  const store = await loadClusterStore(task.clusterStore, { clock, log, namespace: task.namespace })
  let beats = board.beats()
  let beatMs = clock.monotonicMs()
  const mainRuns = (): boolean => {
    const seen = board.beats()
    const nowMs = clock.monotonicMs()
    if (seen !== beats) [beats, beatMs] = [seen, nowMs]
    return nowMs - beatMs <= times.stallMs
  }
  const keeper = new LeaseKeeper({ store, clock, random: new SystemRandom(), log, times, mayRenew: mainRuns, onDeadline: deadlineMs => board.deadline(deadlineMs) })
  keeper.onNews(news => report({ kind: 'news', news }))
  keeper.onRevoked(() => report({ kind: 'revoked' }))

  const open = async (): Promise<void> => {
    try {
      await store.open()
      if (task.resume) keeper.resume(id)
      else await keeper.open(id)
      report({ kind: 'opened' })
    } catch (error) {
      report({ kind: 'failed', failure: failureOf(error) })
    }
  }
  const opening = open()
  const close = async (release: boolean): Promise<void> => {
    await keeper.close(release)
    // A connection that comes up after it was closed would stay.
    await opening
    await store.close().catch((error: unknown) => log.debug({ reason: messageOf(error) }, 'the store of the lease did not close well'))
    port.close()
  }
  port.on('message', (order: LeaseOrder) => {
    if (order.kind === 'renewNow') keeper.renewNow()
    else void close(order.release)
  })
}

function start(port: MessagePort | null): void {
  if (port === null) throw new TroupeError('INTERNAL', 'placement/lease-worker: this file runs on a thread of its own')
  serve(port, workerData as LeaseTask).catch((error: unknown) => {
    // Nobody listens: this thread ends.
    port.postMessage({ kind: 'failed', failure: failureOf(error) } satisfies LeaseReport)
  })
}

start(parentPort)
