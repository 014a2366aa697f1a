/** `lmdb` with one awaited put an operation. `overlappingSync: false`: the promise of a put then means that it was fsynced. */
import { open } from 'lmdb'
import type { Scope } from '../harness/scope.ts'
import type { BareStore } from './bare-store.ts'

export function openBareLmdb(scope: Scope, valueBytes: number): BareStore {
  const db = open<Buffer, string>({ path: scope.folder(), encoding: 'binary', overlappingSync: false })
  scope.defer(() => db.close())
  const value = Buffer.alloc(valueBytes, 1)
  return {
    servers: {},
    put: key => db.put(key, value),
    get: key => db.get(key),
  }
}
