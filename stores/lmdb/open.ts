/** From `lmdb:DIR` to its stores. @throws BAD_OPTION when the URL names no directory */
import { TroupeError } from '../../core/errors.ts'
import type { OpenStoreOptions, Stores } from '../stores.ts'
import { LmdbActorStore } from './actor-store.ts'
import { LmdbClusterStore } from './cluster-store.ts'
import { LmdbEnvironment } from './environment.ts'

export function open(url: string, { clock, namespace = '' }: OpenStoreOptions): Stores {
  const env = new LmdbEnvironment(directoryOf(url), clock, { namespace })
  return { actors: new LmdbActorStore(env, clock), cluster: new LmdbClusterStore(env) }
}

function directoryOf(url: string): string {
  const directory = url.slice('lmdb:'.length).replace(/^\/\/(?=[./])/, '')
  if (directory === '' || directory.startsWith('//')) {
    throw new TroupeError('BAD_OPTION', `store URL ${JSON.stringify(url)} names no directory; write lmdb:./data or lmdb:/var/lib/troupe`)
  }
  return directory
}
