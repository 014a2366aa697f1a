/**
 * A reference whose methods are found by name when they are called: the caller has only the type of the actor's class.
 *
 * It must not look like anything it is not: no `then` (awaiting a reference gives the reference), no symbols, nothing of
 * `Object.prototype`, no `toJSON`. Methods of such names are reached with `client.call`.
 */
import type { CallOptions, RemoteRef } from '../actors/actor-ref.ts'
import { managementOf, type ManagementOperation } from '../actors/management.ts'

export interface Callee {
  call(method: string, args: readonly unknown[], options: CallOptions): unknown
  manage(operation: ManagementOperation, args: readonly unknown[], options: CallOptions): Promise<unknown>
  /** @throws BAD_OPTION */
  checkOptions(options: CallOptions): void
}

const hidden = new Set<PropertyKey>([...Object.getOwnPropertyNames(Object.prototype), 'then', 'toJSON'])

/** `name` is what the reference shows as text. */
export function remoteRef<A>(callee: Callee, name: string, options: CallOptions): RemoteRef<A> {
  // The same function at each read, so that references behave like objects with methods.
  const methods = new Map<string, unknown>()
  const find = (method: string): unknown => {
    if (method === 'toString') return () => `ActorRef(${name})`
    if (hidden.has(method)) return undefined
    if (method === 'with') {
      return (more: CallOptions) => {
        callee.checkOptions(more)
        return remoteRef<A>(callee, name, { ...options, ...more })
      }
    }
    if (method === 'manage') return managementOf((operation, args) => callee.manage(operation, args, options))
    return (...args: unknown[]) => callee.call(method, args, options)
  }
  return new Proxy(Object.freeze(Object.create(null) as object), {
    get(_target, method) {
      if (typeof method !== 'string') return undefined
      if (!methods.has(method)) methods.set(method, find(method))
      return methods.get(method)
    },
  }) as RemoteRef<A>
}
