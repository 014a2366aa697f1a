/**
 * What every ActorStore must do. An adapter brings a way to make a fresh place (a directory, a server) and any
 * number of stores on it; `memory:` has one store a place.
 */
import { afterEach, describe, expect, test } from 'vitest'
import type { ActorAddress, ActorStore, ActorWrite, Claim, EntryValues } from '../../stores/actor-store.ts'

export interface Place {
  /** A new, opened store on this place. */
  store(): Promise<ActorStore>
  remove(): Promise<void>
}

export const text = (bytes: Uint8Array | undefined): string | undefined => bytes && Buffer.from(bytes).toString()
export const claimOf = (epoch: number, nonce = `host-${epoch}`, type = 'T', shard = 1): Claim => ({ type, shard, epoch, nonce })
export const write = (claim: Claim, id: string, previous: number, head = `v${previous + 1}`, entries?: ActorWrite['entries']): ActorWrite =>
  ({ ...claim, id, previous, head: Buffer.from(head), ...entries && { entries } })
export const at = (id: string, type = 'T', shard = 1): ActorAddress => ({ type, shard, id })

/** Entries of one actor. */
export const entriesOf = (store: ActorStore, actor: ActorAddress, names: readonly string[], dated?: boolean): Promise<EntryValues> =>
  store.loadEntries([{ actor, names, dated }])[0]!

/** Opens stores on a place of the present test; all are closed and the place is removed after it. */
export function storesOn(makePlace: () => Promise<Place>): () => Promise<ActorStore> {
  let place: Place | undefined
  const stores: ActorStore[] = []
  afterEach(async () => {
    for (const store of stores.splice(0)) await store.close()
    await place?.remove()
    place = undefined
  })
  return async () => {
    place ??= await makePlace()
    const store = await place.store()
    stores.push(store)
    return store
  }
}

