import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { expect, it, onTestFinished } from 'vitest'
import { Actor, createHost, type Host } from '../../index.ts'
import { lmdbFolder } from '../unit/activation/running-host.ts'
import { heapInUse } from './fuzz-mutations.ts'
import { fuzzPeer, livesAfter } from './fuzz-peer.ts'

setFlagsFromString('--expose_gc')
globalThis.gc = runInNewContext('gc') as NodeJS.GCFunction

const SEED = Number(process.env.TROUPE_FUZZ_SEED ?? Date.now() % 1_000_000)
const FRAMES = Number(process.env.TROUPE_FUZZ_FRAMES ?? 10_000)

class Echo extends Actor {
  gold = 1
  get(...args: unknown[]) {
    return args
  }
}

async function member(): Promise<Host> {
  const host = await createHost({ actors: [Echo], store: lmdbFolder(), hostId: 'victim' })
  onTestFinished(() => host.stop())
  return host
}

it('a call that no sound host makes ends the link; a sound one does not', async () => {
  const host = await member()
  const target = { hostId: 'victim', address: host.addresses.peer!, type: 'Echo' }
  const call = [1, 1, 'Echo', 'a', 'get', [1], 5000, null, 0]
  expect(await livesAfter(target, call)).toBe(true)
  for (const [at, value] of [[6, NaN], [6, 2 ** 60], [3, 'a/b'], [3, { length: 2 ** 40 }], [7, ['A']], [9, ['Echo/x', NaN, null]], [1, 'one']] as const) {
    expect(await livesAfter(target, Object.assign([...call, ...(at === 9 ? [null] : [])], { [at]: value })), `${at}: ${String(value)}`).toBe(false)
  }
})

it(`${FRAMES} mutated frames and hellos leave a host up and its memory flat (seed ${SEED})`, async () => {
  const host = await member()
  const target = { hostId: 'victim', address: host.addresses.peer!, type: 'Echo' }
  const [warm, rest] = [Math.ceil(FRAMES / 5), Math.floor(FRAMES * 4 / 5)]
  await fuzzPeer(target, { seed: SEED, frames: warm, hellos: Math.ceil(warm / 10) })
  const before = await heapInUse()
  const started = performance.now()
  const result = await fuzzPeer(target, { seed: SEED + 1, frames: rest, hellos: Math.ceil(rest / 10) })
  const seconds = (performance.now() - started) / 1000
  const grown = (await heapInUse()) - before
  console.log(`seed ${SEED}: ${result.frames} frames in ${seconds.toFixed(1)} s, ${result.closed} closed the link, ${result.answered} did not; memory ${(before / 1e6).toFixed(1)} MB, then ${(grown / 1e6).toFixed(1)} MB more`)
  expect(result.closed + result.answered).toBe(result.frames)
  expect(result.closed).toBeGreaterThan(result.frames / 10)
  expect(grown, `memory grew by ${grown} bytes`).toBeLessThan(24e6)
  expect(await host.actor(Echo, 'after').get('still', 'here')).toEqual(['still', 'here'])
}, 30_000 + FRAMES * 3)
