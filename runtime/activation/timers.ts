/**
 * Timers of activations: in memory, one heap and one clock timer for all of a host.
 *
 * A tick is a turn, run by the host. The next tick of a timer is due only when the last has ended: at its scheduled time
 * plus `every`, or, when that is past, at the next multiple of it, so a slow tick is followed by none that make up
 * for it. A tick that fails is logged and stops nothing. Time is monotonic: a jump of the wall clock moves no timer.
 */
import type { ActorTimers, ReminderTarget, TimerSchedule } from '../../actors/actor-reminders.ts'
import type { TimerInfo, TimerSetting } from '../../actors/management.ts'
import { targetName, type ActorType } from '../../actors/actor-type.ts'
import type { Clock, Timer as ClockTimer } from '../../core/clock.ts'
import { copy, isPrimitive } from '../../core/codec.ts'
import { messageOf, TroupeError } from '../../core/errors.ts'
import { checkMember } from '../../core/ids.ts'
import type { Logger } from '../../core/logger.ts'
import { DueHeap, type HeapItem } from '../../reminders/due-heap.ts'
import { readTimerSchedule, type ReadTimerSchedule } from './timer-schedule.ts'

export const MAX_TIMERS = 1_000
/** The longest delay that clocks take. */
const MAX_SLEEP_MS = 2 ** 31 - 1
/** Ticks started in one go before others get the thread. */
const BURST = 512

/** Whose timers they are: an activation. */
export interface TimerOwner {
  /** `Type/id`. */
  readonly name: string
  readonly type: ActorType
}

export interface TimerPorts<Owner extends TimerOwner> {
  readonly clock: Clock
  readonly log: Logger
  /**
   * Runs one turn of the method with `args`, which are the callee's; resolves when it has ended, rejects when it failed.
   * `keepAlive`: it counts as use of the activation.
   */
  tick(owner: Owner, name: string, method: string, args: readonly unknown[], keepAlive: boolean): Promise<void>
}

/** waiting ⇄ ticking → gone: deleted, replaced, done, or its activation ended. */
type TimerPhase = 'waiting' | 'ticking' | 'gone'

class ActivationTimer<Owner extends TimerOwner> implements HeapItem {
  at = 0
  order = 0
  slot = -1
  phase: TimerPhase = 'waiting'
  /** Ticks that ended. */
  ticks = 0
  readonly timers: ActivationTimers<Owner>
  readonly name: string
  readonly schedule: ReadTimerSchedule
  readonly method: string
  readonly args: readonly unknown[]
  /** As a door set it. */
  readonly setting: TimerSetting | undefined
  /** No tick is due later. */
  readonly untilMs: number

  constructor(
    timers: ActivationTimers<Owner>, name: string, schedule: ReadTimerSchedule, method: string, args: readonly unknown[], nowMs: number, setting: TimerSetting | undefined,
  ) {
    this.timers = timers
    this.setting = setting
    this.untilMs = nowMs + schedule.untilMs
    this.name = name
    this.schedule = schedule
    this.method = method
    this.args = args
  }
}

/** All timers of a host. */
export class TimerQueue<Owner extends TimerOwner = TimerOwner> {
  readonly #ports: TimerPorts<Owner>
  readonly #heap = new DueHeap<ActivationTimer<Owner>>()
  readonly #wake = (): void => this.#run()
  #timer: ClockTimer | undefined
  /** When the clock's timer runs; Infinity without one. */
  #wakeMs = Infinity
  #phase: 'open' | 'running' | 'closed' = 'open'

  constructor(ports: TimerPorts<Owner>) {
    this.#ports = ports
  }

  /** Timers that wait for their time. */
  get size(): number {
    return this.#heap.size
  }
  get nowMs(): number {
    return this.#ports.clock.monotonicMs()
  }

  timersOf(owner: Owner): ActivationTimers<Owner> {
    return new ActivationTimers(owner, this)
  }

  /** No tick starts any more. */
  close(): void {
    this.#phase = 'closed'
    this.#timer?.cancel()
  }

  arm(timer: ActivationTimer<Owner>, atMs: number): void {
    this.#heap.put(timer, atMs)
    this.#sleep()
  }

  disarm(timer: ActivationTimer<Owner>): void {
    // The clock's timer may run for nothing then: cheaper than setting it anew with each change.
    this.#heap.remove(timer)
  }

  #sleep(): void {
    const next = this.#heap.peek()
    if (next === undefined || this.#phase !== 'open' || next.at >= this.#wakeMs) return
    this.#timer?.cancel()
    const delayMs = Math.min(MAX_SLEEP_MS, Math.max(0, Math.ceil(next.at - this.nowMs)))
    this.#wakeMs = next.at
    this.#timer = this.#ports.clock.after(delayMs, this.#wake)
  }

