/** A write of an actor's rows without its head: the actor need not be active, and no turn of it runs. */
import type { ActorAddress, ActorWrite, CommitResult, EntryChange, ShardKey } from '../../stores/actor-store.ts'
import type { Committable, GroupCommit } from '../../stores/group-commit.ts'
import type { RowClaim } from './outbox-sender.ts'

export interface RowPorts {
  readonly commits: GroupCommit
  /** Claim under which rows of this shard may be written; undefined when this host does not own it now. */
  claim(shard: ShardKey): RowClaim | undefined
}

class RowWrite implements Committable {
  readonly #address: ActorAddress
  readonly #entries: readonly EntryChange[]
  readonly #ports: RowPorts
  readonly #settle: (result: CommitResult) => void

  constructor(address: ActorAddress, entries: readonly EntryChange[], ports: RowPorts, settle: (result: CommitResult) => void) {
    this.#address = address
    this.#entries = entries
    this.#ports = ports
    this.#settle = settle
  }

  takeWrite(): ActorWrite {
    const { type, shard, id } = this.#address
    // Without a claim: under none, which every store refuses.
    const { epoch, nonce } = this.#ports.claim(this.#address) ?? { epoch: 0, nonce: '' }
    return { type, shard, id, epoch, nonce, previous: 0, head: null, entries: this.#entries }
  }

  writeSettled(result: CommitResult): void {
    this.#settle(result)
  }
}

/** No other write of these entries may be under way. */
export const writeRows = (ports: RowPorts, address: ActorAddress, entries: readonly EntryChange[]): Promise<CommitResult> =>
  new Promise(resolve => ports.commits.enqueue(new RowWrite(address, entries, ports, resolve)))
