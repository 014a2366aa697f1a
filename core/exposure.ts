/**
 * Which addresses a port may listen on without saying who may use it: those of this machine alone.
 *
 * A port that anybody on the network can reach must know its callers (mutual TLS, or an API token), unless its owner says
 * in so many words that it need not (`--insecure`).
 */
import { lookup } from 'node:dns/promises'
import { BlockList, isIP } from 'node:net'
import { TroupeError } from './errors.ts'

const loopback = new BlockList()
loopback.addSubnet('127.0.0.0', 8, 'ipv4')
loopback.addAddress('::1', 'ipv6')

export const isLoopback = (address: string): boolean => {
  const family = isIP(address)
  return family !== 0 && loopback.check(address, family === 6 ? 'ipv6' : 'ipv4')
}

export interface Exposure {
  /** `the HTTP door`, … */
  readonly what: string
  /** As it was given. */
  readonly host: string
  /** What it resolves to; IP addresses alone. */
  readonly addresses: readonly string[]
  /** It knows who calls. */
  readonly secured: boolean
  readonly insecure: boolean
  /** How to make it so. */
  readonly remedy: string
}

/** Why a port must not listen there, or undefined. Pure. */
export function exposureProblem({ what, host, addresses, secured, insecure, remedy }: Exposure): string | undefined {
  if (secured || insecure) return undefined
  const wide = addresses.find(address => !isLoopback(address))
  if (wide === undefined) return undefined
  return `${what} would listen on ${host}${wide === host ? '' : ` (${wide})`}, where others than this machine reach it, and would not know who calls; `
    + `${remedy}, listen on 127.0.0.1, or say --insecure (insecure: true) if the network itself keeps strangers out`
}

/**
 * @throws BAD_OPTION when the port must not listen there. A name that cannot be resolved is left to `listen`, which says so.
 */
export async function checkExposure(exposure: Omit<Exposure, 'addresses'>): Promise<void> {
  if (exposure.secured || exposure.insecure) return
  const host = exposure.host.replace(/^\[(.*)\]$/, '$1')
  const addresses = isIP(host) > 0 ? [host] : await lookup(host, { all: true }).then(found => found.map(a => a.address), () => [])
  const problem = exposureProblem({ ...exposure, addresses })
  if (problem !== undefined) throw new TroupeError('BAD_OPTION', problem, { data: { host: exposure.host } })
}
