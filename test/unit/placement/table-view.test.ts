/** The table of one host never goes back, and whoever waits for a version hears of it or of its absence. */
import { expect, test } from 'vitest'
import { ManualClock } from '../../../core/clock.ts'
import { TableView } from '../../../placement/table-view.ts'
import { emptyTable } from '../../../placement/table.ts'

test('takes newer tables alone, tells of each once, settles those who waited', async () => {
  const clock = new ManualClock()
  const empty = emptyTable(4)
  const view = new TableView(clock, empty)
  const heard: number[] = []
  view.onChange(change => heard.push(change.version))
  const waits = [view.waitFor(2, 1_000), view.waitFor(5, 1_000), view.waitFor(5, 50)]
  view.advance(empty.renumbered(3))
  view.advance(empty.renumbered(3))
  view.advance(empty.renumbered(2))
  expect(heard).toEqual([3])
  expect(view.table.version).toBe(3)
  expect(await waits[0]).toBe(true)
  await clock.advance(60)
  expect(await waits[2]).toBe(false)
  view.advance(empty.renumbered(5))
  expect(await waits[1]).toBe(true)
  const last = view.waitFor(9, 1_000)
  view.close()
  expect(await last).toBe(false)
})
