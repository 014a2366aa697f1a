/**
 * The cluster's rows on etcd: every change is one transaction, on the condition that no row it was decided on has changed.
 *
 * Hosts' leases are in leases.ts. The leader row hangs on an etcd lease, so etcd's clock ends it. Leases count whole seconds, and at least 2 of them with
 * etcd's own settings; the row gets the next whole number that etcd grants. It may therefore end later than asked (`lateMs`
 * says by how much), never sooner: the holder counts its time from before it asked, so it has stepped down by then. etcd itself
 * extends leases when it changes its leader, which again only ends rows later. A renewal touches the lease alone: it writes no
 * revision into etcd's history, which grows until somebody compacts it.
 *
 * Terms rise because a row without lease holds the newest one, raised in the transaction that takes the leader row.
 *
 * A table is saved by turning over the `saved` row, in one transaction that holds only while term and saved row are the ones
 * that allowed it, and that removes the parts of the table before. Parts are written under a stamp of this save alone, so a
 * reader never sees a mixture, and a transaction that was repeated because its answer got lost knows itself again by the stamp.
 * A transaction that arrives late, after a newer leader's, finds its conditions broken and changes nothing.
 */
import { randomUUID } from 'node:crypto'
import { TroupeError } from '../../core/errors.ts'
import type { Candidate, ClusterStore, LeaderRow, LeaseRenewal, LeaseState, LeaseTime, SavedTable } from '../cluster-store.ts'
import type { Call, EtcdConnection } from './connection.ts'
import { EtcdLeases, revoke } from './leases.ts'
import {
  EtcdKeys, found, get, list, partsOf, put, readLeader, readSaved, readTerm, remove, rowOf, unchanged, wholeSeconds,
  type Saved, type StoredLeader, type StoredTerm,
} from './rows.ts'

export class EtcdClusterStore implements ClusterStore {
  readonly name: string
  /** Up to the next whole second, or to etcd's least lease; its look at leases each 0.5 s; 1 s more when its own leader changes. */
  readonly lateMs = 3_500
  readonly #etcd: EtcdConnection
  readonly #keys: EtcdKeys
  readonly #leases: EtcdLeases

  constructor(etcd: EtcdConnection, namespace: string) {
    this.name = etcd.name
    this.#etcd = etcd
    this.#keys = new EtcdKeys(namespace)
    this.#leases = new EtcdLeases(etcd, this.#keys)
  }

  open(): Promise<void> {
    return this.#etcd.open(call => this.#look(call))
  }

  async close(): Promise<void> {
    this.#etcd.close()
  }

