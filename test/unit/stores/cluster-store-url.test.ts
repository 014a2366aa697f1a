/** Where the cluster's rows may lie: URLs of etcd, and what `clusterStore` takes beside a store. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { Actor } from '../../../actors/actor.ts'
import { SystemClock } from '../../../core/clock.ts'
import { TroupeError } from '../../../core/errors.ts'
import { resolveHostOptions } from '../../../runtime/host-options.ts'
import { MemoryClusterStore } from '../../../stores/memory/cluster-store.ts'
import { openClusterStore, openStores, storeNames } from '../../../stores/open-store.ts'

const clock = new SystemClock()
const errorOf = (run: () => unknown): TroupeError => {
  try {
    run()
  } catch (error) {
    if (TroupeError.is(error)) return error
    throw error
  }
  throw new Error('nothing was thrown')
}

test.each([
  ['etcd://h', 'etcd://h:2379'],
  ['etcd://H:1/', 'etcd://h:1'],
  ['etcd://b:2,a:1,b:2', 'etcd://a:1,b:2'],
  ['etcd://[::1]:2379,h', 'etcd://[::1]:2379,h:2379'],
  ['etcd://root:p%40ss:hush@h', 'etcd://h:2379'],
  ['etcds://h:02379', 'etcds://h:2379'],
])('%s is a cluster store, and its name %s is the same however it is written', (url, name) => {
  expect(openClusterStore(url, { clock }).name).toBe(name)
})

test.each([
  ['etcd:', /shape of an etcd URL/],
  ['etcd://', /shape of an etcd URL/],
  ['etcd://h/path', /shape of an etcd URL/],
  ['etcd://h:99999', /"h:99999" is no host:port/],
  ['etcd://h:0', /no host:port/],
  ['etcd://h,', /"" is no host:port/],
  ['etcd://hush@h', /user:password@/],
  ['etcd://root:@h', /user:password@/],
  ['etcd://root:hush%zz@h', /percent-encoding/],
  ['http://root:hush@h:2379', /no known scheme.*etcd:/],
  ['memory:', /gone with this process.*etcd:/],
] as const)('%s is refused as a cluster store', (url, message) => {
  const error = errorOf(() => openStores('lmdb:./x', { clock, clusterStore: url }))
  expect(error.code).toBe('BAD_OPTION')
  expect(error.message).toMatch(message)
  expect(error.message).not.toContain('hush')
})

test('etcd is no store of actors', () => {
  for (const url of ['etcd://root:hush@h:2379', 'etcds://h']) {
    const error = errorOf(() => openStores(url, { clock }))
    expect(error).toMatchObject({ code: 'BAD_OPTION', message: expect.stringMatching(/cluster's rows alone; give it as clusterStore \(--cluster-store\)/) })
    expect(error.message).not.toContain('hush')
  }
})

test('hosts compare the cluster store only where it is another store', () => {
  const folder = mkdtempSync(join(tmpdir(), 'troupe-cluster-url-'))
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }))
  const store = `lmdb:${folder}`
  expect(storeNames(openStores(store, { clock }))).toEqual({ store })
  expect(storeNames(openStores(store, { clock, clusterStore: store }))).toEqual({ store })
  expect(storeNames(openStores(store, { clock, clusterStore: 'etcd://h' }))).toEqual({ store, clusterStore: 'etcd://h:2379' })
  expect(openStores('memory:', { clock, clusterStore: 'memory:' }).cluster.name).toBe('memory:')
})

test('adapters are taken as they are', () => {
  const stores = openStores('memory:', { clock })
  const cluster = new MemoryClusterStore(clock)
  expect(openStores(stores, { clock })).toBe(stores)
  expect(openStores(stores, { clock, clusterStore: cluster })).toEqual({ actors: stores.actors, cluster })
  expect(openStores(stores, { clock, clusterStore: 'etcd://h' }).cluster.name).toBe('etcd://h:2379')
})

test('a host refuses what is neither a URL nor a cluster store', () => {
  class Some extends Actor {}
  for (const clusterStore of [5, null, {}, { campaign() {} }]) {
    expect(errorOf(() => resolveHostOptions({ actors: [Some], clusterStore: clusterStore as never })))
      .toMatchObject({ code: 'BAD_OPTION', message: expect.stringMatching(/clusterStore/) })
  }
  expect(resolveHostOptions({ actors: [Some] }).clusterStore).toBeUndefined()
  expect(resolveHostOptions({ actors: [Some], clusterStore: 'etcd://h' }).clusterStore).toBe('etcd://h')
})
