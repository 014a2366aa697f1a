/**
 * The person who looks after a simulated cluster once it is whole: what was set aside because hosts died with it (three deaths
 * are enough) is looked at and tried again, so that nothing may be missing in the end.
 */
import type { ManagementOperation } from '../../actors/management.ts'
import type { SimCluster, SimOutcome } from '../../runtime/testing/sim-cluster.ts'
import { creditEntry, type LedgerAudit } from './ledger.ts'

interface DeadSend {
  readonly number: number
  readonly id: string
  readonly args: readonly unknown[]
}

export class Operator {
  /** Sends that were tried again, after others of their pair perhaps: `from→to`. */
  readonly revived = new Set<string>()
  readonly #cluster: SimCluster
  readonly #ledgers: number

  constructor(cluster: SimCluster, ledgers: number) {
    this.#cluster = cluster
    this.#ledgers = ledgers
  }

  async look(): Promise<void> {
    for (let i = 0; i < this.#ledgers; i++) {
      const id = `a${i}`
      for (const { name, dead } of await this.#list<{ name: string; dead?: unknown }>(id, 'reminders.list', {})) {
        if (dead !== undefined) await this.#ask(id, 'reminders.retry', name)
      }
      for (const send of await this.#list<DeadSend>(id, 'sends.list', { dead: true })) await this.#revive(id, send)
    }
  }

  /** What was set aside may have been applied by the last host that died with it: to send it again then would be to do it twice. */
  async #revive(from: string, { number, id, args }: DeadSend): Promise<void> {
    const target = await this.#cluster.call(this.#host, { type: 'Ledger', id, method: 'audit', args: [] }, 5_000)
    if (target.kind !== 'ok') return
    this.revived.add(`${from}→${id}`)
    const isApplied = (target.value as LedgerAudit).log.includes(creditEntry(from, args[1] as number))
    await this.#ask(from, isApplied ? 'sends.delete' : 'sends.retry', number)
  }

  /** Nothing, when it cannot be asked: the next look finds it. */
  async #list<Item>(id: string, operation: ManagementOperation, options: object): Promise<Item[]> {
    const outcome = await this.#ask(id, operation, options)
    return outcome.kind === 'ok' ? outcome.value as Item[] : []
  }

  async #ask(id: string, operation: ManagementOperation, arg: unknown): Promise<SimOutcome> {
    const outcome = await this.#cluster.manage(this.#host, { type: 'Ledger', id, operation, args: [arg] }, 5_000)
    if (typeof arg !== 'object') this.#cluster.kernel.note(`${operation} ${String(arg)} of ${id}: ${outcome.kind === 'error' ? outcome.code : outcome.kind}`)
    return outcome
  }

  get #host(): number {
    return this.#cluster.hosts.length - 1
  }
}
