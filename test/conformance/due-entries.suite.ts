/**
 * What every ActorStore must do about due times, and about writes that change entries alone: a second part of
 * `actorStoreSuite`, on the same places.
 */
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import {
  NEVER_DUE, type ActorStore, type ActorWrite, type Claim, type CommitResult, type DuePage, type DuePlace, type DueQuery, type EntryChange,
} from '../../stores/actor-store.ts'
import { at, claimOf, entriesOf, storesOn, text, write, type Place } from './actor-store.suite.ts'

const bytes = (value: string): Buffer => Buffer.from(value)
const everything = { until: Infinity, limit: 1_000 }
const ofShard = (shard = 1, type = 'T'): DueQuery => ({ type, shard, ...everything })

/** An entries-only write. */
const change = (claim: Claim, id: string, entries: readonly EntryChange[]): ActorWrite =>
  ({ ...claim, id, previous: 0, head: null, entries })

/** Rows as `due id name=value`, for short expectations. */
const show = ({ rows }: DuePage): string[] => rows.map(({ due, id, name, value }) => `${due} ${id} ${name}=${text(value)}`)

const utf8 = (a: string, b: string): number => Buffer.compare(bytes(a), bytes(b))
const inOrder = (a: DuePlace, b: DuePlace): number => a.due - b.due || utf8(a.id, b.id) || utf8(a.name, b.name)

/** All pages of a query, one after the other. */
async function pages(store: ActorStore, query: DueQuery): Promise<DuePage[]> {
  const found: DuePage[] = []
  for (let after: DuePlace | undefined; ;) {
    const [page] = await store.due([{ ...query, after }])
    expect(page!.rows.length).toBeLessThanOrEqual(query.limit)
    found.push(page!)
    after = page!.rows.at(-1)
    if (after === undefined || page!.next === undefined || page!.next > query.until) return found
    expect(found.length).toBeLessThan(10_000)
  }
}

