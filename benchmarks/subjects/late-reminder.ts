/** Names of reminders that tell their round and when they are due: what receives them needs to know nothing else. Pure. */

export interface LateReminder {
  readonly round: string
  /** Milliseconds since the epoch. */
  readonly dueMs: number
}

export const lateReminderName = ({ round, dueMs }: LateReminder, index: number): string => `late-${round}-${dueMs}-${index}`

/** Undefined: it is none of these. */
export function readLateReminder(name: string): LateReminder | undefined {
  const [, round, dueMs] = /^late-([a-z0-9]+)-(\d+)-\d+$/.exec(name) ?? []
  return round === undefined ? undefined : { round, dueMs: Number(dueMs) }
}
