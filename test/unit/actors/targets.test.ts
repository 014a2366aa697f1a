// The target of a reminder or timer that is none: what is said, and which names are offered to whom.
import { expect, it } from 'vitest'
import { Actor } from 'troupe'
import { readActorType, targetName } from '../../../actors/actor-type.ts'

class Clerk extends Actor {
  onReminder() {}
  tick() {}
  async *watch() { yield 1 }
  _ring() {}
}
const clerk = readActorType(Clerk)
const said = (target: unknown): string => {
  try {
    return `no error: ${targetName(clerk, target, 'reminder r')}`
  } catch (error) {
    expect(error).toMatchObject({ code: 'UNKNOWN_METHOD', executed: 'no' })
    return (error as Error).message
  }
}

it('offers what can be named, those with _ only to who named one', () => {
  expect(said('tock')).toBe('Clerk: has no method "tock"; it has tick')
  expect(said('_rang')).toBe('Clerk: has no method "_rang"; it has _ring, tick')
  expect(said('watch')).toBe('Clerk: watch is a stream and cannot be a target; it has tick')
  expect(said('_ring')).toBe('no error: _ring')
})

it('says of the hook how it is called', () => {
  for (const target of ['onReminder', Clerk.prototype.onReminder]) {
    expect(said(target)).toBe('Clerk: onReminder is a hook, no method: leave out `method`, then onReminder is called')
  }
})

it('says of a function that is no method how to write one', () => {
  expect(said(() => 1)).toMatch(/is no method of Clerk; write it as a method of the class/)
})
