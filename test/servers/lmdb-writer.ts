/**
 * A process that tests kill or freeze. `commit DIR`: commits versions of one actor for ever, each with an entry that is due
 * at the version's number, and prints each one that was acknowledged. `hold DIR`: takes LMDB's write lock, says so, and keeps it.
 */
import { writeSync } from 'node:fs'
import { join } from 'node:path'
import { open } from 'lmdb'
import { SystemClock } from '../../core/clock.ts'
import { openStores } from '../../stores/open-store.ts'

const [mode, directory] = process.argv.slice(2) as [string, string]

if (mode === 'hold') {
  const db = open({ path: join(directory, 'troupe.mdb'), maxDbs: 64, overlappingSync: false })
  db.transactionSync(() => {
    writeSync(1, 'holding\n')
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0)
  })
} else {
  const { actors } = openStores(`lmdb:${directory}`, { clock: new SystemClock() })
  await actors.open()
  const claim = { type: 'T', shard: 1, epoch: 1, nonce: 'writer' }
  await actors.claim([claim])
  for (let version = 0; ; version++) {
    const value = Buffer.alloc(2_000 + version % 50_000, String(version + 1) + ' ')
    const [result] = await actors.commit([{ ...claim, id: 'a', previous: version, head: value, entries: [['copy', value], ['due', value, version + 1]] }])
    if (result !== 'ok') throw new Error(`version ${version + 1}: ${result}`)
    writeSync(1, `${version + 1}\n`)
  }
}