export function dueEntriesSuite(name: string, makePlace: () => Promise<Place>): void {
  describe(`due entries on ${name}`, () => {
    const open = storesOn(makePlace)
    const opened = async (claim = claimOf(1)): Promise<[ActorStore, Claim]> => {
      const store = await open()
      expect(await store.claim([claim])).toEqual([{ outcome: 'ok' }])
      return [store, claim]
    }

    test('where nothing is due pages are empty, and without queries there are none', async () => {
      const [store, claim] = await opened()
      expect(await store.commit([write(claim, 'a', 0, 'h', [['x', bytes('plain')]])])).toEqual(['ok'])
      expect(await store.due([])).toEqual([])
      expect(await store.due([ofShard(), ofShard(2), ofShard(1, 'U')])).toEqual(Array(3).fill({ rows: [], next: undefined }))
    })

    test('a writer may say what its change replaces: it ends the same', async () => {
      const [store, claim] = await opened()
      expect(await store.commit([write(claim, 'a', 0, 'h', [['r:x', bytes('1'), 20, null], ['r:y', bytes('2'), 30, null]])])).toEqual(['ok'])
      expect(await store.commit([write(claim, 'a', 1, 'h', [['r:x', bytes('3'), 40, 20], ['r:y', null, null, 30]])])).toEqual(['ok'])
      expect((await pages(store, ofShard())).flatMap(show)).toEqual(['40 a r:x=3'])
      expect(await store.commit([change(claim, 'a', [['r:x', null, null, 40], ['r:never', null, null, 7]])])).toEqual(['ok'])
      expect((await pages(store, ofShard())).flatMap(show)).toEqual([])
      expect(await entriesOf(store, at('a'), ['r:x', 'r:y', 'r:never'])).toEqual([undefined, undefined, undefined])
    })

    test('rows come in order of due time, then of id, then of name, with their values', async () => {
      const [store, claim] = await opened()
      expect(await store.commit([
        write(claim, 'b', 0, 'h', [['r:x', bytes('1'), 20], ['r:', bytes('2'), 20], ['s:plain', bytes('no')]]),
        write(claim, 'a', 0, 'h', [['r:x', bytes('3'), 20], ['r:y', bytes('4'), 3]]),
        write(claim, 'ab', 0, 'h', [['r:x', bytes('5'), 20], ['o:1', bytes(''), 0]]),
        write(claim, 'c', 0, 'h', [['r:x', bytes('6'), 100]]),
      ])).toEqual(['ok', 'ok', 'ok', 'ok'])
      const [page] = await store.due([ofShard()])
      expect(show(page!)).toEqual(['0 ab o:1=', '3 a r:y=4', '20 a r:x=3', '20 ab r:x=5', '20 b r:=2', '20 b r:x=1', '100 c r:x=6'])
      expect(page!.next).toBeUndefined()
    })

    test('a due entry is an entry like any other: loaded, listed among the rest, and replaced', async () => {
      const [store, claim] = await opened()
      await store.commit([write(claim, 'a', 0, 'h', [['a', bytes('1')], ['b', bytes('2'), 7], ['c', bytes('3')], ['d', bytes('4'), 5]])])
      expect((await entriesOf(store, at('a'), ['d', 'a', 'none', 'b'])).map(text)).toEqual(['4', '1', undefined, '2'])
      const list = async (prefix: string, after: string | undefined, limit: number): Promise<[string[], boolean]> => {
        const { entries, more } = await store.listEntries(at('a'), prefix, after, limit)
        return [entries.map(([entry, value]) => `${entry}=${text(value)}`), more]
      }
      expect(await list('', undefined, 10)).toEqual([['a=1', 'b=2', 'c=3', 'd=4'], false])
      expect(await list('', undefined, 3)).toEqual([['a=1', 'b=2', 'c=3'], true])
      expect(await list('', 'b', 2)).toEqual([['c=3', 'd=4'], false])
      expect(await list('b', undefined, 1)).toEqual([['b=2'], false])
      await store.commit([write(claim, 'a', 1, 'h', [['b', bytes('new'), 7]])])
      expect(await list('', 'a', 1)).toEqual([['b=new'], true])
      expect((await store.due([ofShard()])).map(show)).toEqual([['5 a d=4', '7 a b=new']])
    })

    test('entries that always had a due time, and those that never had one, are found by who knows it too', async () => {
      const [store, claim] = await opened()
      await store.commit([write(claim, 'a', 0, 'h', [['plain', bytes('1')], ['due', bytes('2'), 7], ['gone', bytes('3'), 8]])])
      await store.commit([write(claim, 'a', 1, 'h', [['plain', bytes('4')], ['due', bytes('5'), 0], ['gone', null, null]])])
      expect((await entriesOf(store, at('a'), ['none', 'plain'], false)).map(text)).toEqual([undefined, '4'])
      expect((await entriesOf(store, at('a'), ['due', 'gone', 'none'], true)).map(text)).toEqual(['5', undefined, undefined])
    })

    test('a due time is moved, taken away and given back', async () => {
      const [store, claim] = await opened()
      const steps: [EntryChange, string[], string | undefined][] = [
        [['x', bytes('plain')], [], 'plain'],
        [['x', bytes('1'), 50], ['50 a x=1'], '1'],
        [['x', bytes('2'), 10], ['10 a x=2'], '2'],
        [['x', bytes('3'), NEVER_DUE], [`${NEVER_DUE} a x=3`], '3'],
        [['x', bytes('4'), null], [], '4'],
        [['x', bytes('5'), null], [], '5'],
        [['x', bytes('6'), 0], ['0 a x=6'], '6'],
        [['x', null, null], [], undefined],
        [['x', null, null], [], undefined],
        [['x', bytes('7'), 60], ['60 a x=7'], '7'],
      ]
      for (const [index, [entry, due, value]] of steps.entries()) {
        expect(await store.commit([write(claim, 'a', index, 'h', [entry])])).toEqual(['ok'])
        expect((await store.due([ofShard()])).map(show)).toEqual([due])
        expect((await entriesOf(store, at('a'), ['x'])).map(text)).toEqual([value])
        expect((await store.listEntries(at('a'), '', undefined, 9)).entries.map(([, listed]) => text(listed))).toEqual(value === undefined ? [] : [value])
      }
    })

    test('an entry that goes takes its due row with it, and leaves the others', async () => {
      const [store, claim] = await opened()
      await store.commit([
        write(claim, 'a', 0, 'h', [['x', bytes('1'), 5], ['y', bytes('2'), 5], ['z', bytes('3')]]), write(claim, 'b', 0, 'h', [['x', bytes('4'), 5]]),
      ])
      expect(await store.commit([write(claim, 'a', 1, 'h', [['x', null, null], ['z', null], ['never there', null, null]])])).toEqual(['ok'])
      expect((await store.due([ofShard()])).map(show)).toEqual([['5 a y=2', '5 b x=4']])
      expect((await store.listEntries(at('a'), '', undefined, 9)).entries.map(([entry]) => entry)).toEqual(['y'])
    })

    test('`until` ends a page, and `next` says what follows, whatever `until` and `limit` are', async () => {
      const [store, claim] = await opened()
      await store.commit([write(claim, 'a', 0, 'h', [10, 20, 20, 30].map((due, index) => [`r${index}`, bytes('v'), due] as const))])
      const ask = async (query: Partial<DueQuery>): Promise<[number, number | undefined]> => {
        const [page] = await store.due([{ ...ofShard(), ...query }])
        return [page!.rows.length, page!.next]
      }
      expect(await ask({ until: 9 })).toEqual([0, 10])
      expect(await ask({ until: 10 })).toEqual([1, 20])
      expect(await ask({ until: 29 })).toEqual([3, 30])
      expect(await ask({ until: 30 })).toEqual([4, undefined])
      expect(await ask({ until: NEVER_DUE, limit: 2 })).toEqual([2, 20])
      expect(await ask({ until: 20, limit: 3 })).toEqual([3, 30])
      expect(await ask({ limit: 4 })).toEqual([4, undefined])
      expect(await ask({ limit: 0 })).toEqual([0, 10])
      expect(await ask({ after: { due: 20, id: 'a', name: 'r2' }, until: 20 })).toEqual([0, 30])
      expect(await ask({ after: { due: 20, id: 'a', name: 'r2' }, until: 5 })).toEqual([0, 30])
      expect(await ask({ after: { due: 30, id: 'a', name: 'r3' } })).toEqual([0, undefined])
    })

    test('pages go on after a place among many of one due time, even when its row is gone', async () => {
      const [store, claim] = await opened()
      const ids = Array.from({ length: 40 }, (_, index) => `id-${index % 7}${'é'.repeat(index % 3)}${index}`)
      const rows = ids.flatMap(id => ['r:a', 'r:b', 'r:aa'].map(entry => ({ due: 1_000, id, name: entry })))
      await store.commit([
        ...ids.map(id => write(claim, id, 0, 'h', ['r:a', 'r:b', 'r:aa'].map(entry => [entry, bytes(id), 1_000] as const))),
        write(claim, 'zz', 0, 'h', [['r:later', bytes('l'), 1_001], ['r:earlier', bytes('e'), 999]]),
      ])
      const all = [{ due: 999, id: 'zz', name: 'r:earlier' }, ...rows.sort(inOrder), { due: 1_001, id: 'zz', name: 'r:later' }]
      for (const limit of [1, 7, 122]) {
        const found = (await pages(store, { ...ofShard(), limit })).flatMap(page => page.rows)
        expect(found.map(({ due, id, name: entry }) => ({ due, id, name: entry }))).toEqual(all)
      }
      // The row of the place goes while its page is worked on.
      const left: DuePlace[] = []
      for (let after: DuePlace | undefined; left.length <= all.length;) {
        const row: DuePlace | undefined = (await store.due([{ ...ofShard(), after, limit: 1 }]))[0]!.rows[0]
        if (row === undefined) break
        left.push({ due: row.due, id: row.id, name: row.name })
        expect(await store.commit([change(claim, row.id, [[row.name, null, null]])])).toEqual(['ok'])
        after = row
      }
      expect(left).toEqual(all)
      expect(await store.due([ofShard()])).toEqual([{ rows: [], next: undefined }])
    })

    test('due times up to NEVER_DUE are exact', async () => {
      const [store, claim] = await opened()
      const times = [0, 1, 2 ** 31, 2 ** 32 + 1, Date.UTC(2026, 1, 3), 2 ** 52 + 1, NEVER_DUE - 2, NEVER_DUE - 1, NEVER_DUE]
      await store.commit([write(claim, 'a', 0, 'h', times.toReversed().map(due => [`r${due}`, bytes('v'), due] as const))])
      expect((await store.due([ofShard()]))[0]!.rows.map(({ due }) => due)).toEqual(times)
      for (const [index, due] of times.entries()) {
        const [page, rest] = await store.due([{ ...ofShard(), until: due }, { ...ofShard(), after: { due, id: 'a', name: `r${due}` } }])
        expect([page!.rows.length, page!.next]).toEqual([index + 1, times[index + 1]])
        expect(rest!.rows.map(row => row.due)).toEqual(times.slice(index + 1))
      }
    })

    test('names and ids of any characters and length stay apart and in order', async () => {
      const long = 'T'.repeat(256)
      const [store, claim] = await opened(claimOf(1, 'n', long))
      const ids = ['a', 'aa', 'é'.normalize('NFC'), 'é'.normalize('NFD'), '\uffff', '😀', ' ', '__proto__', '%', 'i'.repeat(1024), '€'.repeat(341)]
      const names = ['', '\0', 'a\0b', 'a', 'ab', 'é'.normalize('NFC'), 'é'.normalize('NFD'), '\ue000', '\uffff', '😀', '/ \\ # ?', 'n'.repeat(512)]
      await store.commit(ids.map(id => write(claim, id, 0, 'h', names.map(entry => [entry, bytes(`${id} ${entry}`), 5] as const))))
      const all = ids.flatMap(id => names.map(entry => ({ due: 5, id, name: entry, value: bytes(`${id} ${entry}`) }))).sort(inOrder)
      const found = (await pages(store, { ...ofShard(1, long), limit: 50 })).flatMap(page => page.rows)
      expect(found.map(row => ({ ...row, value: Buffer.from(row.value) }))).toEqual(all)
      await store.commit(ids.map(id => write(claim, id, 1, 'h', names.map(entry => [entry, null, null] as const))))
      expect(await store.due([ofShard(1, long)])).toEqual([{ rows: [], next: undefined }])
    })

    test('one call asks for many shards, each with a page of its own, in order', async () => {
      const store = await open()
      const claims = Array.from({ length: 300 }, (_, shard) => claimOf(1, 'n', 'T', shard))
      await store.claim([...claims, claimOf(1, 'n', 'U', 3)])
      const busy = claims.filter(({ shard }) => shard % 3 === 0)
      const writes = busy.map(claim => write(claim, `id-${claim.shard}`, 0, 'h', [0, 1, 2, 3].map(n => [`r${n}`, bytes(`${claim.shard}`), n] as const)))
      await store.commit([...writes, write(claimOf(1, 'n', 'U', 3), 'id-3', 0, 'h', [['r', bytes('U'), 1]])])
      const queries = claims.map(({ shard }) => ({ type: 'T', shard, until: 2, limit: shard % 2 === 0 ? 3 : 2 })).reverse()
      const found = await store.due([...queries, ofShard(3, 'U'), ofShard(4, 'U'), queries[0]!])
      expect(found).toHaveLength(303)
      for (const [index, { shard, limit }] of queries.entries()) {
        const { rows, next } = found[index]!
        if (shard % 3 !== 0) expect(found[index]).toEqual({ rows: [], next: undefined })
        else expect([rows.map(row => `${row.id} ${row.name} ${text(row.value)}`), next])
          .toEqual([[0, 1, 2].slice(0, limit).map(n => `id-${shard} r${n} ${shard}`), limit])
      }
      expect(found.slice(300).map(show)).toEqual([['1 id-3 r=U'], [], []])
    })

    test('a page may hold thousands of rows', async () => {
      const [store, claim] = await opened()
      const ids = Array.from({ length: 30 }, (_, index) => `id-${index}`)
      const entries = (id: string, index: number): EntryChange[] => Array.from({ length: 100 }, (_, n) => [`r${n}`, bytes(`${id}/${n}`), 100 * n + index])
      await store.commit(ids.map((id, index) => write(claim, id, 0, 'h', entries(id, index))))
      const [page, all] = await store.due([{ ...ofShard(), limit: 2_900 }, { ...ofShard(), limit: 5_000 }])
      expect([page!.rows.length, page!.next, all!.rows.length, all!.next]).toEqual([2_900, 9_620, 3_000, undefined])
      const expected = Array.from({ length: 3_000 }, (_, row) => [Math.floor(row / 30), row % 30] as const)
      expect(show(all!)).toEqual(expected.map(([n, index]) => `${100 * n + index} id-${index} r${n}=id-${index}/${n}`))
    })

    test('a refused write leaves no due rows, and takes none away', async () => {
      const [store, claim] = await opened()
      await store.commit([write(claim, 'a', 0, 'h', [['x', bytes('1'), 5], ['y', bytes('1'), 6]])])
      const attempt = (by: Claim, previous: number): ActorWrite =>
        write(by, 'a', previous, 'h', [['x', bytes('2'), 9], ['y', null, null], ['z', bytes('2'), 1]])
      expect(await store.commit([attempt(claim, 0)])).toEqual(['duplicate'])
      expect(await store.commit([attempt(claim, 4)])).toEqual(['conflict'])
      expect(await store.commit([attempt(claimOf(2), 1)])).toEqual(['fenced'])
      expect(await store.commit([{ ...attempt(claimOf(1, 'other'), 1), head: null }])).toEqual(['fenced'])
      expect((await store.due([ofShard()])).map(show)).toEqual([['5 a x=1', '6 a y=1']])
      expect((await entriesOf(store, at('a'), ['x', 'y', 'z'])).map(text)).toEqual(['1', '1', undefined])
    })

    test('a write without a head changes entries under the fence, and no version', async () => {
      const [store, claim] = await opened()
      await store.commit([write(claim, 'a', 0, 'kept', [['o:1', bytes('send'), 0], ['s:x', bytes('1')]])])
      expect(await store.commit([{ ...change(claim, 'a', [['o:1', null, null], ['s:x', bytes('2')]]), previous: 77 }])).toEqual(['ok'])
      expect((await store.load([at('a')])).map(found => [found?.version, text(found?.head)])).toEqual([[1, 'kept']])
      expect(text((await entriesOf(store, at('a'), ['s:x']))[0])).toBe('2')
      expect(await store.due([ofShard()])).toEqual([{ rows: [], next: undefined }])
      // The same again is no duplicate: it is done again.
      expect(await store.commit([change(claim, 'a', [['o:1', null, null], ['s:x', bytes('2')]])])).toEqual(['ok'])
      expect(await store.commit([change(claim, 'a', [])])).toEqual(['ok'])
      const next = claimOf(2)
      await store.claim([next])
      expect(await store.commit([change(claim, 'a', [['s:x', bytes('late')]]), change(claim, 'a', []), change(next, 'a', [['s:y', bytes('3')]])]))
        .toEqual(['fenced', 'fenced', 'ok'])
      expect((await entriesOf(store, at('a'), ['s:x', 's:y'])).map(text)).toEqual(['2', '3'])
      expect(await store.commit([write(next, 'a', 1)])).toEqual(['ok'])
    })

    test('a write without a head for an actor that has none leaves it without one', async () => {
      const [store, claim] = await opened()
      expect(await store.commit([change(claim, 'new', [['x', bytes('1')], ['r', bytes('2'), 3]])])).toEqual(['ok'])
      expect(await store.load([at('new')])).toEqual([undefined])
      expect((await store.list('T', undefined, 10)).ids).toEqual([])
      expect((await entriesOf(store, at('new'), ['x', 'r'])).map(text)).toEqual(['1', '2'])
      expect((await store.due([ofShard()])).map(show)).toEqual([['3 new r=2']])
      expect(await store.commit([write(claim, 'new', 0, 'h', [['x', null]])])).toEqual(['ok'])
      expect((await store.load([at('new')]))[0]?.version).toBe(1)
      expect((await store.listEntries(at('new'), '', undefined, 9)).entries.map(([entry]) => entry)).toEqual(['r'])
    })

    test('writes of one actor with and without a head go in one batch', async () => {
      const [store, claim] = await opened()
      await store.commit([write(claim, 'a', 0, 'h', [['o:1', bytes('1'), 0], ['o:2', bytes('2'), 0], ['r:x', bytes('3'), 9]])])
      expect(await store.commit([
        change(claim, 'a', [['o:1', null, null]]), write(claim, 'a', 1, 'two', [['r:x', bytes('4'), 19], ['o:3', bytes('5'), 0]]),
        change(claim, 'a', [['o:2', bytes('dead'), NEVER_DUE]]), write(claim, 'b', 0), change(claim, 'b', [['o:1', bytes('6'), 0]]),
      ])).toEqual(['ok', 'ok', 'ok', 'ok', 'ok'])
      expect((await store.due([ofShard()])).map(show)).toEqual([['0 a o:3=5', '0 b o:1=6', '19 a r:x=4', `${NEVER_DUE} a o:2=dead`]])
      expect((await store.load([at('a'), at('b')])).map(found => found?.version)).toEqual([2, 1])
      // Each is judged by itself: a conflict of the one is none of the other's.
      expect(await store.commit([write(claim, 'a', 1, 'again', [['o:3', null, null]]), change(claim, 'a', [['r:x', null, null]])])).toEqual(['duplicate', 'ok'])
      expect((await store.due([ofShard()])).map(show)).toEqual([['0 a o:3=5', '0 b o:1=6', `${NEVER_DUE} a o:2=dead`]])
    })

    test('commits that overlap move a due time one after the other', async () => {
      const [store, claim] = await opened()
      const results = await Promise.all(Array.from({ length: 20 }, (_, version) => store.commit([write(claim, 'a', version, 'h', [['x', bytes(`${version}`), 100 - version]])])))
      expect(results).toEqual(Array(20).fill(['ok']))
      expect((await store.due([ofShard()])).map(show)).toEqual([['81 a x=19']])
    })

    test('any course of writes leaves what a plain map would hold', async () => {
      const store = await open()
      let runs = 0
      await fc.assert(fc.asyncProperty(fc.array(batch, { maxLength: 12 }), fc.array(question, { minLength: 3, maxLength: 3 }), async (batches, questions) => {
        const type = `Model${runs++}`
        const claims = [0, 1].map(shard => claimOf(1, 'n', type, shard))
        await store.claim(claims)
        const model = new Model()
        for (const drafts of batches) {
          const writes = model.writes(claims, drafts)
          expect(await store.commit(writes)).toEqual(writes.map(draft => model.apply(draft)))
        }
        for (const id of ids) {
          const { entries } = await store.listEntries({ type, shard: shardOf(id), id }, '', undefined, 100)
          expect(entries.map(([entry, value]) => [entry, text(value)])).toEqual(model.entries(id))
        }
        const queries = questions.map(({ after, ...asked }) => ({ type, ...asked, ...after && { after } }))
        const found = await store.due(queries)
        expect(found.map(page => [show(page), page.next])).toEqual(queries.map(query => model.due(query)).map(page => [show(page), page.next]))
      }), { numRuns: 25 })
    })
  })
}

