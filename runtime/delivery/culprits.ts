/**
 * Makes a dead letter of a reminder that ended three hosts: the whole reminder, not one occurrence of it, since the next one
 * would do the same. Somebody who has looked makes it due again (`retry`).
 *
 * Bringing its actor to life may be what ended the hosts, so the row is written without it; unless it lives already: then
 * only a turn of its own may write, since turns that are on their way may have changed the row.
 */
import type { Clock } from '../../core/clock.ts'
import { TroupeError } from '../../core/errors.ts'
import { showKey } from '../../core/ids.ts'
import type { Logger } from '../../core/logger.ts'
import { decodeReminder, encodeReminder, originalName, reminderEntry } from '../../reminders/reminder.ts'
import { NEVER_DUE, type ActorAddress, type DueRow } from '../../stores/actor-store.ts'
import type { InternalRun } from './internal-turn.ts'
import { writeRows, type RowPorts } from './row-write.ts'
import { describe } from './send-verdict.ts'
import { quarantined, withoutMark, type Suspect, type Suspects } from './suspects.ts'

interface CulpritPorts extends RowPorts {
  readonly suspects: Suspects
  readonly clock: Clock
  readonly log: Logger
  isActive(type: string, id: string): boolean
  /** The row is another now, as the store has it. */
  changed(address: ActorAddress, name: string, due: number, value: Uint8Array): void
}

export class Culprits {
  readonly #ports: CulpritPorts

  constructor(ports: CulpritPorts) {
    this.#ports = ports
  }

  /** `inTurn`: runs something as a turn of its actor. @throws STORE_UNAVAILABLE · STATE_UNREADABLE */
  async quarantine(suspect: Suspect, row: DueRow, inTurn: (run: InternalRun) => Promise<unknown>): Promise<void> {
    const { address } = suspect
    const actor = showKey(address)
    const reminder = originalName(row.name.slice(reminderEntry('').length))
    const error = describe(quarantined(`reminder ${JSON.stringify(reminder)} of ${actor}`))
    const { tryAt: _, ...rest } = decodeReminder(row.value, actor)
    const value = encodeReminder({ ...rest, dead: { error, at: this.#ports.clock.wallMs() } })
    if (this.#ports.isActive(address.type, address.id)) {
      await inTurn(activation => {
        if (activation.entries.find(row.name) !== undefined) return
        activation.entries.write([row.name, value, NEVER_DUE, row.due])
        activation.entries.write(withoutMark(row.name))
      })
    } else {
      const stored = await writeRows(this.#ports, address, [[row.name, value, NEVER_DUE, row.due], withoutMark(row.name)])
      if (stored !== 'ok') throw new TroupeError('STORE_UNAVAILABLE', `${actor}: that its reminder ${reminder} is quarantined could not be stored (${stored})`)
      this.#ports.changed(address, row.name, NEVER_DUE, value)
    }
    this.#ports.suspects.forget(suspect)
    this.#ports.log.error({ actor, reminder }, `a reminder is quarantined, see troupe reminders --dead: ${error}`)
  }
}
