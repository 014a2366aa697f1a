// Thousands of handlers that hang, due at once: what is due after them waits for none of them for long.
import { expect, it, onTestFinished } from 'vitest'
import { ManualClock } from '../../../core/clock.ts'
import { silentLogger } from '../../../core/logger.ts'
import { DueScheduler } from '../../../reminders/due-scheduler.ts'

const HANGING = 9_000

it('ten reminders that are due behind nine thousand whose handlers hang', async () => {
  const clock = new ManualClock()
  const shard = { type: 'T', shard: 0 }
  const late: number[] = []
  const scheduler = new DueScheduler({
    clock, log: silentLogger, load: async queries => queries.map(() => ({ rows: [], next: undefined })),
    fire: (_, row) => {
      if (row.id.startsWith('hangs')) return new Promise(() => undefined)
      late.push(clock.wallMs() - row.due)
      return Promise.resolve('handed' as const)
    },
  })
  onTestFinished(() => scheduler.close())
  scheduler.take(shard)
  await clock.advance(10)
  const due = Math.ceil(clock.wallMs()) + 100
  for (let i = 0; i < HANGING; i++) scheduler.changed({ ...shard, id: `hangs${i}` }, 'r:x', due, new Uint8Array(1))
  for (let i = 0; i < 10; i++) scheduler.changed({ ...shard, id: `quick${i}` }, 'r:x', due + i, new Uint8Array(1))
  for (let ms = 0; ms < 3_000; ms += 5) await clock.advance(5)
  expect(late).toHaveLength(10)
  expect(Math.max(...late)).toBeLessThan(600)
})
