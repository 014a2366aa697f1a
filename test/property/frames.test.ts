// Whatever bytes come, a frame is read as the codec would read it or refused by the typed error, and so is a table.
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { decodeWire, encode } from '../../core/codec.ts'
import { TroupeError } from '../../core/errors.ts'
import type { Member } from '../../placement/membership.ts'
import { nextTable } from '../../placement/next-table.ts'
import { decodeTable, encodeTable } from '../../placement/table-codec.ts'
import { emptyTable, type Table } from '../../placement/table.ts'
import { FrameReader } from '../../runtime/transport/frame-reader.ts'
import { decodeFrame } from '../../runtime/transport/frame.ts'
import { decodeAnswer, decodeDialHello, encodeDialHello, encodeHello, encodeRefused } from '../../runtime/transport/hello.ts'
import { Mutations } from '../integration/fuzz-mutations.ts'

const RUNS = Number(process.env.TROUPE_FUZZ_FRAMES ?? 60_000)
/** A million takes minutes. */
const LIMIT_MS = 30_000 + RUNS / 2
const SEED = Number(process.env.TROUPE_FUZZ_SEED ?? Date.now() % 1_000_000)

/** `read` of mutated `seeds`: each ends in a value or in PROTOCOL, and soon. */
function fuzz(seeds: readonly Uint8Array[], runs: number, read: (bytes: Buffer) => unknown): { read: number; refused: number } {
  const mutations = new Mutations(SEED)
  const count = { read: 0, refused: 0 }
  for (let i = 0; i < runs; i++) {
    const bytes = mutations.next(seeds)
    const before = Buffer.from(bytes)
    try {
      read(bytes)
      count.read++
    } catch (error) {
      if (!TroupeError.is(error, 'PROTOCOL')) throw new Error(`seed ${SEED}, ${bytes.toString('hex')}: ${String(error)}`, { cause: error })
      count.refused++
    }
    if (!bytes.equals(before)) throw new Error(`seed ${SEED}: ${before.toString('hex')} was changed by reading it`)
  }
  return count
}

const message = fc.array(fc.oneof(fc.integer({ min: 0, max: 2 ** 32 }), fc.string({ maxLength: 60 }), fc.boolean(), fc.constant(null), fc.uint8Array({ maxLength: 40 }),
  fc.array(fc.oneof(fc.double(), fc.string(), fc.constant(undefined)), { maxLength: 20 })), { minLength: 1, maxLength: 10 })
const frames = fc.sample(fc.tuple(fc.nat(), fc.array(message, { maxLength: 6 })), { numRuns: 60, seed: SEED }).map(frame => encode(frame, 'frame'))

describe(`mutated bytes (seed ${SEED})`, () => {
  test('frames', () => {
    const reader = new FrameReader()
    const { read, refused } = fuzz(frames, RUNS, bytes => decodeFrame(bytes, 'a frame', reader))
    expect(read).toBeGreaterThan(RUNS / 100)
    expect(refused).toBeGreaterThan(RUNS / 10)
  }, LIMIT_MS)

  test('the quick reader says what the codec says, or leaves it to the codec', () => {
    const reader = new FrameReader()
    let quick = 0
    fuzz(frames, RUNS / 2, bytes => {
      const value = reader.read(bytes)
      if (value === undefined) return
      quick++
      expect(value).toEqual(decodeWire(bytes, 'a frame', 2))
    })
    expect(quick).toBeGreaterThan(RUNS / 100)
  }, LIMIT_MS)

  test('hellos, answers and refusals', () => {
    const hellos = [
      encodeDialHello({ hostId: 'a', incarnation: 'i1', maxFrameBytes: 1 << 20, expected: 'b', dial: 3, lostDial: 1 }),
      encodeHello({ hostId: 'a', incarnation: 'i1', maxFrameBytes: 1 << 20 }), encodeRefused({ refused: 'identity', reason: 'another' }),
    ]
    fuzz(hellos, RUNS / 2, bytes => decodeDialHello(bytes, 'x'))
    fuzz(hellos, RUNS / 2, bytes => decodeAnswer(bytes, 'x'))
  }, LIMIT_MS)

  test('placement tables: refused, or tables that are whole', () => {
    const tables = [tableOf(1), tableOf(3), tableOf(5)]
    const seeds = tables.map(encodeTable)
    const { read, refused } = fuzz(seeds, Math.min(RUNS / 3, 100_000), bytes => checkWhole(decodeTable(bytes, 64)))
    expect(refused).toBeGreaterThan(0)
    expect(read).toBeGreaterThan(0)
  }, LIMIT_MS)
})

function tableOf(hosts: number): Table {
  const members = Array.from({ length: hosts }, (_, i): Member => ({
    id: `h${i}`, incarnation: `i${i}`, address: `h${i}:1`, http: '', types: i % 2 === 0 ? ['A', 'B'] : ['A'], weight: 1 + i, leaving: false,
  }))
  return nextTable(emptyTable(64), members)
}

/** Every owner is a member, every epoch from 1 to the version. */
function checkWhole(table: Table): void {
  for (const type of table.types) {
    for (let shard = 0; shard < table.shards; shard++) {
      const owner = table.owner(type, shard)
      if (owner === undefined) continue
      expect(table.members.get(owner.member.id)).toBe(owner.member)
      expect(owner.epoch).toBeGreaterThanOrEqual(1)
      expect(owner.epoch).toBeLessThanOrEqual(table.version)
    }
  }
}
