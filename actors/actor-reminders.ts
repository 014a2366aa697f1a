/**
 * What an author sees of durable time: schedules, reminders, occurrences, timers.
 *
 * How a schedule is read and what it means is reminders/schedule.ts; this file is the vocabulary.
 */
import type { Duration } from '../core/duration.ts'

/** A `Date`, or RFC 3339 text with its offset (`2026-03-01T09:00:00+01:00`). A number is milliseconds since the epoch. */
export type Instant = Date | string | number

/**
 * A length of time: milliseconds, `'1h30m'` (Go: h, m, s, ms, us, ns), or ISO 8601 (`'PT30S'`, `'P1D'`, `'P1M'`). Days,
 * weeks, months and years of ISO 8601 are those of the calendar.
 */
export type Period = Duration

export interface ReminderPolicy {
  /**
   * Occurrences that were due while nobody could run them: 'once' (default) runs them as one, 'all' runs each, 'skip'
   * runs none that is over a minute late.
   */
  missed?: 'once' | 'all' | 'skip'
  /**
   * A run that fails is tried again: `attempts` runs in all (4 by default), the first `backoff` later (1 s by default), then
   * twice that, and so on up to an hour; `constant`: `backoff` later each time. After the last it is a dead letter, shown and
   * retried by `troupe reminders --dead`.
   */
  retry?: { attempts?: number; backoff?: Duration; constant?: boolean }
  /** False: an existing reminder of the name is not replaced, REMINDER_EXISTS is thrown. True by default. */
  overwrite?: boolean
}

/** When a reminder is due. `first` and `until` may be instants (Date, text) or lengths of time from now (text, milliseconds). */
export type ReminderSchedule = ReminderPolicy & (
  | { at: Instant }
  | { in: Period }
  /** `first` is one period from now by default. `every: 'R5/PT10S'` is the same as `times: 5`. `tz` is for calendar periods, UTC by default. */
  | { every: Period; first?: Date | Period; times?: number; until?: Date | Period; tz?: string }
  /** Five fields, or six with seconds first; `tz` is an IANA name, UTC by default. */
  | { cron: string; tz?: string; times?: number; until?: Date | Period }
)

/** One due time of a reminder, as its handler gets it. */
export interface Occurrence {
  /** The reminder's name. */
  readonly reminder: string
  /** When it was due by its schedule; a retry has the due time of the first try. */
  readonly due: Date
  /** 1 for the first run of this reminder. */
  readonly count: number
  /** 1 for the first try of this occurrence. */
  readonly attempt: number
  /** How many earlier occurrences this run stands for (`missed: 'once'`); of cron and calendar periods at most 1,000 are counted. */
  readonly missed: number
}

/** An occurrence while its handler runs. */
export interface Firing extends Occurrence {
  /** Ends the reminder with this turn: it is deleted unless the turn fails. */
  cancel(): void
}

export interface ReminderInfo {
  readonly name: string
  /** In the plain form: `at`, `first` and `until` as RFC 3339 text in UTC, `every` as ISO 8601 or milliseconds. */
  readonly schedule: ReminderSchedule
  /** Undefined: the hook `onReminder`. */
  readonly method: string | undefined
  readonly args: readonly unknown[]
  /** When it runs next; undefined for a dead letter. */
  readonly due: Date | undefined
  /** Runs that succeeded so far. */
  readonly count: number
  /** Tries of the present occurrence that failed. */
  readonly failures: number
  /** Set when its last try failed for good. */
  readonly dead: { readonly error: string; readonly at: Date } | undefined
  /** How its schedule was written, when it was set by a door in Dapr's fields. */
  readonly written?: { readonly dueTime: string; readonly period: string; readonly ttl: string }
  /** Data as JSON text, of an application's actor: `args` is empty then. */
  readonly json?: string
}

export interface ListOptions {
  /** Only names that start with it. */
  prefix?: string
  /** Only names after this one. */
  after?: string
  /** At most so many; 1,000 by default and at most. */
  limit?: number
}

/** `this._interest`, or its name. A reminder's gets `args` and then the Firing. */
export type ReminderTarget = string | ((...args: any[]) => unknown)

/**
 * Durable reminders of this actor. Setting and deleting are part of the turn: committed with it, taken back with it.
 * Names are 1 to 256 bytes without `/ \ # ?` and control characters.
 */
export interface ActorReminders {
  /**
   * Sets or replaces a reminder. Without `target` the hook `onReminder(name, data, occurrence)` is called with the first of `args`.
   * @throws BAD_SCHEDULE · REMINDER_EXISTS (`overwrite: false`) · QUOTA_EXCEEDED · PAYLOAD_TOO_LARGE · UNKNOWN_METHOD ·
   * NOT_ENCODABLE · BAD_REQUEST for an illegal name · READONLY_VIOLATION · OUTSIDE_TURN
   */
  set(name: string, schedule: ReminderSchedule, target?: ReminderTarget, ...args: unknown[]): Promise<void>
  /** @throws OUTSIDE_TURN · STORE_UNAVAILABLE */
  get(name: string): Promise<ReminderInfo | undefined>
  /** In order of names, this turn's own changes included. */
  list(options?: ListOptions): Promise<ReminderInfo[]>
  /** True when there was one. */
  delete(name: string): Promise<boolean>
}

export interface TimerSchedule {
  /** From now to the first tick; `every` by default. */
  first?: Duration
  /** From one tick's due time to the next; without it there is one tick. At least 1 ms. */
  every?: Duration
  /** At most so many ticks. */
  times?: number
  /** No tick is due after so long from now. */
  until?: Duration
  /** Ticks keep the activation from being idle; false by default. */
  keepAlive?: boolean
}

/**
 * Timers of this activation: in memory, gone with it. A tick is a turn like any other; the next one is due only after it
 * has ended, and a tick that throws is logged and stops nothing. Setting one is no part of the turn: a turn that throws
 * takes it back as little as a `#private` field.
 */
export interface ActorTimers {
  /** Sets or replaces a timer. The method gets `args`. @throws BAD_SCHEDULE · UNKNOWN_METHOD · QUOTA_EXCEEDED · OUTSIDE_TURN */
  set(name: string, schedule: TimerSchedule, target: ReminderTarget, ...args: unknown[]): void
  /** True when there was one. */
  delete(name: string): boolean
  list(): { readonly name: string; readonly dueInMs: number; readonly ticks: number }[]
}