export function actorStoreSuite(name: string, makePlace: () => Promise<Place>): void {
  describe(`ActorStore on ${name}`, () => {
    const open = storesOn(makePlace)

    test('an actor that is not stored loads as undefined', async () => {
      const store = await open()
      expect(await store.load([at('a'), at('b')])).toEqual([undefined, undefined])
      expect(await entriesOf(store, at('a'), ['x'])).toEqual([undefined])
      expect(await store.listEntries(at('a'), '', undefined, 10)).toEqual({ entries: [], more: false })
      expect(await store.list('T', undefined, 10)).toEqual({ ids: [], cursor: undefined })
    })

    test('nothing to do is done', async () => {
      const store = await open()
      expect(await store.load([])).toEqual([])
      expect(await store.claim([])).toEqual([])
      expect(await store.commit([])).toEqual([])
      expect(await entriesOf(store, at('a'), [])).toEqual([])
    })

    test('a commit is loaded with its version, and replaced by the next', async () => {
      const store = await open()
      const claim = claimOf(1)
      expect(await store.claim([claim])).toEqual([{ outcome: 'ok' }])
      expect(await store.commit([write(claim, 'a', 0), write(claim, 'b', 0)])).toEqual(['ok', 'ok'])
      expect(await store.commit([write(claim, 'a', 1)])).toEqual(['ok'])
      const [a, b, none] = await store.load([at('a'), at('b'), at('c')])
      expect([a?.version, text(a?.head), b?.version, text(b?.head), none]).toEqual([2, 'v2', 1, 'v1', undefined])
    })

    test('without a claim nothing is written', async () => {
      const store = await open()
      expect(await store.commit([write(claimOf(1), 'a', 0)])).toEqual(['fenced'])
      expect(await store.load([at('a')])).toEqual([undefined])
    })

    test('claims rise, repeat and never fall', async () => {
      const store = await open()
      expect(await store.claim([claimOf(5, 'n5')])).toEqual([{ outcome: 'ok' }])
      expect(await store.claim([claimOf(5, 'n5')])).toEqual([{ outcome: 'ok' }])
      expect(await store.claim([claimOf(5, 'other')])).toEqual([{ outcome: 'refused', epoch: 5, nonce: 'n5' }])
      expect(await store.claim([claimOf(4, 'n5')])).toEqual([{ outcome: 'refused', epoch: 5, nonce: 'n5' }])
      expect(await store.claim([claimOf(Number.MAX_SAFE_INTEGER - 1, 'with a space')])).toEqual([{ outcome: 'ok' }])
      expect(await store.claim([claimOf(6, 'n6')])).toEqual([
        { outcome: 'refused', epoch: Number.MAX_SAFE_INTEGER - 1, nonce: 'with a space' },
      ])
    })

    test('claims of many shards have a result each, in order', async () => {
      const store = await open()
      const all = Array.from({ length: 700 }, (_, shard) => claimOf(2, 'me', 'T', shard))
      await store.claim([claimOf(3, 'other', 'T', 7), claimOf(3, 'other', 'T', 650)])
      const results = await store.claim(all)
      expect(results.flatMap(({ outcome }, shard) => outcome === 'refused' ? [shard] : [])).toEqual([7, 650])
    })

    test('the fence refuses an older epoch, a newer epoch, and another nonce at the same epoch', async () => {
      const store = await open()
      const old = claimOf(1)
      const claim = claimOf(2)
      await store.claim([old])
      expect(await store.commit([write(old, 'a', 0)])).toEqual(['ok'])
      await store.claim([claim])
      expect(await store.commit([write(old, 'a', 1), write(claimOf(3), 'b', 0), write(claimOf(2, 'other'), 'c', 0)]))
        .toEqual(['fenced', 'fenced', 'fenced'])
      expect(await store.commit([write(claim, 'a', 1), write(old, 'b', 0)])).toEqual(['ok', 'fenced'])
      expect((await store.load([at('a'), at('b'), at('c')])).map(found => found?.version)).toEqual([2, undefined, undefined])
    })

    test('a shard is fenced by itself, and so is a type', async () => {
      const store = await open()
      const here = claimOf(1)
      await store.claim([here, claimOf(2, 'x', 'T', 2), claimOf(2, 'x', 'U', 1)])
      expect(await store.commit([write(here, 'a', 0), write({ ...here, shard: 2 }, 'a', 0), write({ ...here, type: 'U' }, 'a', 0)]))
        .toEqual(['ok', 'fenced', 'fenced'])
    })

    test('another version is a conflict, the same write again a duplicate, and both leave all as it was', async () => {
      const store = await open()
      const claim = claimOf(1)
      await store.claim([claim])
      await store.commit([write(claim, 'a', 0, 'first', [['x', Buffer.from('1')]])])
      expect(await store.commit([write(claim, 'a', 0, 'again', [['x', Buffer.from('2')]])])).toEqual(['duplicate'])
      expect(await store.commit([write(claim, 'a', 5), write(claim, 'b', 1)])).toEqual(['conflict', 'conflict'])
      await store.commit([write(claim, 'a', 1, 'second')])
      expect(await store.commit([write(claim, 'a', 0)])).toEqual(['conflict'])
      const next = claimOf(2)
      await store.claim([next])
      expect(await store.commit([write(next, 'a', 1)])).toEqual(['conflict'])
      expect(text((await store.load([at('a')]))[0]?.head)).toBe('second')
      expect(text((await entriesOf(store, at('a'), ['x']))[0])).toBe('1')
    })

    test('head and entries are written together or not at all', async () => {
      const store = await open()
      const claim = claimOf(1)
      await store.claim([claim])
      const entries = (value: string): ActorWrite['entries'] => [['x', Buffer.from(value)], ['y', Buffer.from(value)], ['gone', null]]
      expect(await store.commit([write(claim, 'a', 0, 'one', entries('1'))])).toEqual(['ok'])
      expect(await store.commit([write(claimOf(9), 'a', 1, 'two', entries('2')), write(claim, 'b', 3, 'two', entries('2'))]))
        .toEqual(['fenced', 'conflict'])
      expect((await entriesOf(store, at('a'), ['y', 'gone', 'x'])).map(text)).toEqual(['1', undefined, '1'])
      expect(await entriesOf(store, at('b'), ['x'])).toEqual([undefined])
      expect(await store.commit([write(claim, 'a', 1, 'two', [['x', null], ['y', Buffer.from('2')]])])).toEqual(['ok'])
      expect((await entriesOf(store, at('a'), ['x', 'y'])).map(text)).toEqual([undefined, '2'])
      expect((await store.listEntries(at('a'), '', undefined, 10)).entries.map(([entry]) => entry)).toEqual(['y'])
    })

    test('addresses that look alike stay apart', async () => {
      const store = await open()
      const nfc = 'é'.normalize('NFC')
      const nfd = 'é'.normalize('NFD')
      const types = ['A', 'A||B', '{x}', '}{', 'A:1', '__proto__', 'A%3A1', nfc, nfd, '🎭', 'T'.repeat(256)]
      const ids = ['c', 'B||c', 'c||d', '{x}', '__proto__', 'constructor', ':1', '🎭', nfc, nfd, ' ', 'i'.repeat(1024), '€'.repeat(341)]
      const actors = types.flatMap(type => ids.map((id, i) => ({ type, shard: i % 2 === 0 ? 1 : 11, id })))
      await store.claim(types.flatMap(type => [claimOf(1, 'n', type, 1), claimOf(1, 'n', type, 11)]))
      const results = await store.commit(actors.map((actor, index) => ({
        ...actor, epoch: 1, nonce: 'n', previous: 0, head: Buffer.from(`h${index}`), entries: [['e', Buffer.from(`e${index}`)]] as const,
      })))
      expect(results.every(result => result === 'ok')).toBe(true)
      const loaded = await store.load(actors)
      expect(loaded.map(found => text(found?.head))).toEqual(actors.map((_, index) => `h${index}`))
      for (const index of [0, 30, 77, actors.length - 1]) {
        expect(text((await entriesOf(store, actors[index]!, ['e']))[0])).toBe(`e${index}`)
      }
      expect(new Set((await store.list('A', undefined, 1_000)).ids)).toEqual(new Set(ids))
      expect((await store.list(nfd, undefined, 1_000)).ids).toHaveLength(ids.length)
    })

    test('entries of actors that look alike stay apart', async () => {
      const store = await open()
      const claim = claimOf(1)
      await store.claim([claim])
      await store.commit([
        write(claim, 'a', 0, 'h', [['bc', Buffer.from('1')]]), write(claim, 'ab', 0, 'h', [['c', Buffer.from('2')]]),
        write(claim, 'abc', 0, 'h', [['', Buffer.from('3')]]),
      ])
      const names = await Promise.all(['a', 'ab', 'abc'].map(async id => (await store.listEntries(at(id), '', undefined, 10)).entries))
      expect(names.map(entries => entries.map(([entry, value]) => [entry, text(value)]))).toEqual([[['bc', '1']], [['c', '2']], [['', '3']]])
    })

    test('entries are listed by prefix, in order of UTF-8, in pages', async () => {
      const store = await open()
      const claim = claimOf(1)
      await store.claim([claim])
      const inOrder = ['a', 'b', 'b/1', 'b/10', 'b/2', 'b/\uffff', 'b/😀', 'c', '\uffff', '😀', 'n'.repeat(512)].sort((x, y) => Buffer.compare(Buffer.from(x), Buffer.from(y)))
      await store.commit([write(claim, 'a', 0, 'h', inOrder.toReversed().map(entry => [entry, Buffer.from(entry)] as const))])
      const seen: string[] = []
      for (let after: string | undefined, more = true; more;) {
        const page = await store.listEntries(at('a'), '', after, 3)
        expect(page.entries.length).toBeLessThanOrEqual(3)
        for (const [entry, value] of page.entries) expect(text(value)).toBe(entry)
        seen.push(...page.entries.map(([entry]) => entry))
        after = seen.at(-1)
        more = page.more
      }
      expect(seen).toEqual(inOrder)
      const names = async (prefix: string, after?: string): Promise<string[]> =>
        (await store.listEntries(at('a'), prefix, after, 100)).entries.map(([entry]) => entry)
      expect(await names('b/')).toEqual(['b/1', 'b/10', 'b/2', 'b/\uffff', 'b/😀'])
      expect(await names('b/', 'a')).toHaveLength(5)
      expect(await names('b/', 'b/10')).toEqual(['b/2', 'b/\uffff', 'b/😀'])
      expect(await names('b/', 'c')).toEqual([])
      expect(await names('zz')).toEqual([])
      expect(await store.listEntries(at('a'), 'b/', undefined, 5)).toMatchObject({ more: false })
    })

    test('actors of a type are listed in pages, each once', async () => {
      const store = await open()
      const claims = Array.from({ length: 7 }, (_, shard) => claimOf(1, 'n', 'T', shard))
      await store.claim([...claims, claimOf(1, 'n', 'TT', 3)])
      const ids = Array.from({ length: 53 }, (_, index) => `id-${index}`)
      await store.commit(ids.map((id, index) => write(claims[index % 7]!, id, 0)))
      await store.commit([write(claimOf(1, 'n', 'TT', 3), 'other type', 0)])
      for (const limit of [1, 10, 53, 1_000]) {
        const seen: string[] = []
        let cursor: string | undefined
        do {
          const page = await store.list('T', cursor, limit)
          expect(page.ids.length).toBeLessThanOrEqual(limit)
          seen.push(...page.ids)
          cursor = page.cursor
        } while (cursor !== undefined)
        expect(seen.toSorted()).toEqual(ids.toSorted())
      }
    })

    test('empty and large values come back as they were', async () => {
      const store = await open()
      const claim = claimOf(1)
      await store.claim([claim])
      const large = Buffer.alloc(4 * 1024 * 1024, 'troupe')
      expect(await store.commit([
        { ...write(claim, 'large', 0), head: large, entries: [['large', large], ['empty', Buffer.alloc(0)]] },
        { ...write(claim, 'empty', 0), head: new Uint8Array(0) },
        { ...write(claim, 'view', 0), head: new Uint8Array(large.buffer, large.byteOffset + 1, 5) },
      ])).toEqual(['ok', 'ok', 'ok'])
      const [one, two, three] = await store.load([at('large'), at('empty'), at('view')])
      expect([large.equals(Buffer.from(one!.head)), two!.head.length, text(three!.head)]).toEqual([true, 0, 'roupe'])
      const [entry, empty] = await entriesOf(store, at('large'), ['large', 'empty'])
      expect([large.equals(Buffer.from(entry!)), empty!.length]).toEqual([true, 0])
      expect(await store.commit([{ ...write(claim, 'large', 1), head: large }])).toEqual(['ok'])
    })

    test('reads of one call have their own values each, whatever actors, shards and types they are of', async () => {
      const store = await open()
      const actors = ['T', 'U'].flatMap(type => ['a1', 'b1', 'a2', 'b2'].map(id => at(id, type, Number(id[1]))))
      await store.claim(actors.map(({ type, shard }) => claimOf(1, 'n', type, shard)))
      await store.commit(actors.map((actor, index) =>
        ({ ...actor, epoch: 1, nonce: 'n', previous: 0, head: Buffer.from('h'), entries: [['x', Buffer.from(`x${index}`)], ['\0,{"', Buffer.from(`y${index}`)]] as const })))
      const reads = actors.flatMap((actor, index) => [
        { read: { actor, names: ['x'] }, values: [`x${index}`] },
        { read: { actor, names: [] }, values: [] },
        { read: { actor, names: ['none', '\0,{"', 'x', 'x'] }, values: [undefined, `y${index}`, `x${index}`, `x${index}`] },
        { read: { actor: { ...actor, id: 'nobody' }, names: ['x'] }, values: [undefined] },
      ])
      const found = await Promise.all(store.loadEntries(reads.map(({ read }) => read)))
      expect(found.map(values => values.map(text))).toEqual(reads.map(({ values }) => values))
      expect(store.loadEntries([])).toEqual([])
    })

    test('one call may read many names, and much', async () => {
      const store = await open()
      const claims = Array.from({ length: 10 }, (_, shard) => claimOf(1, 'n', 'T', shard))
      await store.claim(claims)
      const entries = Array.from({ length: 60 }, (_, index) => [`e${index}`, Buffer.alloc(8 * 1024, `${index} `)] as const)
      expect(await store.commit(claims.map((claim, index) => write(claim, `a${index}`, 0, 'h', entries)))).toEqual(claims.map(() => 'ok'))
      const reads = claims.flatMap((claim, index) => [
        { actor: at(`a${index}`, 'T', claim.shard), names: Array.from({ length: 120 }, (_, entry) => `e${entry}`) },
        ...entries.map(([name]) => ({ actor: at(`a${index}`, 'T', claim.shard), names: [name] })),
      ])
      const found = await Promise.all(store.loadEntries(reads))
      for (const [index, values] of found.entries()) {
        expect(values).toHaveLength(reads[index]!.names.length)
        for (const [at, name] of reads[index]!.names.entries()) {
          const stored = entries[Number(name.slice(1))]?.[1]
          expect(stored === undefined ? values[at] === undefined : stored.equals(values[at]!)).toBe(true)
        }
      }
    })

    test('a large batch over many shards is written whole', async () => {
      const store = await open()
      const claims = Array.from({ length: 640 }, (_, shard) => claimOf(1, 'n', 'T', shard))
      await store.claim(claims)
      const writes = Array.from({ length: 3_000 }, (_, index) => write(claims[index % 640]!, `a${index}`, 0))
      expect((await store.commit(writes)).filter(result => result !== 'ok')).toEqual([])
      const loaded = await store.load(writes)
      expect(loaded.every(found => found?.version === 1)).toBe(true)
    })

    test('of many claimers at one epoch one wins, and only it can write', async () => {
      const store = await open()
      const claimers = Array.from({ length: 20 }, (_, index) => claimOf(7, `nonce-${index}`))
      const results = await Promise.all(claimers.map(async claim => (await store.claim([claim]))[0]!))
      const winners = results.flatMap((result, index) => result.outcome === 'ok' ? [index] : [])
      expect(winners).toHaveLength(1)
      const commits = await Promise.all(claimers.map(async claim => (await store.commit([write(claim, 'a', 0, claim.nonce)]))[0]))
      expect(commits.flatMap((result, index) => result === 'ok' ? [index] : [])).toEqual(winners)
      expect(commits.filter(result => result === 'fenced')).toHaveLength(19)
      expect(text((await store.load([at('a')]))[0]!.head)).toBe(claimers[winners[0]!]!.nonce)
    })

    test('commits that overlap are judged one after the other', async () => {
      const store = await open()
      const claim = claimOf(1)
      await store.claim([claim])
      const results = await Promise.all(Array.from({ length: 20 }, async (_, version) => (await store.commit([write(claim, 'a', version)]))[0]))
      expect(results).toEqual(Array(20).fill('ok'))
      expect((await store.load([at('a')]))[0]?.version).toBe(20)
    })

    test('claim and commit racing: nothing of the old owner lands after the claim', async () => {
      const store = await open()
      let version = 0
      for (let epoch = 1; epoch <= 20; epoch++) {
        const claim = claimOf(epoch)
        const next = claimOf(epoch + 1)
        await store.claim([claim])
        const [[result], [claimed]] = await Promise.all([store.commit([write(claim, 'a', version)]), store.claim([next])])
        expect(claimed).toEqual({ outcome: 'ok' })
        const [after] = await store.load([at('a')])
        if (result === 'ok') version++
        else expect(result).toBe('fenced')
        expect(after?.version ?? 0).toBe(version)
        expect(await store.commit([write(claim, 'a', version)])).toEqual(['fenced'])
      }
    })
  })
}

