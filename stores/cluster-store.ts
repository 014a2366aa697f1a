/**
 * The port to the cluster's own rows: who leads placement, and the placement table. Adapters: memory, LMDB, Redis, etcd.
 *
 * Promises: terms and versions only rise. The leader row has an owner nonce, a term and an end by the store's clock (on
 * LMDB: the machine's wall clock, which all its processes share). A table is saved only for the newest term that ever
 * saved or led, and only with a higher version: a leader that was replaced cannot save. Safety of actors does not hang
 * on these rows but on the fence (stores/actor-store.ts).
 */

export interface LeaderRow {
  readonly nonce: string
  /** HOST:PORT of the leader's placement service. */
  readonly address: string
  /** Rises by one with each change of leader. */
  readonly term: number
}

export interface SavedTable {
  readonly term: number
  readonly version: number
  readonly bytes: Uint8Array
}

export interface ClusterStore {
  readonly name: string
  /** How many ms later than asked the row of a leader that is gone may end; absent: none. Whoever waits for its end waits this longer. */
  readonly lateMs?: number
  open(): Promise<void>
  close(): Promise<void>
  /**
   * Takes the leader row when it is free or expired (term + 1), renews it when `nonce` holds it (same term); returns the
   * row as it is now: won when its nonce is the candidate's. @throws STORE_UNAVAILABLE
   */
  campaign(candidate: { nonce: string; address: string; ttlMs: number }): Promise<LeaderRow>
  /** Ends the row at once if `nonce` holds it; the term stays used. @throws STORE_UNAVAILABLE */
  resign(nonce: string): Promise<void>
  /** @throws STORE_UNAVAILABLE */
  loadTable(): Promise<SavedTable | undefined>
  /** 'stale' when the stored term is higher, or the stored version is not lower; nothing is written then. @throws STORE_UNAVAILABLE */
  saveTable(table: SavedTable): Promise<'ok' | 'stale'>
}
