/** Probing on a clock moved by hand. */
import { expect, test } from 'vitest'
import { ManualClock } from '../../../core/clock.ts'
import type { Member } from '../../../placement/membership.ts'
import { Prober } from '../../../placement/prober.ts'

const member = (incarnation: string): Member => ({ id: 'a', incarnation, address: 'a:1', http: '', types: [], weight: 1, leaving: false })

test('a refusal that comes after the process was replaced is the old process\'s', async () => {
  const clock = new ManualClock()
  const members = new Map([['a', member('a1')]])
  const dead: string[] = []
  const answers: ((result: 'refused' | 'reached') => void)[] = []
  const prober = new Prober(clock, () => new Promise(resolve => answers.push(resolve)), id => members.get(id), id => dead.push(id))
  prober.watch('a', () => true)
  members.set('a', member('a2'))
  answers.shift()!('refused')
  await clock.advance(100)
  expect(dead).toEqual([])
  answers.shift()!('reached')
  await clock.advance(100)
  answers.shift()!('refused')
  await clock.advance(100)
  expect(dead).toEqual(['a'])
  expect(answers).toEqual([])
})

test('who is in doubt for long is probed once a second', async () => {
  const clock = new ManualClock()
  let probes = 0
  const prober = new Prober(clock, async () => {
    probes++
    return 'reached'
  }, () => member('a1'), () => {})
  prober.watch('a', () => true)
  await clock.advance(60_000)
  expect(probes).toBeGreaterThan(60)
  expect(probes).toBeLessThan(100)
  prober.stop()
})

test('goes on while there is doubt, one probe at a time, and ends with the member or the watch', async () => {
  const clock = new ManualClock()
  const members = new Map([['a', member('a1')]])
  let probes = 0
  let doubt = true
  const prober = new Prober(clock, async () => {
    probes++
    return 'unknown'
  }, id => members.get(id), () => {})
  prober.watch('a', () => doubt)
  for (let i = 0; i < 10; i++) prober.watch('a', () => doubt)
  await clock.advance(1_050)
  expect(probes).toBe(11)
  doubt = false
  await clock.advance(5_000)
  expect(probes).toBeLessThan(15)
  doubt = true
  prober.watch('a', () => doubt)
  await clock.advance(250)
  members.delete('a')
  const before = probes
  await clock.advance(5_000)
  expect(probes).toBe(before)
  members.set('a', member('a2'))
  prober.watch('a', () => true)
  prober.stop()
  await clock.advance(5_000)
  expect(probes).toBeLessThanOrEqual(before + 1)
})
