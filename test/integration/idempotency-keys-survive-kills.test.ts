/** Calls with a key whose host is killed at the worst moment take effect once; their repeats get the same reply from whoever owns the actor then. */
import { describe, expect, it } from 'vitest'
import type { SeamPoint } from '../../core/seams.ts'
import { connect } from '../../gateway/client.ts'
import { startPostgres } from '../servers/postgres.ts'
import { startRedis } from '../servers/redis.ts'
import { CrashLedger, repeat } from './crash-ledger.ts'
import { TestProcesses } from './processes.ts'

const app = `
import { Actor } from 'troupe'
export class Till extends Actor {
  total = 0
  notes = []
  async add(n, note) {
    this.total += n
    this.notes.push(note)
    await null
    return { total: this.total, host: process.pid, at: new Date() }
  }
  read() { return this.notes }
}
`

interface Till {
  add(n: number, note: string): { total: number; host: number; at: Date }
  read(): string[]
}

const stores: readonly [string, () => Promise<{ url: string; stop(): Promise<void> }>, readonly SeamPoint[]][] = [
  ['redis', () => startRedis(), ['commit.begin', 'commit.durable']],
  ['postgres', () => startPostgres(), ['commit.durable']],
]

describe.each(stores)('on %s', (_name, open, points) => {
  it('with keys, calls are answered once and for all', async () => {
    const store = await open()
    try {
      await using processes = new TestProcesses()
      const { address: placement } = await processes.placement({ store: store.url })
      const crash = new CrashLedger(processes, 0, 1)
      const settings = { apps: [processes.write('till.js', app)], placement, store: store.url }
      const a = await processes.host('a', settings)
      const client = connect(a.http)
      try {
        const replies = new Map<string, unknown>()
        const till = (id: string, key: string) => client.actor<Till>('Till', id).with({ idempotencyKey: key })
        for (const point of points) {
          const b = await processes.host('b', { ...settings, env: crash.dyingAt(point, 4) })
          const ids = Array.from({ length: 20 }, (_, i) => `${point}-${i}`)
          await Promise.all(ids.map(async id => {
            // The client sends again what may have been lost; that its tries are over is no end.
            replies.set(id, await repeat(`${id} is answered`, async () => await till(id, `key-${id}`).add(5, id).catch((error: unknown) => {
              expect(error).toMatchObject({ retryable: true })
              return false as const
            })))
          }))
          expect(await b.process.ended()).toEqual({ code: null, signal: 'SIGKILL' })
        }
        const c = await processes.host('c', settings)
        const other = connect(c.http)
        for (const [id, reply] of replies) {
          expect(reply).toMatchObject({ total: 5, at: expect.any(Date) })
          expect(await other.actor<Till>('Till', id).with({ idempotencyKey: `key-${id}` }).add(5, id)).toEqual(reply)
          expect(await client.actor<Till>('Till', id).read()).toEqual([id])
        }
        expect(new Set([...replies.values()].map(reply => (reply as { host: number }).host)).size).toBeGreaterThan(1)
        await expect(till([...replies.keys()][0]!, `key-${[...replies.keys()][0]!}`).add(6, 'x')).rejects.toMatchObject({ code: 'IDEMPOTENCY_CONFLICT' })
        await other.close()
      } finally {
        await client.close()
      }
    } finally {
      await store.stop()
    }
  })
})