const ids = ['a', 'b', '😀', '\uffff', 'é']
const shardOf = (id: string): number => ids.indexOf(id) % 2
/** Those with `r` may have a due time, and their changes say so; the others never have one. */
const names = ['r', 'r\0', 'r2', 's', 's2']
const times = [0, 1, 5, 1_000, NEVER_DUE - 1, NEVER_DUE]

const place = fc.record({ due: fc.constantFrom(...times), id: fc.constantFrom(...ids), name: fc.constantFrom(...names) })
const question = fc.record({
  shard: fc.nat(1), until: fc.constantFrom(...times, 3), limit: fc.integer({ min: 1, max: 6 }), after: fc.option(place, { nil: undefined }),
})
const draft = fc.record({
  id: fc.constantFrom(...ids), kind: fc.constantFrom('head', 'head', 'entries', 'fenced', 'conflict'),
  entries: fc.uniqueArray(fc.record({
    name: fc.constantFrom(...names), value: fc.option(fc.integer({ min: 0, max: 99 })), due: fc.option(fc.constantFrom(...times)),
  }), { selector: entry => entry.name, maxLength: 4 }),
})
type Draft = typeof draft extends fc.Arbitrary<infer D> ? D : never
const batch = fc.array(draft, { minLength: 1, maxLength: 4 })

