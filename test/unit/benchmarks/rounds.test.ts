import { expect, test } from 'vitest'
import { interleave, orderOf } from '../../../benchmarks/harness/rounds.ts'

test('the order alternates from round to round', () => {
  expect(orderOf(0, 2)).toEqual([0, 1])
  expect(orderOf(1, 2)).toEqual([1, 0])
  expect(orderOf(2, 3)).toEqual([0, 1, 2])
  expect(orderOf(3, 3)).toEqual([2, 1, 0])
})

test('each contender runs once a round after an uncounted round, and results keep the order of the contenders', async () => {
  const ran: string[] = []
  const contender = (name: string) => async (seconds: number) => {
    ran.push(name)
    return `${name} ${seconds} ${ran.length}`
  }
  const results = await interleave([contender('floor'), contender('subject')], { rounds: 3, seconds: 2 })
  expect(ran).toEqual(['subject', 'floor', 'floor', 'subject', 'subject', 'floor', 'floor', 'subject'])
  expect(results).toEqual([['floor 2 3', 'floor 2 6', 'floor 2 7'], ['subject 2 4', 'subject 2 5', 'subject 2 8']])
})

test('the uncounted round may be longer than the others', async () => {
  const lengths: number[] = []
  await interleave([async seconds => { lengths.push(seconds) }], { rounds: 2, seconds: 1, warmUpSeconds: 3 })
  expect(lengths).toEqual([3, 1, 1])
})

test('an abort ends the run before the next measurement', async () => {
  const interrupt = new AbortController()
  let measured = 0
  const run = interleave([async () => { if (++measured === 3) interrupt.abort(new Error('enough')) }], { rounds: 10, seconds: 1, signal: interrupt.signal })
  await expect(run).rejects.toThrow('enough')
  expect(measured).toBe(3)
})
