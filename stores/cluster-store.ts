/**
 * The port to the cluster's own rows: who leads placement, the placement table, and the hosts' leases. Adapters: memory, LMDB,
 * Redis, PostgreSQL, etcd.
 *
 * Promises: terms and versions only rise. The leader row has an owner nonce, a term and an end by the store's clock (on
 * LMDB: the machine's monotonic clock, which all its processes share). A table is saved only for the newest term that ever
 * saved or led, and only with a higher version: a leader that was replaced cannot save. Safety of what actors write does not
 * hang on these rows but on the fence (stores/actor-store.ts); that no thawed host answers from old memory hangs on the leases.
 *
 * **Leases.** A lease is opened once under an id that is never used again (a host's incarnation), renewed by its holder, and is
 * over when its time has passed by the store's clock. Being over changes nothing by itself: a holder that comes back may still
 * renew it, until somebody has *revoked* it. Renewal and revocation of one lease are ordered by the store: after 'revoked' no
 * renewal of it is ever held again.
 */

export interface LeaderRow {
  readonly nonce: string
  /** HOST:PORT of the leader's placement service. */
  readonly address: string
  /** Rises by one with each change of leader. */
  readonly term: number
}

export interface Candidate {
  readonly nonce: string
  readonly address: string
  readonly ttlMs: number
  /** The nonce of a holder whose process is known to be gone. */
  readonly deposes?: string | undefined
}

export interface SavedTable {
  readonly term: number
  readonly version: number
  readonly bytes: Uint8Array
}

export interface LeaseTime {
  readonly id: string
  /** How long the lease lasts from now. */
  readonly ttlMs: number
}

/** What a renewal tells its holder. */
export interface LeaseRenewal {
  /** False: it was revoked or ended, or never opened. It will never be held again. */
  readonly held: boolean
  /** Version of the saved table; 0: none was saved. */
  readonly version: number
  /** The leader row; undefined when nobody holds it or its time is over. */
  readonly leader: LeaderRow | undefined
}

export interface LeaseState {
  readonly id: string
  /**
   * Until it is over, by the store's clock; 0 or less: it is over and may be revoked. A store that cannot tell how long a lease
   * still lasts gives its whole time as long as it does (etcd).
   */
  readonly leftMs: number
}

export interface ClusterStore {
  readonly name: string
  /**
   * How many ms later than asked the row of a leader that is gone may end, and the lease of a host that is gone; absent: none.
   * Whoever waits for an end waits this longer. Never does one end earlier than asked.
   */
  readonly lateMs?: number
  open(): Promise<void>
  close(): Promise<void>
  /**
   * Takes the leader row when it is free or expired (term + 1), renews it when `nonce` holds it (same term); returns the
   * row as it is now: won when its nonce is the candidate's. `deposes`: the nonce of a holder whose process is known to be gone;
   * while it holds the row it counts as free. @throws STORE_UNAVAILABLE
   */
  campaign(candidate: Candidate): Promise<LeaderRow>
  /** Ends the row at once if `nonce` holds it; the term stays used. @throws STORE_UNAVAILABLE */
  resign(nonce: string): Promise<void>
  /** @throws STORE_UNAVAILABLE */
  loadTable(): Promise<SavedTable | undefined>
  /** 'stale' when the stored term is higher, or the stored version is not lower; nothing is written then. @throws STORE_UNAVAILABLE */
  saveTable(table: SavedTable): Promise<'ok' | 'stale'>
  /**
   * Makes the lease `id`. Whoever does not hear the answer opens another one under a new id: a request that arrives late must not
   * bring a revoked lease back. @throws STORE_UNAVAILABLE
   */
  openLease(lease: LeaseTime): Promise<void>
  /** Makes it last `ttlMs` from now, also when it was over, if it is still there. @throws STORE_UNAVAILABLE */
  renewLease(lease: LeaseTime): Promise<LeaseRenewal>
  /** Takes away a lease that is over (or is not there). 'held': it is not over, nothing was done. @throws STORE_UNAVAILABLE */
  revokeLease(id: string): Promise<'revoked' | 'held'>
  /** Takes it away whether it is over or not: its holder leaves, or its process is known to be gone. @throws STORE_UNAVAILABLE */
  endLease(id: string): Promise<void>
  /** All that were opened and neither revoked nor ended, in any order. @throws STORE_UNAVAILABLE */
  leases(): Promise<readonly LeaseState[]>
}
