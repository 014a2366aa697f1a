/** Deadlines in shared memory: rounded to the safe side, right across the wrap-around, never young again. */
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { ManualClock, SystemClock, type Clock } from '../../../core/clock.ts'
import { clockOffsets, LeaseBoardReader, LeaseBoardWriter, leaseMemory } from '../../../placement/lease-board.ts'

const DAY = 86_400_000

/** Two ends on one clock whose machine began `machine` ms before it. */
function board(machine = 0): { clock: ManualClock; reader: LeaseBoardReader; writer: LeaseBoardWriter } {
  const clock = new ManualClock()
  const memory = leaseMemory()
  const machineMs = (): number => clock.monotonicMs() + machine
  return { clock, reader: new LeaseBoardReader(memory, clock, machineMs), writer: new LeaseBoardWriter(memory, clock, machineMs) }
}

test('nothing is left before the first deadline, and for ever after the end', async () => {
  const { clock, reader, writer } = board(5 * DAY)
  expect(reader.leftMs()).toBeLessThanOrEqual(0)
  writer.deadline(1_000)
  expect(reader.leftMs()).toBe(1_000)
  await clock.advance(999)
  expect(reader.leftMs()).toBe(1)
  await clock.advance(1)
  expect(reader.leftMs()).toBe(0)
  writer.deadline(2_000)
  expect(reader.leftMs()).toBe(1_000)
  writer.deadline(-Infinity)
  expect(reader.leftMs()).toBe(0)
  // An answer that was on its way when the lease ended.
  writer.deadline(9_000)
  expect(reader.leftMs()).toBe(0)
})

test('the reader ends it alone, whatever the writer says later', () => {
  const { reader, writer } = board()
  writer.deadline(1_000)
  reader.end()
  writer.deadline(2_000)
  expect(reader.leftMs()).toBe(0)
})

test('never more is left than was given, by less than two milliseconds, wherever the 32 bits wrap around', () => {
  fc.assert(fc.property(fc.double({ min: 0, max: 200 * DAY, noNaN: true }), fc.double({ min: -5_000, max: 5_000, noNaN: true }), (machine, deadline) => {
    const { reader, writer } = board(machine)
    writer.deadline(deadline)
    const left = reader.leftMs()
    // Doubles of the machine's time tell no less than a nanosecond.
    expect(left).toBeLessThanOrEqual(deadline + 1e-6)
    expect(left).toBeGreaterThan(deadline - 3)
  }))
})

test('a deadline that nobody moves stays over for good: after a month of looking, and after a month of not looking', async () => {
  const { clock, reader, writer } = board(24 * DAY)
  writer.deadline(1_000)
  for (let day = 0; day < 60; day++) {
    await clock.advance(DAY)
    reader.beat()
    expect(reader.leftMs()).toBeLessThan(0)
  }
  const unseen = board()
  unseen.writer.deadline(1_000)
  await unseen.clock.advance(30 * DAY)
  expect(unseen.reader.leftMs()).toBe(0)
  unseen.reader.beat()
  expect(unseen.reader.leftMs()).toBeLessThan(0)
  unseen.writer.deadline(30 * DAY + 500)
  expect(unseen.reader.leftMs()).toBe(500)
})

test('beats are seen by the other end, and leave a deadline as it is', () => {
  const { reader, writer } = board()
  writer.deadline(1_000)
  const before = writer.beats()
  reader.beat()
  expect(writer.beats()).not.toBe(before)
  expect(reader.leftMs()).toBe(1_000)
})

test('offsets to the machine\'s clock bound it from both sides, closely on a real clock', () => {
  const { low, high } = clockOffsets(new SystemClock())
  expect(high).toBeGreaterThanOrEqual(low)
  expect(high - low).toBeLessThan(5)
  // Held up for 700 ms at each reading of the machine's clock, which is this clock: the true offset is 0.
  let nowMs = 0
  const own: Clock = { wallMs: () => 0, monotonicMs: () => nowMs, after: () => ({ cancel() {} }), soon() {} }
  const held = clockOffsets(own, () => (nowMs += 700))
  expect(held).toEqual({ low: 0, high: 700 })
})
