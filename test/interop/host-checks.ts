/** What each application must be able to do as a host of actors, asked through its own SDK and sidecar. */
import assert from 'node:assert/strict'
import { setTimeout as pause } from 'node:timers/promises'
import { actorsMove } from './actors-move.ts'
import { RefusedCall } from './application.ts'
import type { InteropCluster } from './interop-cluster.ts'
import { spelled } from './languages.ts'
import type { Pair } from './pair.ts'
import { until } from './until.ts'

const EVENT_MS = 30_000
/** Longer than two periods of the timer and the reminder. */
const SILENCE_MS = 800

export interface HostCheck {
  readonly name: string
  /** Why it does not apply to this application. */
  impossible?(pair: Pair): string | undefined
  run(pair: Pair, cluster: InteropCluster): Promise<void>
}

/** A number that the actor counts: it must grow when started and rest when stopped. */
async function ticks(pair: Pair, id: string, what: string, by: number, start: string, read: string, stop: string): Promise<void> {
  const count = async (): Promise<number> => Number(await pair.ask(id, read))
  await pair.ask(id, start)
  const counted = await until(`second ${what}`, count, value => value >= 2 * by, EVENT_MS)
  assert.equal(counted % by, 0, `the ${what} came with other data than it was registered with`)
  await pair.ask(id, stop)
  const rest = await count()
  await pause(SILENCE_MS)
  assert.equal(await count(), rest, `the ${what} went on after it was stopped`)
}

const refused = async (pair: Pair, type: string, id: string, method: string): Promise<void> =>
  await assert.rejects(pair.application.call(type, id, method, []), RefusedCall, `${type} ${method} did not fail`)

const reminderStatus = async (pair: Pair, id: string): Promise<number> =>
  (await fetch(`${pair.http}/v1.0/actors/${pair.language.type}/${id}/reminders/wake`, { signal: AbortSignal.timeout(10_000) })).status

export const hostChecks: readonly HostCheck[] = [
  {
    name: 'state',
    async run(pair) {
      assert.equal(await pair.ask('state', 'increment', 5), 5)
      assert.equal(await pair.ask('state', 'increment', 2), 7)
      assert.equal(await pair.ask('state', 'get'), 7)
      assert.equal(await pair.ask('another', 'get'), 0)
    },
  },
  {
    name: 'turns',
    async run(pair) {
      const results = await Promise.all(Array.from({ length: 10 }, async () => Number(await pair.ask('turns', 'increment', 1))))
      assert.deepEqual(results.sort((a, b) => a - b), [1, 2, 3, 4, 5, 6, 7, 8, 9, 10])
    },
  },
  {
    name: 'errors',
    async run(pair) {
      await pair.ask('errors', 'increment', 5)
      if (pair.language.errorsAreResults === true) assert.match(JSON.stringify(await pair.ask('errors', 'fail')), /boom/)
      else await refused(pair, pair.language.type, 'errors', spelled(pair.language, 'fail'))
      await refused(pair, pair.language.type, 'errors', 'noSuchMethod')
      await refused(pair, 'NoSuchType', 'errors', 'get')
      assert.equal(await pair.ask('errors', 'get'), 5)
    },
  },
  {
    name: 'timer',
    run: async pair => await ticks(pair, 'timer', 'tick of the timer', 3, 'startTimer', 'ticked', 'stopTimer'),
  },
  {
    name: 'reminder',
    async run(pair) {
      await pair.ask('reminder', 'startReminder')
      assert.equal(await reminderStatus(pair, 'reminder'), 200, 'the door does not know the reminder')
      await ticks(pair, 'reminder', 'reminder', 1, 'startReminder', 'reminded', 'stopReminder')
      assert.equal(await pair.ask('reminder', 'payload'), 'payload')
      assert.equal(await reminderStatus(pair, 'reminder'), 404, 'the reminder is still there')
    },
  },
  {
    name: 'reentrancy',
    impossible: pair => pair.language.withoutReentrancy,
    async run(pair) {
      assert.equal(await pair.ask('round-a', 'increment', 10), 10)
      assert.equal(await pair.ask('round-a', 'roundTrip', 'round-b'), 11)
      assert.equal(await pair.ask('round-a', 'get'), 11)
    },
  },
  {
    name: 'metadata',
    run: async pair => assert.ok(await pair.activeActors() > 0, 'the metadata shows no active actors'),
  },
  {
    name: 'moves',
    run: actorsMove,
  },
  {
    // The application is another process afterwards, which knows nothing of the actors before.
    name: 'restart',
    async run(pair) {
      assert.equal(await pair.ask('restart', 'increment', 40), 40)
      await pair.restart()
      assert.equal(await until('answer after the restart', async () => await pair.ask('restart', 'get'), () => true, EVENT_MS), 40)
      assert.equal(await pair.ask('restart', 'increment', 2), 42)
    },
  },
  {
    // The last. Its actors are deactivated meanwhile, which must not hurt the application.
    name: 'stop',
    async run(pair) {
      const exit = await pair.sidecar.stop('SIGTERM', EVENT_MS)
      assert.equal(exit.code, 0, `the sidecar ended with code ${exit.code ?? exit.signal}`)
      assert.ok(pair.application.running, 'the application ended when its sidecar was stopped')
    },
  },
]
