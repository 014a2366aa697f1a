/** What a host may say of itself when it joins, and whether it fits the cluster. Pure. */
import { MAX_NAME_BYTES, nameProblem } from '../core/ids.ts'
import { addressProblem } from './addresses.ts'
import type { JoinRequest, Member } from './membership.ts'
import type { Refusal } from './messages.ts'
import { MAX_TYPES } from './table.ts'

const MAX_TYPES_PER_HOST = 1_000

export type Fingerprint = Readonly<Record<string, string>>

export const refusal = (code: Refusal['code'], message: string, data: unknown = null, retry = false): Refusal =>
  ({ code, message, data: JSON.stringify(data), retry })

/** Why `join` is no sound request, or undefined. `known` is how many types the cluster has. */
export function requestProblem(join: JoinRequest, known: number): Refusal | undefined {
  const problem = [
    named('host id', join.id), named('incarnation', join.incarnation),
    addressProblem(join.address) && `the peer address ${JSON.stringify(join.address)} ${addressProblem(join.address)}`,
    join.weight >= 0.01 && join.weight <= 1000 ? undefined : `the weight ${join.weight} is not in 0.01 to 1000`,
    join.types.length <= MAX_TYPES_PER_HOST && known + join.types.length <= MAX_TYPES ? undefined
      : `${join.types.length} actor types are too many (${MAX_TYPES_PER_HOST} a host, ${MAX_TYPES} a cluster)`,
    ...join.types.map(type => named('actor type', type)),
  ].find(text => text !== undefined)
  return problem === undefined ? undefined : refusal('BAD_OPTION', `placement refused host ${JSON.stringify(join.id)}: ${problem}`)
}

function named(what: string, value: string): string | undefined {
  const problem = nameProblem(value, MAX_NAME_BYTES)
  return problem === undefined ? undefined : `the ${what} ${problem}`
}

/** The first option in which a host differs from its cluster, with both values, or undefined. */
export function mismatch(id: string, cluster: Fingerprint, host: Fingerprint): Refusal | undefined {
  for (const option of [...new Set([...Object.keys(cluster), ...Object.keys(host)])].sort()) {
    const [theirs, ours] = [cluster[option], host[option]]
    if (theirs === ours) continue
    const show = (value: string | undefined): string => (value === undefined ? 'not set' : JSON.stringify(value))
    return refusal('CLUSTER_MISMATCH',
      `host ${JSON.stringify(id)} does not fit the cluster: ${option} is ${show(ours)} here and ${show(theirs)} in the cluster; start it with the cluster's value`,
      { option, host: ours ?? null, cluster: theirs ?? null })
  }
  return undefined
}

export const memberOf = (join: JoinRequest, leaving: boolean): Member => ({
  id: join.id, incarnation: join.incarnation, address: join.address, http: join.http,
  types: [...new Set(join.types)].sort(), weight: join.weight, leaving,
})
