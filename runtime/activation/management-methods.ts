/**
 * The operations of `ActorManagement`, and those that doors alone ask for, as methods of every actor: each runs as a turn, like a
 * call, and does through `ctx` what the actor itself could do. Names from outside reach only methods that may be called from outside.
 *
 * Data of doors becomes here what it is to the type: a value for a class, JSON text for an application.
 */
import type { Actor } from '../../actors/actor.ts'
import { turnScope } from '../../actors/invocation.ts'
import type { ActorType, Method } from '../../actors/actor-type.ts'
import { parseJson } from '../../actors/call-body.ts'
import { managementOperations, type DoorData, type ManagementOperation, type StateChange, type TimerSetting, type WrittenSchedule } from '../../actors/management.ts'
import { TroupeError } from '../../core/errors.ts'
import type { Activation } from './activation.ts'
import type { ActivationContext } from './activation-context.ts'
import { MAX_REMINDER_BYTES } from './activation-reminders.ts'
import type { ActivationTimers } from './timers.ts'

const context = (actor: Actor): ActivationContext => actor.ctx as ActivationContext
const typeOf = (actor: Actor): ActorType => context(actor).actorType
const timersOf = (actor: Actor): ActivationTimers => context(actor).timers as ActivationTimers

/** @throws UNKNOWN_METHOD */
function refuseInner(what: string, method: unknown): void {
  if (typeof method !== 'string' || !method.startsWith('_')) return
  throw new TroupeError('UNKNOWN_METHOD', `${what}: ${method} cannot be called from outside; name a method that can, or none for onReminder`)
}

/** Of a class the values that its method gets, of an application JSON text. @throws MALFORMED_BODY */
function argsOf({ app }: ActorType, data: DoorData | undefined): readonly unknown[] {
  if (data === undefined) return []
  if (app !== undefined) return ['json' in data ? data.json : JSON.stringify(Buffer.from(data.bytes).toString('base64'))]
  return ['json' in data ? parseJson(Buffer.from(data.json)) : data.bytes]
}

const sizeOf = (data: DoorData | undefined): number => data === undefined ? 0 : 'json' in data ? data.json.length : data.bytes.length

const runs: Readonly<Record<ManagementOperation, Method['run']>> = {
  'reminders.set'(name, schedule, method, ...args) {
    refuseInner(`reminder ${String(name)}`, method)
    return context(this).reminders.set(name as string, schedule as never, (method ?? undefined) as string | undefined, ...args)
  },
  'reminders.setData'(name, schedule, data, written) {
    const type = typeOf(this)
    const json = type.app !== undefined
    const form = (written ?? (json ? { dueTime: '', period: '', ttl: '' } : undefined)) as WrittenSchedule | undefined
    return context(this).reminders.setFor(name as string, schedule as never, argsOf(type, data as DoorData | undefined), form && { ...form, json })
  },
  'reminders.get'(name) {
    return context(this).reminders.get(name as string)
  },
  'reminders.list'(options) {
    return context(this).reminders.list(options as never)
  },
  'reminders.delete'(name) {
    return context(this).reminders.delete(name as string)
  },
  'reminders.retry'(name) {
    return context(this).reminders.retry(name as string)
  },
  'sends.list'(options) {
    return context(this).sends.list(options as never)
  },
  'sends.retry'(number) {
    return context(this).sends.retry(number as number)
  },
  'sends.delete'(number) {
    return context(this).sends.delete(number as number)
  },
  'timers.set'(name, given) {
    const setting = given as TimerSetting
    const type = typeOf(this)
    refuseInner(`timer ${String(name)}`, setting.callback)
    const size = sizeOf(setting.data)
    if (size > MAX_REMINDER_BYTES) {
      throw new TroupeError('PAYLOAD_TOO_LARGE', `timer ${String(name)}: its data takes ${size} bytes, ${MAX_REMINDER_BYTES} may be kept in memory for it; keep them in the actor's state`)
    }
    const args = argsOf(type, setting.data)
    timersOf(this).setFor(name as string, setting, type.app === undefined ? args : [args[0], setting.written.dueTime, setting.written.period])
  },
  'timers.get'(name) {
    return timersOf(this).find(name as string)
  },
  'timers.list'() {
    return timersOf(this).infos()
  },
  'timers.delete'(name) {
    return timersOf(this).delete(name as string)
  },
  'state.transact'(changes) {
    const { app } = typeOf(this)
    const activation = turnScope.getStore()!.gate as Activation
    return (app === undefined ? changeClassState : changeAppState)(this, activation, changes as readonly StateChange[])
  },
}

/** Each key is bytes of the application's: JSON text, or what a gRPC client gave. At once: nobody sees a part of it. */
function changeAppState(actor: Actor, _: Activation, changes: readonly StateChange[]): void {
  context(actor).storage.change(changes.map(({ key, value, ttlMs }) => value === undefined ? { key, value, gone: true }
    : { key, value: 'json' in value ? Buffer.from(value.json) : value.bytes, ttl: ttlMs }))
}

/** A key that names a field sets the field. */
async function changeClassState(actor: Actor, { fields }: Activation, changes: readonly StateChange[]): Promise<void> {
  const { storage } = context(actor)
  for (const { key, value, ttlMs } of changes) {
    const read = value === undefined ? undefined : parseJson('json' in value ? Buffer.from(value.json) : value.bytes)
    if (fields!.names.includes(key)) {
      if (ttlMs !== undefined) throw new TroupeError('BAD_REQUEST', `invalid request: ${key} is a field of ${typeOf(actor).name}: it has no time to live`)
      ;(actor as unknown as Record<string, unknown>)[key] = read
    } else if (value === undefined) await storage.delete(key)
    else await storage.put(key, read, ttlMs === undefined ? {} : { ttl: ttlMs })
  }
}

const readers = new Set<ManagementOperation>(['reminders.get', 'reminders.list', 'sends.list', 'timers.get', 'timers.list'])

const methods = new Map<string, Method>(managementOperations.map(name =>
  [name, { name, readonly: readers.has(name), stream: false, input: undefined, run: runs[name] }]))

/** @throws UNKNOWN_METHOD */
export function managementMethod(name: string): Method {
  const method = methods.get(name)
  if (method !== undefined) return method
  throw new TroupeError('UNKNOWN_METHOD', `there is no operation ${JSON.stringify(name.slice(0, 80))}; there are ${managementOperations.join(', ')}`)
}
