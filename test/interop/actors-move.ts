/**
 * Actors move to a second sidecar with the same application and, when that dies, back again. SDKs keep state in the memory of the
 * application: an actor that came back to where it had been must not be found there as it was then.
 */
import assert from 'node:assert/strict'
import type { InteropCluster } from './interop-cluster.ts'
import type { Pair } from './pair.ts'
import { until } from './until.ts'

const ACTORS = 12
const MOVE_MS = 60_000

export async function actorsMove(first: Pair, cluster: InteropCluster): Promise<void> {
  const ids = Array.from({ length: ACTORS }, (_, i) => `moves-${i}`)
  let value = 0
  /** One more for each, by either client: no call fails or is lost, wherever the actor is. */
  const incrementAll = async (clients: readonly Pair[]): Promise<void> => {
    value++
    await Promise.all(ids.map(async (id, i) => assert.equal(await clients[i % clients.length]!.ask(id, 'increment', 1), value, `${id} lost or doubled an increment`)))
  }
  await incrementAll([first])
  const second = await cluster.beside(first)
  await until('actor on the second sidecar', async () => {
    await incrementAll([first, second])
    return await second.activeActors()
  }, active => active > 1, MOVE_MS)
  await incrementAll([first, second])
  await second.stop()
  for (const id of ids) {
    const found = await until(`answer of ${id}, whose sidecar has died`, async () => await first.ask(id, 'get'), () => true, MOVE_MS)
    assert.equal(found, value, `${id} came back with other state`)
  }
  await incrementAll([first])
}
