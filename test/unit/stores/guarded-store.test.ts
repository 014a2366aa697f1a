/** A store that is away costs each caller nothing but an error that says so. */
import { beforeEach, expect, test } from 'vitest'
import { ManualClock } from '../../../core/clock.ts'
import { TroupeError } from '../../../core/errors.ts'
import type { Logger } from '../../../core/logger.ts'
import type { ActorWrite, CommitResult, EntryRead, EntryValues, Regress, StoredActor } from '../../../stores/actor-store.ts'
import { GuardedStore } from '../../../stores/guarded-store.ts'
import { MemoryActorStore } from '../../../stores/memory/actor-store.ts'

const away = (): TroupeError => new TroupeError('STORE_UNAVAILABLE', 'no answer within 5000 ms')
const claim = { type: 'T', shard: 1, epoch: 1, nonce: 'n' }
const actor = { ...claim, id: 'a' }
const write: ActorWrite = { ...actor, previous: 0, head: Buffer.from('h') }

class FrailStore extends MemoryActorStore {
  override readonly readsAtOnce = false as unknown as true
  inParts = false
  reads = true
  writes: CommitResult | 'ok' = 'ok'
  asked = 0
  error: () => Error = away
  override async load(...args: Parameters<MemoryActorStore['load']>): Promise<readonly (StoredActor | undefined)[]> {
    this.asked++
    if (!this.reads) throw this.error()
    return await super.load(...args)
  }
  override loadEntries(reads: readonly EntryRead[]): readonly Promise<EntryValues>[] {
    this.asked++
    return this.reads ? super.loadEntries(reads) : reads.map(() => Promise.reject(this.error()))
  }
  override async claim(...args: Parameters<MemoryActorStore['claim']>): ReturnType<MemoryActorStore['claim']> {
    this.asked++
    if (this.writes !== 'ok') throw this.error()
    return await super.claim(...args)
  }
  override async commit(writes: readonly ActorWrite[]): Promise<readonly CommitResult[]> {
    this.asked++
    return this.writes === 'ok' ? await super.commit(writes) : writes.map(() => this.writes)
  }
  readonly listeners = new Set<(regress: Regress) => void>()
  onRegress(listener: (regress: Regress) => void): () => void {
    this.listeners.add(listener)
    return () => { this.listeners.delete(listener) }
  }
}

let store: FrailStore
let clock: ManualClock
let guarded: GuardedStore
let logged: string[]
const log = { warn: (_: object, text: string) => logged.push(text), info: (_: object, text: string) => logged.push(text) } as unknown as Logger
beforeEach(() => {
  store = new FrailStore()
  clock = new ManualClock()
  logged = []
  guarded = new GuardedStore(store, clock, { log })
})
const failure = (promise: Promise<unknown>): Promise<TroupeError> => promise.then(() => { throw new Error('it succeeded') }, (error: TroupeError) => error)

test('reads that get no answer are refused at once after some, with the time to wait, and go on with the first answer', async () => {
  store.reads = false
  for (let i = 0; i < 3; i++) expect(await failure(guarded.load([actor]))).toMatchObject({ message: 'no answer within 5000 ms' })
  expect(await failure(guarded.load([actor]))).toMatchObject({
    code: 'STORE_UNAVAILABLE', executed: 'no', retryable: true, retryAfterMs: 250, message: expect.stringMatching(/memory:.*reads have had no answer.*repeat in 250 ms/),
  })
  const [entries, page] = [guarded.loadEntries([{ actor, names: ['x'] }, { actor, names: ['y'] }]), guarded.list('T', undefined, 1)]
  for (const refused of [...entries, page, guarded.listEntries(actor, '', undefined, 1), guarded.due([])]) expect(await failure(refused as Promise<unknown>)).toMatchObject({ retryAfterMs: 250 })
  expect([store.asked, guarded.health.readsAwayMs, guarded.health.outages]).toEqual([3, 0, 1])
  // Writes are another matter.
  expect(await guarded.claim([claim])).toEqual([{ outcome: 'ok' }])
  expect(await guarded.commit([write])).toEqual(['ok'])

  await clock.advance(250)
  store.reads = true
  expect(guarded.health.readsAwayMs).toBe(250)
  expect(await guarded.load([actor])).toMatchObject([{ version: 1 }])
  expect(await guarded.loadEntries([{ actor, names: ['x'] }])[0]).toEqual([undefined])
  expect([guarded.health.readsAwayMs, guarded.health.outages]).toEqual([0, 1])
  expect(logged).toEqual([expect.stringMatching(/fail at once/), expect.stringMatching(/answers again/)])
})

