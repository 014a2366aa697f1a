/**
 * What the leader keeps in the cluster store beside version and term: the table, and the cluster-wide options that
 * members must agree on.
 */
import { decode, encode } from '../core/codec.ts'
import { TroupeError } from '../core/errors.ts'
import { decodeTable, encodeTable } from './table-codec.ts'
import type { Table } from './table.ts'

export interface ClusterRecord {
  readonly table: Table
  readonly fingerprint: Readonly<Record<string, string>>
}

export const encodeCluster = ({ table, fingerprint }: ClusterRecord): Uint8Array =>
  encode([table.shards, encodeTable(table), Object.entries(fingerprint)], 'cluster record')

/**
 * @throws CLUSTER_MISMATCH when the stored table has another number of shards a type than `shards`
 * @throws PROTOCOL when the bytes are no cluster record
 */
export function decodeCluster(bytes: Uint8Array, shards: number): ClusterRecord {
  const raw = decode(bytes, 'cluster record')
  if (!Array.isArray(raw) || !(raw[1] instanceof Uint8Array) || !Array.isArray(raw[2])) {
    throw new TroupeError('PROTOCOL', 'cluster record: the cluster store holds something else; is it another cluster\'s?')
  }
  if (raw[0] !== shards) {
    const [stored, here] = [Math.log2(Number(raw[0])), Math.log2(shards)]
    throw new TroupeError('CLUSTER_MISMATCH',
      `shardBits differs: the cluster store has ${stored}, this process was given ${here}; actors are stored by shard, so keep ${stored}`,
      { data: { shardBits: { cluster: stored, here } } })
  }
  return { table: decodeTable(raw[1], shards), fingerprint: Object.fromEntries(raw[2] as [string, string][]) }
}
