/** The cluster's rows of one test in an LMDB folder, which other processes share; removed at the test's end. */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { onTestFinished } from 'vitest'
import type { ClusterStore } from '../../../stores/cluster-store.ts'
import { openStores } from '../../../stores/open-store.ts'
import { clock } from './cluster.ts'

export async function lmdbFolder(): Promise<{ directory: string; clusterStore: ClusterStore }> {
  const directory = await mkdtemp(join(tmpdir(), 'troupe-placement-'))
  const { cluster: clusterStore } = openStores(`lmdb:${directory}`, { clock })
  // Runs after everything that the test itself starts has ended.
  onTestFinished(async () => {
    await clusterStore.close()
    await rm(directory, { recursive: true, force: true })
  })
  await clusterStore.open()
  return { directory, clusterStore }
}
