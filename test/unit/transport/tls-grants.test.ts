import { describe, expect, it } from 'vitest'
import { grantUri, hostProblem, readGrant, readGrants, roleProblem, type Grant } from '../../../core/tls-grants.ts'

const host = (name: string, types?: readonly string[]): Grant => ({ role: 'host', namespace: 'default', name, types })

describe('what a certificate grants', () => {
  it.each<Grant>([
    host('a'), host('*'), host("o'neil, the 2nd * (big)"), host('naïve/ü'.replace('/', '|')), host('a', ['Account', 'Größe, groß', 'a+b']),
    { role: 'placement', namespace: 'prod.eu-1', name: 'p', types: undefined }, { role: 'client', namespace: 'default', name: 'shop', types: undefined },
  ])('comes back from its URI: %o', grant => {
    const uri = grantUri(grant)
    expect(uri).toMatch(/^[\x21-\x7e]+$/)
    // What node would print in quotes.
    expect(uri).not.toMatch(/[,"'\\]/)
    expect(readGrant(uri)).toEqual(grant)
    expect(readGrants(`DNS:localhost, URI:${uri}, IP Address:127.0.0.1`)).toEqual([grant])
  })

  it.each([
    'troupe://default/host/', 'troupe://default/boss/a', 'troupe:///host/a', 'troupe://default/host/a/b', 'troupe://default/host/a#x',
    'troupe://default/host/a?types=', 'troupe://default/host/a?types=A&types=B', 'troupe://default/host/a?other=A', 'troupe://default/host/%61',
    'troupe://default/host/%2A', 'troupe://default/host/%zz', 'troupe://user@default/host/a', 'troupe://default:1/host/a', 'TROUPE://default/host/a',
    'https://default/host/a', ' troupe://default/host/a', 'troupe://default/client/a?types=A', 'troupe://default/host/a?types=A+', 'troupe://default/host/a?types=*x',
  ])('is nothing for %s', uri => expect(readGrant(uri)).toBeUndefined())

  it('is nothing for a name in quotes, which could hide another entry', () => {
    expect(readGrants('URI:"troupe://default/host/a, URI:x"')).toEqual([])
    expect(readGrants('DNS:"x, URI:troupe://default/host/a"')).toEqual([])
    expect(readGrants(undefined)).toEqual([])
  })

  it('is not a role of another name, namespace or kind', () => {
    const grants = [host('a', ['A']), { role: 'client', namespace: 'default', name: 'c', types: undefined } as const]
    expect(roleProblem(grants, 'default', 'host', 'a')).toBeUndefined()
    expect(roleProblem(grants, 'default', 'host', 'b')).toContain('troupe://default/host/b')
    expect(roleProblem(grants, 'other', 'host', 'a')).toBeDefined()
    expect(roleProblem(grants, 'default', 'placement')).toBeDefined()
    expect(roleProblem([host('*')], 'default', 'host', 'whoever')).toBeUndefined()
    expect(roleProblem([], 'default', 'client')).toContain('nothing of Troupe')
  })

  it('is the types of all grants of that name, and any where one does not limit them', () => {
    expect(hostProblem([host('a', ['A', 'B'])], 'default', 'a', ['A', 'B'])).toBeUndefined()
    expect(hostProblem([host('a', ['A'])], 'default', 'a', ['A', 'C'])).toContain('not C')
    expect(hostProblem([host('a', ['A']), host('*', ['C'])], 'default', 'a', ['A', 'C'])).toBeUndefined()
    expect(hostProblem([host('a', ['A']), host('b')], 'default', 'a', ['C'])).toBeDefined()
    expect(hostProblem([host('a')], 'default', 'a', ['X'])).toBeUndefined()
  })
})
