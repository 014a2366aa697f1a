// During a rolling restart hosts of two versions meet: one that does not know bodies of doors must not run a method with what it takes
// for arguments.
import { expect, it } from 'vitest'
import { managementOperations } from '../../../actors/management.ts'
import { TroupeError } from '../../../core/errors.ts'
import { managementMethod } from '../../../runtime/activation/management-methods.ts'
import { flag } from '../../../runtime/dispatch/messages.ts'

/** As hosts read it that know neither bodies nor applications. */
const kindOfOld = (flags: number): string => (flags & flag.read) !== 0 ? 'read' : (flags & flag.manage) !== 0 ? 'manage' : 'method'

it('the body of a door is an unknown operation to a host that does not know bodies: proof that nothing ran', () => {
  expect(kindOfOld(flag.body)).toBe('manage')
  expect(kindOfOld(flag.body | flag.untyped)).toBe('manage')
  expect(managementOperations).not.toContain('deposit')
  expect(() => managementMethod('deposit')).toThrow(expect.objectContaining({ code: 'UNKNOWN_METHOD', executed: 'no' }) as TroupeError)
})

it('no other call is taken for one', () => {
  for (const flags of [0, flag.read, flag.manage, flag.untyped, flag.read | flag.untyped, flag.manage | flag.untyped]) expect((flags & flag.body) === flag.body).toBe(false)
})
