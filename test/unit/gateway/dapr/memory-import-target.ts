/** Where an import is written to in tests: what was written last, by actor and key. */
import type { StateChange } from '../../../../actors/management.ts'
import type { ImportTarget } from '../../../../gateway/dapr/import/dapr-import.ts'
import type { ImportedReminder } from '../../../../gateway/dapr/import/import-reminders.ts'

export class MemoryImportTarget implements ImportTarget {
  readonly states = new Map<string, Map<string, StateChange>>()
  readonly reminders = new Map<string, Pick<ImportedReminder, 'schedule' | 'data' | 'written'>>()
  commits = 0
  /** Why a key cannot be written. */
  refuse: (key: string) => Error | undefined = () => undefined

  async state(type: string, id: string, changes: readonly StateChange[]): Promise<void> {
    for (const { key } of changes) {
      const error = this.refuse(key)
      if (error !== undefined) throw error
    }
    this.commits++
    const state = this.states.get(`${type}/${id}`) ?? new Map<string, StateChange>()
    for (const change of changes) state.set(change.key, change)
    this.states.set(`${type}/${id}`, state)
  }

  async reminder({ type, id, name, schedule, data, written }: ImportedReminder): Promise<void> {
    this.reminders.set(`${type}/${id} ${name}`, { schedule, data, written })
  }

  /** Values as text; times to live under `KEY ttl`. */
  show(): Record<string, Record<string, string | number>> {
    return Object.fromEntries([...this.states].map(([actor, state]) => [actor, Object.fromEntries([...state.values()].flatMap(({ key, value, ttlMs }) => [
      [key, Buffer.from((value as { bytes: Uint8Array }).bytes).toString()],
      ...ttlMs === undefined ? [] : [[`${key} ttl`, ttlMs]],
    ]))]))
  }
}
