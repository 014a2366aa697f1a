/**
 * The operations of `ActorManagement` as methods of every actor: each runs as a turn, like a call, and does through `ctx`
 * what the actor itself could do. Names from outside reach only methods that may be called from outside.
 */
import type { Actor } from '../../actors/actor.ts'
import type { Method } from '../../actors/actor-type.ts'
import { managementOperations, type ManagementOperation } from '../../actors/management.ts'
import { TroupeError } from '../../core/errors.ts'
import type { ActivationContext } from './activation-context.ts'

const context = (actor: Actor): ActivationContext => actor.ctx as ActivationContext

const runs: Partial<Readonly<Record<ManagementOperation, Method['run']>>> = {
  'reminders.set'(name, schedule, method, ...args) {
    if (typeof method === 'string' && method.startsWith('_')) {
      throw new TroupeError('UNKNOWN_METHOD', `reminder ${String(name)}: ${method} cannot be called from outside; name a method that can, or none for onReminder`)
    }
    return context(this).reminders.set(name as string, schedule as never, (method ?? undefined) as string | undefined, ...args)
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
}

const readers = new Set<ManagementOperation>(['reminders.get', 'reminders.list', 'sends.list'])

const methods = new Map<string, Method>(managementOperations.map(name =>
  [name, { name, readonly: readers.has(name), stream: false, input: undefined, run: runs[name]! }]))

/** @throws UNKNOWN_METHOD */
export function managementMethod(name: string): Method {
  const method = methods.get(name)
  if (method !== undefined) return method
  throw new TroupeError('UNKNOWN_METHOD', `there is no operation ${JSON.stringify(name.slice(0, 80))}; there are ${managementOperations.join(', ')}`)
}
