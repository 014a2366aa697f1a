/**
 * Hosts' leases on etcd: two rows each. `lease` is there until the lease is revoked or ended; `live` hangs on an etcd lease, so
 * etcd's clock takes it away when the time is over (as late as `lateMs` of the store says, never sooner than asked).
 *
 * Revoking is one transaction: remove `lease` if there is no `live`. A renewal first makes the etcd lease last anew, which writes
 * no history, and then *reads* both rows: only a renewal that saw them is held. So when a lease is revoked, `live` had ended, and
 * by etcd's clock that is the whole time after the last renewal that was held had been sent. A renewal that finds `live` gone
 * writes it again, on the condition that `lease` is as it was: it comes before the revocation, which then finds `live`, or after it
 * and finds nothing.
 *
 * etcd before 3.5.13 (3.4.31) could, when its leader froze and thawed, end leases that had been renewed: use a newer one.
 */
import type { LeaseRenewal, LeaseState, LeaseTime } from '../cluster-store.ts'
import type { Call, EtcdConnection } from './connection.ts'
import { EtcdFailure, type Calls } from './rpc.ts'
import { found, get, list, put, readLeader, readSaved, removeOne, rowOf, unchanged, wholeSeconds, type EtcdKeys } from './rows.ts'

/** The rows that a renewal looks at. */
interface Seen {
  readonly row: { readonly revision: string } | undefined
  /** The etcd lease that the live row hangs on. */
  readonly lease: string | undefined
  readonly news: Omit<LeaseRenewal, 'held'>
}

export class EtcdLeases {
  readonly #etcd: EtcdConnection
  readonly #keys: EtcdKeys
  /** The etcd lease of each lease that is renewed here, as last seen. */
  readonly #renewed = new Map<string, string>()

  constructor(etcd: EtcdConnection, keys: EtcdKeys) {
    this.#etcd = etcd
    this.#keys = keys
  }

  open({ id, ttlMs }: LeaseTime): Promise<void> {
    return this.#etcd.operation(async call => {
      const { ID: lease } = await call('Lease/LeaseGrant', { TTL: wholeSeconds(ttlMs) })
      await call('KV/Txn', { success: [put(this.#keys.lease(id), ''), put(this.#keys.live(id), String(ttlMs), lease)] })
      this.#renewed.set(id, lease)
    })
  }

  renew({ id, ttlMs }: LeaseTime): Promise<LeaseRenewal> {
    const keys = this.#keys
    const look = [get(keys.lease(id)), get(keys.live(id)), get(keys.leader), get(keys.saved)]
    const seconds = wholeSeconds(ttlMs)
    return this.#etcd.operation(async call => {
      for (let lease = this.#renewed.get(id); ;) {
        const lasts = lease === undefined ? 0 : Number((await call('Lease/LeaseKeepAlive', { ID: lease })).TTL)
        // After that, never before: what is seen here was still so when the time had begun anew.
        const seen = seenIn(await call('KV/Txn', { success: look }))
        if (seen.row === undefined) {
          this.#renewed.delete(id)
          return { ...seen.news, held: false }
        }
        if (lease !== undefined && lasts >= seconds && seen.lease === lease) {
          this.#renewed.set(id, lease)
          return { ...seen.news, held: true }
        }
        if (seen.lease !== undefined && seen.lease !== lease) {
          lease = seen.lease
          continue
        }
        // It is over, or has too short a time. The next round sees what became of this.
        lease = (await call('Lease/LeaseGrant', { TTL: seconds })).ID
        await call('KV/Txn', { compare: [unchanged(keys.lease(id), seen.row)], success: [put(keys.live(id), String(ttlMs), lease)] })
      }
    })
  }

  revoke(id: string): Promise<'revoked' | 'held'> {
    return this.#etcd.operation(async call => {
      const { succeeded } = await call('KV/Txn', { compare: [unchanged(this.#keys.live(id), undefined)], success: [removeOne(this.#keys.lease(id))] })
      return succeeded ? 'revoked' : 'held'
    })
  }

  end(id: string): Promise<void> {
    const live = this.#keys.live(id)
    return this.#etcd.operation(async call => {
      const reply = await call('KV/Txn', { success: [get(live), removeOne(live), removeOne(this.#keys.lease(id))] })
      this.#renewed.delete(id)
      const [row] = found(reply, 0)
      // Left alone it would end by itself.
      if (row !== undefined) await revoke(call, row.lease).catch(() => undefined)
    })
  }

  all(): Promise<readonly LeaseState[]> {
    return this.#etcd.operation(async call => {
      const reply = await call('KV/Txn', { success: [list(this.#keys.leases), list(this.#keys.allLive)] })
      const live = new Map(found(reply, 1).map(row => [this.#keys.idIn(row), Number(row.value.toString())]))
      return found(reply, 0).map(row => this.#keys.idIn(row)).map(id => ({ id, leftMs: live.get(id) ?? 0 }))
    })
  }
}

function seenIn(reply: Calls['KV/Txn']['reply']): Seen {
  const [[row], [live], leader, saved] = [found(reply, 0), found(reply, 1), readLeader(found(reply, 2)), readSaved(found(reply, 3))]
  return {
    row: row && { revision: row.mod_revision },
    lease: live?.lease,
    news: { version: saved?.version ?? 0, leader: leader && rowOf(leader) },
  }
}

/** Ends an etcd lease, and what hangs on it. */
export async function revoke(call: Call, lease: string): Promise<void> {
  try {
    await call('Lease/LeaseRevoke', { ID: lease })
  } catch (error) {
    // It has ended by itself, or an earlier try got through.
    if (!(error instanceof EtcdFailure && error.kind === 'missing')) throw error
  }
}
