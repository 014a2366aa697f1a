/** The actors that `reminders`, `sends` and `idempotent` measure: as small as such actors get. */
import { Actor, type ActorOptions, type MethodOptions, type Occurrence } from 'troupe'

/** Reminder runs in this process: how many, how late at most, and who waits for the next. */
export const runs = {
  count: 0,
  /** Milliseconds after its due time at which each began, when asked for. */
  late: undefined as number[] | undefined,
  onRun: undefined as (() => void) | undefined,
}

export class Scheduled extends Actor {
  fired = 0

  /** Sets a reminder due at `at`, ms since the epoch. */
  async plan(name: string, at: number): Promise<void> {
    await this.ctx.reminders.set(name, { at }, this._run)
  }
  _run(occurrence: Occurrence): void {
    this.fired++
    runs.count++
    runs.late?.push(Date.now() - occurrence.due.getTime())
    runs.onRun?.()
  }
  total(): number {
    return this.fired
  }

  static readonly options: ActorOptions = { mailbox: 100_000, maxReminders: 1_000_000 }
  static readonly methods = { total: { readonly: true } } satisfies MethodOptions<Scheduled>
}

export class Receiver extends Actor {
  got = 0

  take(): void {
    this.got++
  }
  total(): number {
    return this.got
  }

  static readonly options: ActorOptions = { mailbox: 100_000 }
  static readonly methods = { total: { readonly: true } } satisfies MethodOptions<Receiver>
}

export class Sender extends Actor {
  sent = 0

  /** Resolves when the send is stored, not when it has arrived. */
  tell(to: string): void {
    this.sent++
    this.ctx.send(Receiver, to).take()
  }

  static readonly options: ActorOptions = { mailbox: 100_000 }
}
