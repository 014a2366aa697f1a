/** Hosts as production runs them. `checkReadonly` is a check for development; it is off under NODE_ENV=production anyway. */
import { createHost, type Host, type HostOptions } from 'troupe'
import type { Scope } from '../harness/scope.ts'
import { Counter } from './counter.ts'

export async function openHost(scope: Scope, options: Omit<HostOptions, 'actors'>): Promise<Host> {
  const host = await createHost({ actors: [Counter], checkReadonly: false, ...options })
  scope.defer(() => host.stop())
  return host
}
