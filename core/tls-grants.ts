/**
 * What a certificate lets its holder be: the URIs among its alternative names, one a role. Pure.
 *
 * `troupe://NAMESPACE/host/NAME?types=A+B` is a host of that name that may run those types (all of them without `types`),
 * `troupe://NAMESPACE/placement/NAME` serves the placement table, `troupe://NAMESPACE/client/NAME` calls actors from outside.
 * NAME may be `*`. A certificate may hold several, and grants nothing else: a host that carries a placement candidate needs
 * both of the first two. Names are percent-encoded, all but letters, digits and `-_.~`, so that nothing in the text of a certificate
 * needs quotes; a URI that is not exactly of this form grants nothing.
 */
export type Role = 'host' | 'placement' | 'client'

export interface Grant {
  readonly role: Role
  readonly namespace: string
  /** `*` is any. */
  readonly name: string
  /** Actor types that a host may run; undefined is any. */
  readonly types: readonly string[] | undefined
}

const FORM = /^troupe:\/\/([a-zA-Z0-9_.-]{1,64})\/(host|placement|client)\/([^/?#,"\s]+)(?:\?types=([^&?#,"\s]+))?$/

/** One text for one name, so that what is compared is what was signed. */
const encodeName = (name: string): string =>
  encodeURIComponent(name).replace(/[!'()*]/g, c => `%${c.charCodeAt(0).toString(16).toUpperCase()}`)

export function grantUri({ role, namespace, name, types }: Grant): string {
  const query = types === undefined ? '' : `?types=${types.map(encodeName).join('+')}`
  return `troupe://${namespace}/${role}/${name === '*' ? name : encodeName(name)}${query}`
}

/** The grant that a URI is, or undefined. */
export function readGrant(uri: string): Grant | undefined {
  const parts = FORM.exec(uri)
  if (parts === null) return undefined
  const [, namespace, role, name, types] = parts as unknown as [string, string, Role, string, string | undefined]
  if (types !== undefined && role !== 'host') return undefined
  try {
    return { role, namespace, name: name === '*' ? name : decodeName(name), types: types?.split('+').map(decodeName) }
  } catch {
    return undefined
  }
}

/** @throws for another spelling of a name, such as `%61` for `a`, and for an escaped `*`, which is no name but any */
function decodeName(text: string): string {
  const name = decodeURIComponent(text)
  if (name === '' || name === '*' || encodeName(name) !== text) throw new Error('no canonical name')
  return name
}

/** `subjectAltName` as node prints it: `URI:…, DNS:…`. What needs quotes there is none of ours. */
export function readGrants(subjectAltName: string | undefined): readonly Grant[] {
  return (subjectAltName ?? '').split(', ').filter(entry => entry.startsWith('URI:'))
    .flatMap(entry => readGrant(entry.slice('URI:'.length)) ?? [])
}

/** The grants in which a certificate is what is asked for. Nothing of another namespace counts. */
export const grantsOf = (grants: readonly Grant[], namespace: string, role: Role, name?: string): readonly Grant[] =>
  grants.filter(g => g.role === role && g.namespace === namespace && (name === undefined || g.name === '*' || g.name === name))

/** Why a certificate does not let its holder act as `role` (under `name`, where one is given), or undefined. */
export function roleProblem(grants: readonly Grant[], namespace: string, role: Role, name?: string): string | undefined {
  if (grantsOf(grants, namespace, role, name).length > 0) return undefined
  const wanted = grantUri({ role, namespace, name: name ?? 'NAME', types: undefined })
  return `its certificate does not name it ${wanted}, but ${showGrants(grants)}`
}

/** Why a host may not join under `id` with `types`, or undefined. */
export function hostProblem(grants: readonly Grant[], namespace: string, id: string, types: readonly string[]): string | undefined {
  const problem = roleProblem(grants, namespace, 'host', id)
  if (problem !== undefined) return problem
  const own = grantsOf(grants, namespace, 'host', id)
  if (own.some(grant => grant.types === undefined)) return undefined
  const allowed = new Set(own.flatMap(grant => grant.types ?? []))
  const beyond = types.filter(type => !allowed.has(type))
  return beyond.length === 0 ? undefined
    : `its certificate allows the actor types ${[...allowed].join(', ')}, and not ${beyond.slice(0, 10).join(', ')}`
}

export const showGrants = (grants: readonly Grant[]): string => grants.length === 0 ? 'nothing of Troupe' : grants.map(grantUri).join(' and ')
