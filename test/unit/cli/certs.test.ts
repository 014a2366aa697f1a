import { X509Certificate } from 'node:crypto'
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, it, onTestFinished } from 'vitest'
import { makeCerts } from '../../../cli/make-certs.ts'
import { buildProgram } from '../../../cli/program.ts'
import { TroupeError } from '../../../core/errors.ts'
import { readGrants } from '../../../core/tls-grants.ts'

function folder(): string {
  const made = mkdtempSync(join(tmpdir(), 'troupe-certs-'))
  onTestFinished(() => rmSync(made, { recursive: true, force: true }))
  return join(made, 'certs')
}
const certificate = (at: string, name: string): X509Certificate => new X509Certificate(readFileSync(join(at, `${name}.crt`)))
const uris = (at: string, name: string): string[] => readGrants(certificate(at, name).subjectAltName).map(g => `${g.role}/${g.name}${g.types === undefined ? '' : `:${g.types.join('+')}`}`)
const command = (...args: string[]): Promise<unknown> => buildProgram().parseAsync(['certs', ...args], { from: 'user' })

describe('troupe certs', () => {
  it('makes an authority and certificates that it has signed, each with its roles, for their owner alone', async () => {
    const at = folder()
    await command(at, '--hosts', 'a,b c', '--types', 'Account,Counter', '--namespace', 'dev', '--days', '3')
    expect(readdirSync(at).sort()).toEqual(['ca', 'client', 'host-a', 'host-b%20c', 'placement'].flatMap(name => [`${name}.crt`, `${name}.key`]).sort())
    for (const name of readdirSync(at)) expect(statSync(join(at, name)).mode & 0o777, name).toBe(0o600)
    expect(statSync(at).mode & 0o077).toBe(0)
    expect(uris(at, 'host-a')).toEqual(['host/a:Account+Counter', 'placement/a'])
    expect(uris(at, 'host-b%20c')).toEqual(['host/b c:Account+Counter', 'placement/b c'])
    expect(uris(at, 'placement')).toEqual(['placement/placement'])
    expect(uris(at, 'client')).toEqual(['client/client'])
    const authority = certificate(at, 'ca')
    expect(authority.ca).toBe(true)
    for (const name of ['host-a', 'placement', 'client']) {
      const made = certificate(at, name)
      expect(made.verify(authority.publicKey) && made.checkIssued(authority) && !made.ca).toBe(true)
      expect(Date.parse(made.validTo) - Date.now()).toBeLessThanOrEqual(3 * 86_400_000)
    }
  })

  it('keeps an authority unless told', async () => {
    const at = folder()
    await makeCerts({ folder: at, namespace: 'default', hosts: ['a'], days: 1 })
    const before = readFileSync(join(at, 'ca.crt'), 'utf8')
    const error = await command(at, '--hosts', 'b').then(() => undefined, (thrown: unknown) => thrown)
    expect(TroupeError.is(error, 'BAD_OPTION') && error.message).toMatch(/--add.*--replace/)
    await command(at, '--hosts', 'b', '--add', '--no-lead')
    expect(readFileSync(join(at, 'ca.crt'), 'utf8')).toBe(before)
    expect(certificate(at, 'host-b').verify(certificate(at, 'ca').publicKey)).toBe(true)
    expect(uris(at, 'host-b')).toEqual(['host/b'])
    await command(at, '--replace')
    expect(readFileSync(join(at, 'ca.crt'), 'utf8')).not.toBe(before)
    expect(uris(at, 'host-any')).toEqual(['host/*', 'placement/*'])
  })

  it.each([
    [['--namespace', 'a b'], /namespace/], [['--hosts', 'a/b'], /host id/], [['--types', 'x,'], /actor type/], [['--days', '0'], /days/],
    [['--add', '--replace'], /replace/],
  ])('refuses %j', async (args, text) => {
    const program = buildProgram().configureOutput({ writeErr: () => {} })
    for (const each of program.commands) each.configureOutput({ writeErr: () => {} }).exitOverride()
    const error = await program.parseAsync(['certs', folder(), ...args], { from: 'user' }).then(() => undefined, (thrown: unknown) => thrown as Error)
    expect(error?.message).toMatch(text)
  })
})
