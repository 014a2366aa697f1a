/** `memory`: bytes that an idle activation holds, in a fresh process each measurement. */
import { Scope } from '../harness/scope.ts'
import type { Child } from '../harness/child.ts'
import type { FigureCase, Suite } from '../harness/suite.ts'
import type { IdleMemoryApi } from '../subjects/idle-memory.ts'

const activations = 100_000

async function inFreshProcess(measure: (child: Child<IdleMemoryApi>) => Promise<number>): Promise<number> {
  await using scope = new Scope()
  return await measure(await scope.child<IdleMemoryApi>(new URL('../subjects/idle-memory.ts', import.meta.url)))
}

const bytes = (name: string, store: 'memory' | 'lmdb', atMost?: number): FigureCase => ({
  kind: 'figure',
  name,
  unit: 'bytes',
  floor: 'a plain object in a Map',
  ...atMost !== undefined && { atMost },
  open: async () => ({
    floor: () => inFreshProcess(child => child.ask('objects', activations)),
    subject: () => inFreshProcess(child => child.ask('activations', store, activations)),
  }),
})

export const suite: Suite = {
  name: 'memory',
  title: 'one idle counter, of 100,000 active ones',
  cases: [
    bytes('activation, state in LMDB', 'lmdb', 1.2 * 1024),
    bytes('activation and its state in the memory store', 'memory'),
  ],
}
