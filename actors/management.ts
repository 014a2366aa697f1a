/**
 * What can be done to an actor from outside besides calling it: its reminders, and its sends that were not delivered yet
 * or failed for good. Every operation is a turn of the actor (it activates), so it meets no half-done turn.
 */
import type { ListOptions, ReminderInfo, ReminderSchedule, TimerSchedule } from './actor-reminders.ts'

export interface ManagedReminders {
  /**
   * As `ctx.reminders.set`; `method` by name, and only one that may be called from outside. Without it: `onReminder(name, data, occurrence)`.
   * @throws BAD_SCHEDULE · REMINDER_EXISTS · QUOTA_EXCEEDED · PAYLOAD_TOO_LARGE · UNKNOWN_METHOD · BAD_REQUEST
   */
  set(name: string, schedule: ReminderSchedule, method?: string, ...args: unknown[]): Promise<void>
  get(name: string): Promise<ReminderInfo | undefined>
  list(options?: ListOptions): Promise<ReminderInfo[]>
  /** True when there was one. */
  delete(name: string): Promise<boolean>
  /** Makes a dead letter due at once, with all its attempts again. @throws REMINDER_NOT_FOUND when there is no such dead letter */
  retry(name: string): Promise<void>
}

/** A durable send that is not delivered yet. */
export interface SendInfo {
  /** Rises with each send of its actor. */
  readonly number: number
  readonly type: string
  readonly id: string
  readonly method: string
  readonly args: readonly unknown[]
  /** Deliveries that failed for certain, since its present host took it over. */
  readonly failures: number
  /** Why the last delivery failed, when the actor itself was asked. */
  readonly problem: string | undefined
  /** Set when its last delivery failed for good. */
  readonly dead: { readonly error: string; readonly at: Date } | undefined
}

export interface ManagedSends {
  /** In order of their numbers; `dead`: only dead letters. */
  list(options?: { dead?: boolean; after?: number; limit?: number }): Promise<SendInfo[]>
  /** Sends a dead letter again, under a new number. @throws NOT_FOUND */
  retry(number: number): Promise<void>
  /** Drops a dead letter. @throws NOT_FOUND */
  delete(number: number): Promise<void>
}

export interface ActorManagement {
  readonly reminders: ManagedReminders
  readonly sends: ManagedSends
}

/** Data from a door, as it came: JSON text that has been checked, or bytes. */
export type DoorData = { readonly json: string } | { readonly bytes: Uint8Array }

/** How a schedule was written, to be shown as it was. */
export interface WrittenSchedule {
  readonly dueTime: string
  readonly period: string
  readonly ttl: string
}

/**
 * What doors alone ask for, as operations: data stays as it came until it is known whether a class or an application runs the type.
 *
 * - `reminders.setData(name, schedule, data?, written?)`: a reminder for the hook `onReminder`.
 * - `timers.set(name, setting)`, `timers.get(name)`, `timers.list()`, `timers.delete(name)`.
 * - `state.transact(changes)`: all of them in one commit, durable when it is answered. @throws NOT_ACTIVE for an actor of an
 *   application that is not active on this very host
 */
export interface TimerSetting {
  readonly schedule: TimerSchedule
  /** The method of a class; what an application dispatches on. */
  readonly callback: string
  readonly data: DoorData | undefined
  readonly written: WrittenSchedule
}

export interface TimerInfo {
  readonly name: string
  readonly callback: string
  readonly data: DoorData | undefined
  readonly written: WrittenSchedule
}

/** `value` undefined: the key is deleted. */
export interface StateChange {
  readonly key: string
  readonly value: DoorData | undefined
  readonly ttlMs?: number | undefined
}

/** As they travel: name of the operation and its arguments. */
export const managementOperations = [
  'reminders.set', 'reminders.get', 'reminders.list', 'reminders.delete', 'reminders.retry', 'sends.list', 'sends.retry', 'sends.delete',
  'reminders.setData', 'timers.set', 'timers.get', 'timers.list', 'timers.delete', 'state.transact',
] as const

export type ManagementOperation = (typeof managementOperations)[number]

/** The operations as methods, whatever carries them. */
export function managementOf(run: (operation: ManagementOperation, args: readonly unknown[]) => Promise<unknown>): ActorManagement {
  const operation = (name: ManagementOperation) => (...args: unknown[]): Promise<never> => run(name, args) as Promise<never>
  return {
    reminders: {
      set: operation('reminders.set'), get: operation('reminders.get'), list: operation('reminders.list'),
      delete: operation('reminders.delete'), retry: operation('reminders.retry'),
    },
    sends: { list: operation('sends.list'), retry: operation('sends.retry'), delete: operation('sends.delete') },
  }
}
