// P2 against a model: random changes, throws, storage keys and restarts on LMDB; what was acknowledged is there, what threw is not.
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { Actor, createHost, type ActorOptions } from 'troupe'

type Change =
  | { kind: 'set'; field: string; value: unknown }
  | { kind: 'remove'; field: string }
  | { kind: 'push'; value: unknown }
  | { kind: 'map'; key: string; value: unknown }
  | { kind: 'grow'; size: number }
  | { kind: 'key'; key: string; value: unknown }
  | { kind: 'nested'; changes: Change[]; fails: boolean }

class Box extends Actor {
  list: unknown[] = []
  map = new Map<string, unknown>()
  large = ''

  async apply(changes: Change[], fails: boolean) {
    for (const change of changes) await this.#change(change)
    if (fails) throw new Error('on purpose')
  }
  async #change(change: Change): Promise<void> {
    const self = this as unknown as Record<string, unknown>
    switch (change.kind) {
      case 'set': self[change.field] = change.value; break
      case 'remove': delete self[change.field]; break
      case 'push': this.list.push(change.value); break
      case 'map': this.map.set(change.key, change.value); break
      case 'grow': this.large = 'x'.repeat(change.size); break
      case 'key':
        if (change.value === undefined) await this.ctx.storage.delete(change.key)
        else await this.ctx.storage.put(change.key, change.value)
        break
      case 'nested': await this.ctx.actor(Box, this.ctx.id).apply(change.changes, change.fails).catch(() => undefined)
    }
  }
  async read() {
    return { fields: { ...this } as Record<string, unknown>, keys: await this.ctx.storage.list() }
  }
  static readonly options: ActorOptions = { reentrancy: 'call-chain' }
}

interface State {
  fields: Record<string, unknown>
  keys: Map<string, unknown>
}

/** What the promises say: a failing turn goes back to its start, or to the end of the last nested turn that committed inside it. */
function applyTo(state: State, changes: readonly Change[], fails: boolean): State {
  let committed = structuredClone(state)
  const now = structuredClone(state)
  for (const change of changes) {
    const { fields, keys } = now
    if (change.kind === 'set') fields[change.field] = structuredClone(change.value)
    else if (change.kind === 'remove') delete fields[change.field]
    else if (change.kind === 'push') (fields.list as unknown[]).push(structuredClone(change.value))
    else if (change.kind === 'map') (fields.map as Map<string, unknown>).set(change.key, structuredClone(change.value))
    else if (change.kind === 'grow') fields.large = 'x'.repeat(change.size)
    else if (change.kind === 'key') change.value === undefined ? keys.delete(change.key) : keys.set(change.key, structuredClone(change.value))
    else {
      const after = applyTo(now, change.changes, change.fails)
      Object.assign(now, after)
      if (!change.fails) committed = structuredClone(now)
    }
  }
  return fails ? committed : now
}

const value = fc.oneof(fc.integer(), fc.string(), fc.bigInt(), fc.boolean(), fc.constant(null), fc.date({ noInvalidDate: true }), fc.uint8Array({ maxLength: 2000 }).map(bytes => new Uint8Array(bytes)), fc.array(fc.string(), { maxLength: 5 }))
const simple: fc.Arbitrary<Change> = fc.oneof(
  fc.record({ kind: fc.constant('set' as const), field: fc.constantFrom('a', 'b', 'c'), value }),
  fc.record({ kind: fc.constant('remove' as const), field: fc.constantFrom('a', 'b', 'c') }),
  fc.record({ kind: fc.constant('push' as const), value }),
  fc.record({ kind: fc.constant('map' as const), key: fc.constantFrom('x', 'y'), value }),
  fc.record({ kind: fc.constant('grow' as const), size: fc.integer({ min: 0, max: 5000 }) }),
  fc.record({ kind: fc.constant('key' as const), key: fc.constantFrom('k1', 'k2', 'k3'), value: fc.option(value, { nil: undefined }) }),
)
const nested: fc.Arbitrary<Change> = fc.record({ kind: fc.constant('nested' as const), changes: fc.array(simple, { maxLength: 3 }), fails: fc.boolean() })
const step = fc.oneof(
  { weight: 8, arbitrary: fc.record({ kind: fc.constant('turn' as const), id: fc.constantFrom('one', 'two'), changes: fc.array(fc.oneof({ weight: 5, arbitrary: simple }, { weight: 1, arbitrary: nested }), { maxLength: 5 }), fails: fc.boolean() }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('restart' as const) }) },
)

describe('turns on LMDB', () => {
  it('leave what a model says, across throws and restarts', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'troupe-turns-'))
    let run = 0
    try {
      await fc.assert(fc.asyncProperty(fc.array(step, { maxLength: 15 }), async steps => {
        const store = `lmdb:${join(folder, String(++run))}`
        let host = await createHost({ actors: [Box], store })
        try {
          const model = new Map<string, State>(['one', 'two'].map(id => [id, { fields: { list: [], map: new Map(), large: '' }, keys: new Map() }]))
          for (const s of [...steps, { kind: 'restart' as const }]) {
            if (s.kind === 'restart') {
              await host.stop()
              host = await createHost({ actors: [Box], store })
            } else {
              const failed = await host.actor(Box, s.id).apply(s.changes, s.fails).then(() => false, () => true)
              expect(failed).toBe(s.fails)
              model.set(s.id, applyTo(model.get(s.id)!, s.changes, s.fails))
            }
            for (const [id, expected] of model) {
              const { fields, keys } = await host.actor(Box, id).read()
              expect({ fields, keys: new Map([...keys].sort()) }).toEqual({ fields: expected.fields, keys: new Map([...expected.keys].sort()) })
            }
          }
        } finally {
          await host.stop()
        }
      }), { numRuns: 15, endOnFailure: true })
    } finally {
      rmSync(folder, { recursive: true, force: true })
    }
  }, 60_000)
})