test.each(['unknown', 'unavailable'] as const)('commits that end %s are refused after some, and a refused one is never unknown', async result => {
  await guarded.claim([claim])
  store.writes = result
  for (let i = 0; i < 3; i++) expect(await guarded.commit([write])).toEqual([result])
  const { asked } = store
  expect(await guarded.commit([write, { ...write, id: 'b' }])).toEqual(['unavailable', 'unavailable'])
  expect(await failure(guarded.claim([claim]))).toMatchObject({ code: 'STORE_UNAVAILABLE', executed: 'no', retryAfterMs: 250 })
  expect(store.asked).toBe(asked)
  expect(await guarded.load([actor])).toEqual([undefined])
  store.writes = 'ok'
  await clock.advance(250)
  expect(await guarded.commit([write])).toEqual(['ok'])
  expect(await guarded.claim([claim])).toEqual([{ outcome: 'ok' }])
})

test('one write that is answered is an answer, and so is an error that repeating does not cure', async () => {
  store.error = () => new TroupeError('STORE_UNAVAILABLE', 'no such text', { retryable: false })
  store.reads = false
  for (let i = 0; i < 6; i++) expect(await failure(guarded.load([actor]))).toMatchObject({ message: 'no such text' })
  for (let i = 0; i < 6; i++) expect(await guarded.commit([{ ...write, epoch: 9 }])).toEqual(['fenced'])
  expect(await guarded.commit([])).toEqual([])
  expect(guarded.health.outages).toBe(0)
})

test('of entries that other servers keep, one answer is enough', async () => {
  const answers: Promise<EntryValues>[] = []
  store.loadEntries = reads => reads.map((_, i) => i === 0 ? Promise.resolve([undefined]) : Promise.reject(away()))
  for (let i = 0; i < 5; i++) answers.push(...guarded.loadEntries([{ actor, names: ['x'] }, { actor, names: ['y'] }]))
  await Promise.allSettled(answers)
  expect(guarded.health.outages).toBe(0)
})

test('a store in parts is passed through: what is away must not cost the rest', async () => {
  store.inParts = true
  guarded = new GuardedStore(store, clock, { log })
  store.reads = false
  store.writes = 'unknown'
  for (let i = 0; i < 9; i++) {
    expect(await failure(guarded.load([actor]))).toMatchObject({ message: 'no answer within 5000 ms' })
    expect(await guarded.commit([write])).toEqual(['unknown'])
  }
  expect([store.asked, logged, guarded.health.outages]).toEqual([18, [], 0])
})

test('what the store has lost is counted, and told to whoever asks', async () => {
  const heard: Regress[] = []
  const off = guarded.onRegress(regress => heard.push(regress))
  expect(guarded.health).toMatchObject({ regresses: 0, lostWrites: 0, lastRegress: undefined })
  const regress = { shards: [claim], lostWrites: 3, reason: 'another server' }
  for (const listener of store.listeners) listener(regress)
  expect(heard).toEqual([regress])
  off()
  for (const listener of store.listeners) listener({ ...regress, reason: 'and another' })
  expect(heard).toHaveLength(1)
  expect(guarded.health).toMatchObject({ regresses: 2, lostWrites: 6, lastRegress: 'and another' })
})