  #run(): void {
    if (this.#phase === 'closed') return
    this.#timer = undefined
    this.#wakeMs = Infinity
    this.#phase = 'running'
    const now = this.nowMs
    for (let started = 0; started < BURST; started++) {
      const timer = this.#heap.peek()
      if (timer === undefined || timer.at > now) break
      this.#heap.remove(timer)
      this.#tick(timer)
    }
    if ((this.#phase as string) === 'closed') return
    this.#phase = 'open'
    this.#sleep()
  }

  #tick(timer: ActivationTimer<Owner>): void {
    timer.phase = 'ticking'
    const { timers, name, method, args, schedule } = timer
    let tick: Promise<void>
    try {
      tick = this.#ports.tick(timers.owner, name, method, args.every(isPrimitive) ? args : copy(args, 'args'), schedule.keepAlive)
    } catch (error) {
      tick = Promise.reject(error as Error)
    }
    tick.then(() => this.#ended(timer), (error: unknown) => {
      if (timer.phase !== 'gone') {
        this.#ports.log.warn({ actor: timers.owner.name, timer: name, method }, `a tick of a timer failed: ${messageOf(error)}`)
      }
      this.#ended(timer)
    })
  }

  #ended(timer: ActivationTimer<Owner>): void {
    // Deleted or replaced by its own tick, or the activation is over.
    if (timer.phase === 'gone') return
    timer.ticks++
    const { everyMs, times } = timer.schedule
    if (everyMs === undefined || timer.ticks >= times) return timer.timers.done(timer)
    const next = nextTick(timer.at, everyMs, this.nowMs)
    if (next > timer.untilMs) return timer.timers.done(timer)
    timer.phase = 'waiting'
    this.arm(timer, next)
  }
}

/** `due + every`, or the first multiple of it that is not past. */
export function nextTick(dueMs: number, everyMs: number, nowMs: number): number {
  const next = dueMs + everyMs
  return next >= nowMs ? next : dueMs + everyMs * Math.ceil((nowMs - dueMs) / everyMs)
}

/** `ctx.timers` of one activation. */
export class ActivationTimers<Owner extends TimerOwner = TimerOwner> implements ActorTimers {
  readonly owner: Owner
  readonly #queue: TimerQueue<Owner>
  readonly #timers = new Map<string, ActivationTimer<Owner>>()
  #phase: 'open' | 'cleared' = 'open'

  constructor(owner: Owner, queue: TimerQueue<Owner>) {
    this.owner = owner
    this.#queue = queue
  }

  /** How many there are. */
  get size(): number {
    return this.#timers.size
  }

  set(name: string, schedule: TimerSchedule, target: ReminderTarget, ...args: unknown[]): void {
    this.#set(name, schedule, target, args)
  }

  /** One that a door sets: `args` is what its data is to the type. @throws as `set` */
  setFor(name: string, setting: TimerSetting, args: readonly unknown[]): void {
    this.#set(name, setting.schedule, setting.callback, args, setting)
  }

  #set(name: string, schedule: TimerSchedule, target: ReminderTarget, args: readonly unknown[], setting?: TimerSetting): void {
    checkMember('timer', name)
    const read = readTimerSchedule(schedule)
    // Of an application, whose turn may still run: its actor is about to go, and its timers with it.
    if (this.#phase === 'cleared' && this.owner.type.app !== undefined) return
    if (this.#phase === 'cleared') throw new TroupeError('OUTSIDE_TURN', `${this.owner.name}: timer ${name} was set after its activation had ended`)
    const method = targetName(this.owner.type, target, `timer ${name}`)
    const owned = args.every(isPrimitive) ? args : copy(args, 'args')
    const known = this.#timers.get(name)
    if (known === undefined && this.#timers.size >= MAX_TIMERS) {
      throw new TroupeError('QUOTA_EXCEEDED', `${this.owner.name} has ${MAX_TIMERS} timers and may have no more; delete some, or use one for several things`)
    }
    if (known !== undefined) this.#end(known)
    const now = this.#queue.nowMs
    const timer = new ActivationTimer(this, name, read, method, owned, now, setting)
    this.#timers.set(name, timer)
    this.#queue.arm(timer, now + read.firstMs)
  }

  /** As doors show it. */
  find(name: string): TimerInfo | undefined {
    const timer = this.#timers.get(name)
    return timer && infoOf(timer)
  }

  infos(): TimerInfo[] {
    return [...this.#timers.values()].map(infoOf)
  }

  delete(name: string): boolean {
    const timer = this.#timers.get(name)
    if (timer === undefined) return false
    this.#end(timer)
    return this.#timers.delete(name)
  }

  /** In the order in which their names were first set. */
  list(): { readonly name: string; readonly dueInMs: number; readonly ticks: number }[] {
    const now = this.#queue.nowMs
    return [...this.#timers.values()].map(({ name, at, ticks }) => ({ name, dueInMs: Math.max(0, at - now), ticks }))
  }

  /** The activation is over: no tick of it starts any more, and none can be set. */
  clear(): void {
    this.#phase = 'cleared'
    for (const timer of this.#timers.values()) this.#end(timer)
    this.#timers.clear()
  }

  /** Its last tick has ended. */
  done(timer: ActivationTimer<Owner>): void {
    timer.phase = 'gone'
    this.#timers.delete(timer.name)
  }

  #end(timer: ActivationTimer<Owner>): void {
    timer.phase = 'gone'
    this.#queue.disarm(timer)
  }
}

/** One that the actor set itself was never written down. */
const infoOf = ({ name, method, schedule: { firstMs, everyMs }, setting }: ActivationTimer<TimerOwner>): TimerInfo => ({
  name, callback: method, data: setting?.data,
  written: setting?.written ?? { dueTime: `${firstMs}ms`, period: everyMs === undefined ? '' : `${everyMs}ms`, ttl: '' },
})
