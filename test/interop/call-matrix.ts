/** Who can call whom: the client of each language calls the counter of each other one, and so does each counter from inside a turn. */
import assert from 'node:assert/strict'
import type { InteropCluster } from './interop-cluster.ts'
import { spelled } from './languages.ts'
import type { Pair } from './pair.ts'

/** A counter that is called: of a language, or the TypeScript class. */
export interface Callee {
  readonly name: string
  readonly type: string
  readonly increment: string
}

export interface Caller {
  readonly name: string
  /** For its logs, when it fails. */
  readonly pair: Pair | undefined
  increment(callee: Callee, id: string, by: number): Promise<unknown>
}

export const calleesOf = (cluster: InteropCluster): Callee[] => [
  ...cluster.pairs.map(({ language }) => ({ name: language.name, type: language.type, increment: spelled(language, 'increment') })),
  { name: 'ts', type: 'TsCounter', increment: 'increment' },
]

/** Programs that call through an SDK. */
export const clientsOf = (cluster: InteropCluster): Caller[] => [
  ...cluster.pairs.flatMap(pair => [undefined, ...pair.language.clients ?? []].map(via => ({
    name: via === undefined ? pair.language.name : `${pair.language.name} (${via})`,
    pair,
    increment: async (callee: Callee, id: string, by: number) => await pair.application.call(callee.type, id, callee.increment, [by], via),
  }))),
  { name: 'ts', pair: undefined, increment: async (callee, id, by) => await cluster.client.call(callee.type, id, callee.increment, [by]) },
]

/** Actors that call from inside a turn. */
export const actorsOf = (cluster: InteropCluster): Caller[] => [
  ...cluster.pairs.map(pair => ({
    name: pair.language.name,
    pair,
    increment: async (callee: Callee, id: string, by: number) =>
      await pair.ask('relay', 'relay', callee.type, id, callee.increment, by),
  })),
  { name: 'ts', pair: undefined, increment: async (callee, id, by) => await cluster.client.call('TsCounter', 'relay', 'relay', [callee.type, id, callee.increment, by]) },
]

/** Calls an actor of this pair's own twice: the second result shows that both took effect, in order. */
export async function meets(kind: string, caller: Caller, callee: Callee): Promise<void> {
  const id = `${kind} of ${caller.name}`.replace(/[ ()]+/g, '-')
  assert.equal(Number(await caller.increment(callee, id, 5)), 5)
  assert.equal(Number(await caller.increment(callee, id, 2)), 7)
}
