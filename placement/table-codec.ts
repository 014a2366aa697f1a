/**
 * Tables and deltas as bytes, for the stream and for the store. A full table is the delta from the empty one.
 *
 * Compact by indices: each member, each set of types and each type's name is written once; owners are a member's index and the
 * distance of the epoch from the version; runs of neighbouring shards are a start and a length. 1,024 shards of fifty types
 * over 1,000 hosts take about 100 KB. Bytes are checked while they are read: a bad one is PROTOCOL, never a broken table.
 */
import { decode, encode } from '../core/codec.ts'
import { TroupeError } from '../core/errors.ts'
import type { Member, ShardOwner } from './membership.ts'
import { apply, diff, type Moves, type TableDelta } from './table-delta.ts'
import { emptyTable, type Table } from './table.ts'

const FORMAT = 1

export function encodeDelta(a: Table, b: Table): Uint8Array {
  const delta = diff(a, b)
  const names = new Index()
  const typeSets = new Index()
  const owners = new Index()
  const members = delta.members.map(m => [
    m.id, m.incarnation, m.address, m.http, m.weight, m.leaving, typeSets.of(JSON.stringify(m.types.map(type => names.of(type)))),
  ])
  const moves = delta.moves.map(move => [
    move.types.map(type => names.of(type)),
    runsOf(move.shards),
    // 0 is no owner; incarnations are taken from the table, which both ends have.
    move.owners.map(o => (o === undefined ? 0 : owners.of(o.member.id) + 1)),
    packRepeats(move.owners.map(o => (o === undefined ? 0 : delta.version - o.epoch))),
    packRepeats(move.owners.map(o => (o?.from === undefined ? 0 : owners.of(o.from) + 1))),
  ])
  return encode([
    FORMAT, delta.base, delta.version, b.shards, names.all, typeSets.all.map(set => JSON.parse(set)), owners.all, members, delta.gone, moves,
  ], 'placement table')
}

/** @throws PROTOCOL when the bytes are no delta, or one that does not fit `table` */
export function applyDelta(table: Table, bytes: Uint8Array): Table {
  const raw = checked(decode(bytes, 'placement table'), 'table', isArray)
  if (raw[0] !== FORMAT) throw malformed(`format ${String(raw[0])}, this build reads ${FORMAT}`)
  if (raw[3] !== table.shards) throw malformed(`${String(raw[3])} shards a type, this cluster has ${table.shards}`)
  return apply(table, readDelta(raw, table))
}

export const encodeTable = (table: Table): Uint8Array => encodeDelta(emptyTable(table.shards), table)

/** The table that `encodeTable` wrote; `shards` is what this cluster has a type. @throws PROTOCOL */
export const decodeTable = (bytes: Uint8Array, shards: number): Table => applyDelta(emptyTable(shards), bytes)

function readDelta(raw: readonly unknown[], table: Table): TableDelta {
  const names = list(raw[4], 'type name', isString)
  const typeSets = list(raw[5], 'types', isArray).map(set => set.map(i => at(names, i)))
  const ownerIds = list(raw[6], 'owner', isString)
  const version = checked(raw[2], 'version', isCount)
  const members = list(raw[7], 'member', isArray).map((m): Member => ({
    id: checked(m[0], 'member id', isString), incarnation: checked(m[1], 'incarnation', isString),
    address: checked(m[2], 'address', isString), http: checked(m[3], 'http', isString),
    weight: checked(m[4], 'weight', isNumber), leaving: m[5] === true, types: at(typeSets, m[6]),
  }))
  const present = new Map(table.members)
  for (const member of members) present.set(member.id, member)
  const moves = list(raw[9], 'moves', isArray).map((move): Moves => {
    const shards = shardsOf(list(move[1], 'run', isCount), table.shards)
    const owner = list(move[2], 'owner', isCount)
    const age = unpackRepeats(list(move[3], 'epoch', isCount), shards.length)
    const from = unpackRepeats(list(move[4], 'from', isCount), shards.length)
    if (owner.length !== shards.length) throw malformed('a move whose lists differ in length')
    const types = list(move[0], 'type', isCount).map(i => at(names, i))
    if (types.length === 0) throw malformed('a move of no type')
    return {
      types, shards,
      owners: owner.map((o, i): ShardOwner | undefined => {
        if (o === 0) return undefined
        const member = present.get(at(ownerIds, o - 1))
        if (member === undefined || age[i]! >= version) throw malformed('an owner that is no member, or an epoch below 1')
        return { member, epoch: version - age[i]!, from: from[i] === 0 ? undefined : at(ownerIds, from[i]! - 1) }
      }),
    }
  })
  return { base: checked(raw[1], 'base', isCount), version, members, gone: list(raw[8], 'gone', isString), moves }
}

/** Start and length of each run of neighbours. */
function runsOf(shards: readonly number[]): number[] {
  const runs: number[] = []
  for (const shard of shards) {
    if (runs.length > 0 && runs.at(-2)! + runs.at(-1)! === shard) runs[runs.length - 1]!++
    else runs.push(shard, 1)
  }
  return runs
}

function shardsOf(runs: readonly number[], shards: number): number[] {
  const all: number[] = []
  for (let i = 0; i < runs.length; i += 2) {
    const [start, length] = [runs[i]!, runs[i + 1] ?? 0]
    if (start + length > shards || all.length + length > shards) throw malformed('a shard that does not exist')
    for (let k = 0; k < length; k++) all.push(start + k)
  }
  return all
}

/** Value and count of each run of equals: epochs and `from` are mostly one value. */
function packRepeats(values: readonly number[]): number[] {
  const runs: number[] = []
  for (const value of values) {
    if (runs.length > 0 && runs.at(-2) === value) runs[runs.length - 1]!++
    else runs.push(value, 1)
  }
  return runs
}

function unpackRepeats(runs: readonly number[], length: number): number[] {
  const all: number[] = []
  for (let i = 0; i < runs.length; i += 2) {
    const count = runs[i + 1] ?? 0
    if (all.length + count > length) throw malformed('a move whose lists differ in length')
    for (let k = 0; k < count; k++) all.push(runs[i]!)
  }
  if (all.length !== length) throw malformed('a move whose lists differ in length')
  return all
}

/** Numbers strings in the order in which they are first asked for. */
class Index {
  readonly all: string[] = []
  readonly #at = new Map<string, number>()

  of(text: string): number {
    let at = this.#at.get(text)
    if (at === undefined) {
      at = this.all.push(text) - 1
      this.#at.set(text, at)
    }
    return at
  }
}

const malformed = (what: string): TroupeError =>
  new TroupeError('PROTOCOL', `placement table: ${what}; both ends must run compatible versions of Troupe`)

const isArray = (value: unknown): value is readonly unknown[] => Array.isArray(value)
const isString = (value: unknown): value is string => typeof value === 'string'
const isNumber = (value: unknown): value is number => typeof value === 'number'
const isCount = (value: unknown): value is number => Number.isSafeInteger(value) && (value as number) >= 0

function checked<T>(value: unknown, what: string, is: (value: unknown) => value is T): T {
  if (!is(value)) throw malformed(`no ${what} where one belongs`)
  return value
}

const list = <T>(value: unknown, what: string, is: (value: unknown) => value is T): readonly T[] =>
  checked(value, `list of ${what}`, isArray).map(element => checked(element, what, is))

function at<T>(values: readonly T[], index: unknown): T {
  if (!isCount(index) || index >= values.length) throw malformed('an index out of range')
  return values[index]!
}