/** What an actor store should hold, held as plainly as can be. */
class Model {
  readonly #versions = new Map<string, number>()
  readonly #entries = new Map<string, { shard: number; id: string; name: string; value: Uint8Array; due: number | null }>()

  /** Drafts as a batch within the port's contract: one head an actor, one change an entry. */
  writes(claims: readonly Claim[], drafts: readonly Draft[]): ActorWrite[] {
    const taken = new Set<string>()
    const take = (...key: unknown[]): boolean => taken.size < taken.add(JSON.stringify(key)).size
    return drafts.map(({ id, kind, entries }): ActorWrite => {
      const claim = claims[shardOf(id)]!
      const headless = kind === 'entries' || !take(id)
      const previous = (this.#versions.get(id) ?? 0) + (kind === 'conflict' ? 3 : 0)
      const changes = entries.filter(entry => take(id, entry.name)).map((entry): EntryChange => {
        const value = entry.value === null ? null : bytes(String(entry.value))
        return entry.name.startsWith('r') ? [entry.name, value, value === null ? null : entry.due] : [entry.name, value]
      })
      return { ...claim, ...kind === 'fenced' && { epoch: 2 }, id, previous, head: headless ? null : bytes('head'), entries: changes }
    })
  }

  apply({ shard, id, epoch, previous, head, entries }: ActorWrite): CommitResult {
    if (epoch !== 1) return 'fenced'
    if (head !== null) {
      if (previous !== (this.#versions.get(id) ?? 0)) return 'conflict'
      this.#versions.set(id, previous + 1)
    }
    for (const [name, value, due] of entries!) {
      if (value === null) this.#entries.delete(`${id} ${name}`)
      else this.#entries.set(`${id} ${name}`, { shard, id, name, value, due: due ?? null })
    }
    return 'ok'
  }

  entries(id: string): [string, string | undefined][] {
    return [...this.#entries.values()].filter(entry => entry.id === id)
      .sort((a, b) => utf8(a.name, b.name)).map(({ name, value }) => [name, text(value)])
  }

  due({ shard, after, until, limit }: DueQuery): DuePage {
    const rest = [...this.#entries.values()].flatMap(({ due, ...entry }) => entry.shard === shard && due !== null ? [{ ...entry, due }] : [])
      .sort(inOrder).filter(row => after === undefined || inOrder(row, after) > 0)
    const rows = rest.slice(0, limit).filter(({ due }) => due <= until)
    return { rows, next: rest[rows.length]?.due }
  }
}

/** What stores that share a place must do on top. */
export function sharedDueEntriesSuite(name: string, makePlace: () => Promise<Place>): void {
  describe(`due entries of two stores on one ${name}`, () => {
    const open = storesOn(makePlace)

    test('the next owner finds what the last one left, moves it, and what the last one does late leaves nothing', async () => {
      const [one, two] = [await open(), await open()]
      await one.claim([claimOf(1)])
      await one.commit([write(claimOf(1), 'a', 0, 'h', [['r:x', bytes('1'), 10], ['r:y', bytes('2'), 20]])])
      await two.claim([claimOf(2)])
      expect((await two.due([ofShard()])).map(show)).toEqual([['10 a r:x=1', '20 a r:y=2']])
      expect(await two.commit([write(claimOf(2), 'a', 1, 'h', [['r:x', bytes('3'), 110]])])).toEqual(['ok'])
      expect(await one.commit([change(claimOf(1), 'a', [['r:y', null, null]]), write(claimOf(1), 'b', 0, 'h', [['r:z', bytes('4'), 5]])])).toEqual(['fenced', 'fenced'])
      for (const store of [one, two]) expect((await store.due([ofShard()])).map(show)).toEqual([['20 a r:y=2', '110 a r:x=3']])
      await one.claim([claimOf(3)])
      expect(await one.commit([write(claimOf(3), 'a', 2, 'h', [['r:x', bytes('5'), 210]])])).toEqual(['ok'])
      expect((await two.due([ofShard()])).map(show)).toEqual([['20 a r:y=2', '210 a r:x=5']])
    })

    test('due entries outlive the stores that wrote them', async () => {
      const one = await open()
      await one.claim([claimOf(1)])
      await one.commit([write(claimOf(1), 'a', 0, 'h', [['r:x', bytes('1'), 10]]), change(claimOf(1), 'b', [['o:1', bytes('2'), 0]])])
      await one.close()
      expect((await (await open()).due([ofShard()])).map(show)).toEqual([['0 b o:1=2', '10 a r:x=1']])
    })
  })
}
