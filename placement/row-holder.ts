/**
 * Whoever holds the leader row, as another candidate sees it: alive, or gone and to be deposed.
 *
 * Gone is one whose address refuses connections, and one that is named at this candidate's very address, where now this process
 * listens. Evidence may be wrong (an address that only some reach): so a holder that has come back after it was deposed lives,
 * whatever is seen of it, and is not deposed again. It is probed when it is new, and a few times after each hint.
 */
import type { Logger } from '../core/logger.ts'
import type { LeaderRow } from '../stores/cluster-store.ts'
import { addressProblem } from './addresses.ts'
import type { Probe } from './prober.ts'
import { Remembered } from './remembered.ts'

/** A dying process closes its streams a moment before or after its port. */
const HINT_PROBES = 5
const MAX_DEPOSED = 32

export interface RowHolderParts {
  /** This candidate's own. */
  readonly address: string
  readonly log: Logger
  readonly probe: Probe
  /** It is gone: the next campaign should say so. */
  gone(): void
}

export class RowHolder {
  readonly #parts: RowHolderParts
  #row: LeaderRow | undefined
  #probesLeft = 0
  #probing = false
  #condemned: string | undefined
  readonly #deposed = new Remembered(MAX_DEPOSED)

  constructor(parts: RowHolderParts) {
    this.#parts = parts
  }

  /** Nonce of the holder when it is gone: what a campaign `deposes`. */
  get condemned(): string | undefined {
    return this.#condemned
  }

  /** A campaign that deposed `nonce` was answered. */
  tried(nonce: string | undefined): void {
    if (this.#condemned === nonce) this.#condemned = undefined
  }

  /** Somebody has reason to think that it is gone. */
  hint(): void {
    this.#probesLeft = HINT_PROBES
  }

  /** The row is another's. Says whether that one is gone, is to be looked at again soon, or is taken for alive. */
  saw(row: LeaderRow): 'gone' | 'doubted' | 'alive' {
    if (row.nonce !== this.#row?.nonce) this.#probesLeft = Math.max(this.#probesLeft, 1)
    this.#row = row
    if (row.address === this.#parts.address && this.#depose(row, 'this process listens at its address')) return 'gone'
    // A host alone that starts on this store holds the row for a moment, and has no address.
    if (this.#probesLeft <= 0 || addressProblem(row.address) !== undefined) return 'alive'
    this.#probesLeft--
    void this.#probe(row)
    return this.#probesLeft > 0 ? 'doubted' : 'alive'
  }

  /** The row is this candidate's own, or it campaigns no more. */
  forget(): void {
    this.#row = undefined
    this.#condemned = undefined
    this.#probesLeft = 0
  }

  async #probe(row: LeaderRow): Promise<void> {
    if (this.#probing) return
    this.#probing = true
    const result = await this.#parts.probe(row.address)
    this.#probing = false
    if (result === 'refused' && this.#depose(row, 'its address refuses connections')) this.#parts.gone()
  }

  #depose(row: LeaderRow, why: string): boolean {
    if (this.#row?.nonce !== row.nonce || this.#deposed.has(row.nonce)) return false
    this.#condemned = row.nonce
    this.#deposed.add(row.nonce)
    this.#parts.log.warn({ leader: row.address, term: row.term }, `the placement leader is gone: ${why}`)
    return true
  }
}