  campaign({ nonce, address, ttlMs, deposes }: Candidate): Promise<LeaderRow> {
    const seconds = wholeSeconds(ttlMs)
    return this.#etcd.operation(async call => {
      let seen = await this.#look(call)
      for (;;) {
        const { leader } = seen
        if (leader !== undefined && leader.nonce !== nonce && leader.nonce !== deposes) return rowOf(leader)
        if (leader?.nonce === nonce) {
          const renewed = Number((await call('Lease/LeaseKeepAlive', { ID: leader.lease })).TTL)
          if (renewed >= seconds && leader.address === address) return rowOf(leader)
          if (renewed === 0) {
            // The lease ended between the two looks, and the row with it.
            seen = await this.#look(call)
            continue
          }
        }
        const taken = await this.#take(call, { nonce, address, seconds }, seen)
        if ('won' in taken) return taken.won
        seen = taken
      }
    })
  }

  resign(nonce: string): Promise<void> {
    return this.#etcd.operation(async call => {
      const { leader } = await this.#look(call)
      // With the lease goes the row that hangs on it, and no other.
      if (leader?.nonce === nonce) await revoke(call, leader.lease)
    })
  }

  loadTable(): Promise<SavedTable | undefined> {
    return this.#etcd.operation(async call => {
      for (;;) {
        const saved = readSaved(found(await call('KV/Txn', { success: [get(this.#keys.saved)] }), 0))
        if (saved === undefined) return undefined
        const reply = await call('KV/Txn', {
          compare: [unchanged(this.#keys.saved, saved)], success: [list(this.#keys.partsOf(saved.stamp))],
        })
        if (!reply.succeeded) continue
        const parts = found(reply, 0)
        if (parts.length !== saved.parts) throw new TroupeError('STORE_UNAVAILABLE', `${this.name}: ${parts.length} of ${saved.parts} parts of the saved table are there; rows of troupe/ were deleted by hand`)
        const bytes = parts.length === 1 ? parts[0]!.value : Buffer.concat(parts.map(part => part.value))
        return { term: saved.term, version: saved.version, bytes }
      }
    })
  }

  saveTable(table: SavedTable): Promise<'ok' | 'stale'> {
    const keys = this.#keys
    const stamp = randomUUID()
    const parts = partsOf(table.bytes)
    const mine: Saved = { term: table.term, version: table.version, stamp, parts: parts.length }
    const look = [get(keys.term), get(keys.saved)]
    return this.#etcd.operation(async call => {
      let reply = await call('KV/Txn', { success: look })
      for (;;) {
        const [term, saved] = [readTerm(found(reply, 0)), readSaved(found(reply, 1))]
        if (saved?.stamp === stamp) return 'ok'
        // Parts that were written in vain are removed by the next save.
        if (table.term < Math.max(term?.term ?? 0, saved?.term ?? 0) || table.version <= (saved?.version ?? -1)) return 'stale'
        // Again in each round: another's save has removed them.
        for (const [index, part] of parts.slice(1).entries()) await call('KV/Txn', { success: [put(keys.part(stamp, index + 1), part)] })
        reply = await call('KV/Txn', {
          compare: [unchanged(keys.term, term), unchanged(keys.saved, saved)],
          success: [put(keys.part(stamp, 0), parts[0]!), put(keys.saved, JSON.stringify(mine)), ...keys.partsBeside(stamp).map(remove)],
          failure: look,
        })
        if (reply.succeeded) return 'ok'
      }
    })
  }

  openLease(lease: LeaseTime): Promise<void> {
    return this.#leases.open(lease)
  }

  renewLease(lease: LeaseTime): Promise<LeaseRenewal> {
    return this.#leases.renew(lease)
  }

  revokeLease(id: string): Promise<'revoked' | 'held'> {
    return this.#leases.revoke(id)
  }

  endLease(id: string): Promise<void> {
    return this.#leases.end(id)
  }

  leases(): Promise<readonly LeaseState[]> {
    return this.#leases.all()
  }

  /** Writes the leader row on a lease of its own, if the rows are still as they were seen; else gives what is there now. */
  async #take(call: Call, candidate: { nonce: string; address: string; seconds: number }, { leader: held, term }: Seen): Promise<{ won: LeaderRow } | Seen> {
    const { nonce, address, seconds } = candidate
    const keys = this.#keys
    const lease = (await call('Lease/LeaseGrant', { TTL: seconds })).ID
    const renewed = held?.nonce === nonce
    const won: LeaderRow = { nonce, address, term: renewed ? held.term : (term?.term ?? 0) + 1 }
    const reply = await call('KV/Txn', {
      compare: [unchanged(keys.leader, held), unchanged(keys.term, term)],
      success: [put(keys.leader, JSON.stringify(won), lease), ...(renewed ? [] : [put(keys.term, String(won.term))])],
      failure: [get(keys.leader), get(keys.term)],
    })
    const now = reply.succeeded ? undefined : seenIn(reply)
    // The second of two when the answer to the first got lost.
    const did = now === undefined || now.leader?.lease === lease
    const useless = did ? held?.lease : lease
    // Left alone it would end by itself.
    if (useless !== undefined) await revoke(call, useless).catch(() => undefined)
    return did ? { won } : now
  }

  async #look(call: Call): Promise<Seen> {
    return seenIn(await call('KV/Txn', { success: [get(this.#keys.leader), get(this.#keys.term)] }))
  }
}

/** The rows that say who leads. */
interface Seen {
  readonly leader: StoredLeader | undefined
  readonly term: StoredTerm | undefined
}

const seenIn = (reply: Parameters<typeof found>[0]): Seen => ({ leader: readLeader(found(reply, 0)), term: readTerm(found(reply, 1)) })