/** What stores that share a place must do on top. */
export function sharedActorStoreSuite(name: string, makePlace: () => Promise<Place>): void {
  describe(`two ActorStores on one ${name}`, () => {
    const open = storesOn(makePlace)

    test('what one commits the other loads, also after both were closed', async () => {
      const [one, two] = [await open(), await open()]
      const claim = claimOf(1)
      await one.claim([claim])
      await one.commit([write(claim, 'a', 0, 'kept', [['x', Buffer.from('1')]])])
      expect(text((await two.load([at('a')]))[0]?.head)).toBe('kept')
      await one.close()
      await two.close()
      const three = await open()
      expect(await three.load([at('a')])).toMatchObject([{ version: 1 }])
      expect(text((await entriesOf(three, at('a'), ['x']))[0])).toBe('1')
      expect(await three.claim([claimOf(1, 'other')])).toEqual([{ outcome: 'refused', epoch: 1, nonce: claim.nonce }])
      expect(await three.commit([write(claim, 'a', 1)])).toEqual(['ok'])
    })

    test('each read of a closed store fails, and nothing is thrown', async () => {
      const store = await open()
      await store.close()
      const reads = store.loadEntries([{ actor: at('a'), names: ['x'] }, { actor: at('b', 'U', 2), names: ['y'] }])
      for (const { reason } of await Promise.allSettled(reads) as PromiseRejectedResult[]) {
        expect(reason).toMatchObject({ code: 'STORE_UNAVAILABLE', executed: 'no' })
      }
    })

    test('the old owner is fenced from the moment of the new claim', async () => {
      const [one, two] = [await open(), await open()]
      await one.claim([claimOf(1), claimOf(1, 'host-1', 'T', 2)])
      expect(await one.commit([write(claimOf(1), 'a', 0)])).toEqual(['ok'])
      await two.claim([claimOf(2)])
      expect(await one.commit([write(claimOf(1), 'a', 1), write(claimOf(1, 'host-1', 'T', 2), 'b', 0)])).toEqual(['fenced', 'ok'])
      expect(await two.commit([write(claimOf(2), 'a', 1)])).toEqual(['ok'])
      expect(await one.claim([claimOf(3)])).toEqual([{ outcome: 'ok' }])
      expect(await two.commit([write(claimOf(2), 'a', 2)])).toEqual(['fenced'])
      expect(await one.commit([write(claimOf(3), 'a', 2)])).toEqual(['ok'])
    })

    test('two stores with one claim never both write a version', async () => {
      const all = [await open(), await open(), await open()]
      const claim = claimOf(1)
      for (const store of all) expect(await store.claim([claim])).toEqual([{ outcome: 'ok' }])
      for (let version = 0; version < 25; version++) {
        const results = await Promise.all(all.map(async (store, index) => (await store.commit([write(claim, 'a', version, `${index}`)]))[0]))
        expect(results.filter(result => result === 'ok')).toHaveLength(1)
        expect(results.filter(result => result === 'duplicate')).toHaveLength(2)
        expect((await all[0]!.load([at('a')]))[0]).toMatchObject({ version: version + 1, head: Buffer.from(`${results.indexOf('ok')}`) })
      }
    })

    test('owners that chase each other through a shard lose and repeat nothing', async () => {
      const all = [await open(), await open()]
      let epoch = 0
      let acknowledged = 0
      await Promise.all(all.map(async store => {
        for (let round = 0; round < 15; round++) {
          const claim = claimOf(++epoch)
          if ((await store.claim([claim]))[0]!.outcome !== 'ok') continue
          let version = (await store.load([at('a')]))[0]?.version ?? 0
          for (let turn = 0; turn < 5; turn++) {
            const [result] = await store.commit([write(claim, 'a', version)])
            if (result !== 'ok') {
              expect(result).toBe('fenced')
              break
            }
            version++
            acknowledged++
          }
        }
      }))
      expect((await all[0]!.load([at('a')]))[0]?.version).toBe(acknowledged)
      expect(acknowledged).toBeGreaterThan(0)
    })
  })
}
