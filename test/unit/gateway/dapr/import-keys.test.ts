import { describe, expect, it } from 'vitest'
import fc from 'fast-check'
import { appIdOf, readKey } from '../../../../gateway/dapr/import/import-keys.ts'

const state = (type: string, id: string, key: string) => ({ kind: 'state', type, id, key })

describe('a key of Dapr', () => {
  it.each<[string, object, types?: string[]]>([
    ['shop||Account||alice||balance', state('Account', 'alice', 'balance')],
    ['shop||Account||order||17||balance', state('Account', 'order||17', 'balance')],
    ['shop||Account||a|||k', state('Account', 'a|', 'k')],
    ['shop||Account|||a||k', state('Account', '|a', 'k')],
    ['shop||A||B||id||k', state('A', 'B||id', 'k')],
    ['shop||A||B||id||k', state('A||B', 'id', 'k'), ['A', 'A||B']],
    ['shop||A||B||k', state('A', 'B', 'k'), ['A', 'C']],
    ['shop||Account||ü/é||k', state('Account', 'ü/é', 'k')],
    ['shop||cart', { kind: 'application' }],
    ['shop||cart||x', { kind: 'application' }],
    ['shop||Account||||k', { kind: 'application' }],
    ['shop||Account||a||', { kind: 'application' }],
    ['shop||Account||a||k', { kind: 'otherType' }, ['Cart']],
    ['other||Account||a||k', { kind: 'foreign', prefix: 'other' }],
    ['Account||a||daily', { kind: 'foreign', prefix: 'Account' }],
    ['session:17', { kind: 'foreign', prefix: '' }],
    ['actors||Account', { kind: 'reminders', type: 'Account' }],
    ['actors||Account', { kind: 'otherType' }, ['Cart']],
    ['actors||Account||metadata', { kind: 'reminderParts', type: 'Account' }],
    ['actors||Account||0b7a||reminders||3', { kind: 'reminderPart', type: 'Account' }],
    ['actors||Account||0b7a||reminders||x', { kind: 'foreign', prefix: 'actors' }],
  ])('%s is %j', (text, kind, types = []) => {
    expect(readKey(text, 'shop', types)).toEqual(kind)
  })

  it('of an application that is called actors is state unless it is a form of reminders', () => {
    expect(readKey('actors||Account||a||k', 'actors', [])).toEqual(state('Account', 'a', 'k'))
    expect(readKey('actors||Account||metadata', 'actors', [])).toEqual({ kind: 'reminderParts', type: 'Account' })
  })

  it('tells the app id when it can be state of an actor', () => {
    expect(appIdOf('shop||Account||a||k')).toBe('shop')
    for (const none of ['shop||cart', 'Account||a||daily', 'actors||Account', 'actors||A||m||reminders||1', '||A||b||c', 'x']) expect(appIdOf(none)).toBeUndefined()
  })

  it('is read as it was written, whatever the id holds, when the key holds no bar and the type neither', () => {
    const plain = fc.string({ minLength: 1 }).map(text => text.replaceAll('|', '-'))
    const id = fc.array(fc.constantFrom('a', '|', '||', '/', 'é'), { minLength: 1 }).map(parts => parts.join(''))
    fc.assert(fc.property(plain, plain, id, plain, (appId, type, actor, key) => {
      expect(readKey(`${appId}||${type}||${actor}||${key}`, appId, [])).toEqual(state(type, actor, key))
    }))
  })
})
