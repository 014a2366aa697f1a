/**
 * A commit whose outcome is unknown may still land. Whoever reads afterwards must see what it left, or be refused: a read
 * that says "not stored" and a write that lands later would make a careful caller's repeat run twice.
 */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { Actor, createHost, type MethodOptions } from 'troupe'
import { SystemClock } from '../../core/clock.ts'
import { MemoryActorStore } from '../../stores/memory/actor-store.ts'
import { MemoryClusterStore } from '../../stores/memory/cluster-store.ts'
import type { ActorWrite, CommitResult } from '../../stores/actor-store.ts'
import { endProcess, startProcess } from '../servers/processes.ts'

class Tally extends Actor {
  value = 0
  add() {
    return ++this.value
  }
  get() {
    return this.value
  }
  static readonly methods = { get: { readonly: true } } satisfies MethodOptions<Tally>
}

test('on LMDB, while a frozen process holds the write lock', async () => {
  const directory = mkdtempSync(join(tmpdir(), 'troupe-late-'))
  onTestFinished(() => rmSync(directory, { recursive: true, force: true }))
  const host = await createHost({ actors: [Tally], store: `lmdb:${directory}`, commitTimeout: 200 })
  onTestFinished(() => host.stop())
  const tally = host.actor(Tally, 'a')
  expect(await tally.add()).toBe(1)

  const writer = new URL('../servers/lmdb-writer.ts', import.meta.url).pathname
  const holder = await startProcess(process.execPath, [writer, 'hold', directory], /holding/)
  onTestFinished(() => endProcess(holder))
  await expect(tally.add()).rejects.toMatchObject({ code: 'COMMIT_UNKNOWN', executed: 'unknown' })
  const meanwhile = tally.with({ timeout: '20s' }).get().catch((error: unknown) => error)
  const early = await Promise.race([meanwhile, new Promise(resolve => setTimeout(resolve, 300, 'waits'))])
  await endProcess(holder)
  const seen = await meanwhile
  const last = await tally.get()
  // The late write has landed or never will; a value that was answered before is the value now.
  if (typeof seen === 'number') expect(seen).toBe(last)
  else expect(seen).toMatchObject({ code: 'STORE_UNAVAILABLE', executed: 'no' })
  expect(early).not.toBe(1)
  expect(await tally.add()).toBe(last + 1)
})

/** Keeps the next commit on its way: the caller is told 'unknown', `land` sends it to the store. */
class LateStore extends MemoryActorStore {
  land: (() => Promise<readonly CommitResult[]>) | undefined
  late = false
  override async commit(writes: readonly ActorWrite[]): Promise<readonly CommitResult[]> {
    if (!this.late) return super.commit(writes)
    this.late = false
    this.land = () => super.commit(writes)
    return writes.map(() => 'unknown')
  }
}

test('a write that lands after the next activation has loaded is refused by the store', async () => {
  const actors = new LateStore()
  const host = await createHost({ actors: [Tally], store: { actors, cluster: new MemoryClusterStore(new SystemClock()) }, shardBits: 0 })
  onTestFinished(() => host.stop())
  const tally = host.actor(Tally, 'a')
  expect(await tally.add()).toBe(1)
  // Another actor of the same shard, alive all the time, is not disturbed by the doubt.
  expect(await host.actor(Tally, 'b').add()).toBe(1)

  actors.late = true
  await expect(tally.add()).rejects.toMatchObject({ code: 'COMMIT_UNKNOWN' })
  expect(await tally.get()).toBe(1)
  expect(await actors.land!()).toEqual(['fenced'])
  expect(await host.actor(Tally, 'b').add()).toBe(2)
  expect(await tally.add()).toBe(2)
  expect(await tally.get()).toBe(2)

  // Again and again: each doubt has its own, higher claim.
  for (let i = 0; i < 3; i++) {
    actors.late = true
    await expect(tally.add()).rejects.toMatchObject({ code: 'COMMIT_UNKNOWN' })
    expect(await tally.add()).toBe(3 + i)
    expect(await actors.land!()).toEqual(['fenced'])
  }
})
