/**
 * A flush as the parameters of `commit_writes` (procedures.ts). All bytes go in one piece, with the places of heads,
 * names and values in it: pg sends a Buffer as it is, but an array of Buffers as text of twice the size.
 */
import type { ActorWrite } from '../actor-store.ts'

/** An array of numbers or nulls as PostgreSQL reads it. */
const numbers = (values: readonly (number | null)[]): string => `{${values.map(value => value ?? 'null').join()}}`

export function commitParameters(writes: readonly ActorWrite[]): unknown[] {
  const claims = new Claims()
  const data = new Pieces()
  const write = { claims: [] as number[], ids: [] as string[], previous: [] as number[], heads: [] as (number | null)[], lengths: [] as (number | null)[] }
  const entry = {
    writes: [] as number[], names: [] as number[], nameLengths: [] as number[],
    values: [] as (number | null)[], valueLengths: [] as (number | null)[], dues: [] as (number | null)[],
  }
  for (const { head, id, previous, entries, ...claim } of writes) {
    write.claims.push(claims.numberOf(claim))
    write.ids.push(id)
    write.previous.push(previous)
    write.heads.push(head === null ? null : data.add(head))
    write.lengths.push(head === null ? null : head.length)
    for (const [name, value, due] of entries ?? []) {
      const bytes = Buffer.from(name)
      entry.writes.push(write.ids.length)
      entry.names.push(data.add(bytes))
      entry.nameLengths.push(bytes.length)
      entry.values.push(value === null ? null : data.add(value))
      entry.valueLengths.push(value === null ? null : value.length)
      entry.dues.push(due ?? null)
    }
  }
  return [
    claims.types, numbers(claims.shards), numbers(claims.epochs), claims.nonces,
    numbers(write.claims), write.ids, numbers(write.previous), numbers(write.heads), numbers(write.lengths),
    numbers(entry.writes), numbers(entry.names), numbers(entry.nameLengths), numbers(entry.values), numbers(entry.valueLengths), numbers(entry.dues),
    data.join(),
  ]
}

/** The different claims of a flush, numbered from 1. */
class Claims {
  readonly types: string[] = []
  readonly shards: number[] = []
  readonly epochs: number[] = []
  readonly nonces: string[] = []
  readonly #numbers = new Map<string, number>()

  numberOf(claim: { type: string; shard: number; epoch: number; nonce: string }): number {
    // Types hold no U+0000, and the numbers no space.
    const key = `${claim.shard} ${claim.epoch} ${claim.type}\0${claim.nonce}`
    const known = this.#numbers.get(key)
    if (known !== undefined) return known
    this.types.push(claim.type)
    this.shards.push(claim.shard)
    this.epochs.push(claim.epoch)
    this.nonces.push(claim.nonce)
    this.#numbers.set(key, this.types.length)
    return this.types.length
  }
}

/** Bytes one after another; places count from 1, as SQL has it. */
class Pieces {
  readonly #pieces: Uint8Array[] = []
  #end = 1

  add(bytes: Uint8Array): number {
    const place = this.#end
    this.#pieces.push(bytes)
    this.#end += bytes.length
    return place
  }

  join(): Buffer {
    return Buffer.concat(this.#pieces, this.#end - 1)
  }
}
