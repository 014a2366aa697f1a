// Classes and options that are wrong are told all at once, each problem by its name.
import { describe, expect, it } from 'vitest'
import { Actor, createHost, type ActorClass, type HostOptions } from 'troupe'
import { readActorType } from '../../../actors/actor-type.ts'
import { failureOf } from '../activation/signal.ts'

const problemsOf = (actorClass: unknown): string[] => {
  try {
    readActorType(actorClass as ActorClass)
  } catch (error) {
    expect(error).toMatchObject({ code: 'BAD_ACTOR_CLASS', executed: 'no' })
    return (error as { data: { problems: string[] } }).data.problems
  }
  return []
}

describe('an actor class', () => {
  it('is told all its problems at once', () => {
    class Bad extends Actor {
      static readonly type = 'a/b'
      static readonly options = { idleAfter: 'soon', mailbox: -1, reentrancy: 'always', colour: 'red', maxDepth: 0, placement: { key: 'id' } }
      static readonly methods = { missing: { readonly: true }, work: { readonly: 'yes', fast: true }, _hidden: {}, onActivate: {}, typed: { input: {} } }
      static readonly version = 0
      static readonly migrate = 'none'
      work() {}
      typed() {}
      _hidden() {}
      onActivate() {}
      with() {}
      then() {}
    }
    const problems = problemsOf(Bad)
    for (const text of [
      /its type holds/, /options\.idleAfter: .*'soon'|options\.idleAfter: "soon"/, /options\.mailbox/, /options\.reentrancy/, /colour/, /options\.maxDepth/, /options\.placement\.key/,
      /methods\.missing/, /methods\.work\.readonly/, /fast/, /methods\._hidden/, /methods\.onActivate/, /methods\.typed\.input/, /static version/, /static migrate/,
      /may not be called with/, /may not be called then/,
    ]) expect(problems.some(p => text.test(p)), `${String(text)} in\n${problems.join('\n')}`).toBe(true)
  })

  it('is told which options there are when it names another', () => {
    class Odd extends Actor {
      static readonly options = { mailbx: 5 }
      static readonly methods = { work: { readOnly: true } }
      work() {}
    }
    expect(problemsOf(Odd)).toEqual([
      'options: unrecognized key "mailbx"; there are idleAfter, reentrancy, maxDepth, mailbox, mailboxBytes, turnTimeout, keepReplies, maxReminders, drainTimeout, placement',
      'methods.work: unrecognized key "readOnly"; there are readonly, input',
    ])
  })

  it('needs a name', () => {
    expect(problemsOf(class extends Actor {})).toEqual([expect.stringContaining('static readonly type')])
    expect(problemsOf(class extends Actor { static readonly type = 'Fine' })).toEqual([])
  })

  it('has the methods of those it extends, and a type of its own', () => {
    class Base extends Actor {
      static readonly type: string = 'base'
      one() { return 1 }
      two() { return 2 }
    }
    class Derived extends Base {
      override two() { return 22 }
      three() { return 3 }
    }
    const type = readActorType(Derived)
    expect([type.name, [...type.methods.keys()].sort()]).toEqual(['Derived', ['one', 'three', 'two']])
    expect(type.methods.get('two')!.run.call({} as Actor)).toBe(22)
  })

  it('must not share its type with another', async () => {
    class One extends Actor { static readonly type = 'Same' }
    class Two extends Actor { static readonly type = 'Same' }
    expect(await failureOf(createHost({ actors: [One, Two] }))).toMatchObject({ code: 'BAD_ACTOR_CLASS', message: expect.stringContaining('Same') })
  })
})

describe('host options', () => {
  it('are told all their problems at once, unknown keys too', async () => {
    class Fine extends Actor {}
    const options = {
      actors: [Fine, class Plain {}, 5], store: 7, weight: 0, shardBits: 99, namespace: 'a b', callTimeout: 'later', hostId: 'a/b', listen: { port: 70_000, hots: 'x' },
      gateways: ['http'], maxPayloadBytes: 1, colour: 'red', checkReadonly: 'no',
    } as unknown as HostOptions
    const error = await failureOf(createHost(options))
    expect(error).toMatchObject({ code: 'BAD_OPTION', executed: 'no' })
    for (const name of ['actors.1', 'actors.2', 'store', 'weight', 'shardBits', 'namespace', 'callTimeout', 'hostId', 'listen.port', 'hots', 'gateways.0', 'maxPayloadBytes', 'colour', 'checkReadonly']) {
      expect(error.message, name).toContain(name)
    }
    expect(error.data.problems.length).toBeGreaterThanOrEqual(13)
  })

  it.each([[undefined], [null], [{}], [{ actors: [Actor] }]])('%j are refused', async options => {
    expect(await failureOf(createHost(options as unknown as HostOptions))).toMatchObject({ code: 'BAD_OPTION' })
  })

  it('of a call are checked when they are given', async () => {
    class Fine extends Actor { ping() { return 1 } }
    const host = await createHost({ actors: [Fine] })
    try {
      for (const timeout of ['soon', -1, NaN, Infinity]) expect(() => host.actor(Fine, 'a').with({ timeout })).toThrow(expect.objectContaining({ code: 'BAD_OPTION' }))
    } finally {
      await host.stop()
    }
  })
})
