// P1: one turn at a time, in the order of arrival; readonly turns overlap; call chains come back in where the type says so.
import { describe, expect, it } from 'vitest'
import { Actor, TroupeError, type ActorOptions, type MethodOptions } from 'troupe'
import { failureOf, settle, Signal, watch } from './signal.ts'
import { adaptedStores, hostOf } from './running-host.ts'

const gates = new Map<string, Signal>()
const gate = (name: string): Signal => {
  let signal = gates.get(name)
  if (signal === undefined) gates.set(name, signal = new Signal())
  return signal
}
let lastName = 0
const freshName = (): string => `gate-${++lastName}`

class Desk extends Actor {
  log: string[] = []
  count = 0
  async step(name: string, until?: string) {
    this.log.push(`+${name}`)
    const before = this.count
    if (until === undefined) await Promise.resolve()
    else await gate(until).wait(until)
    this.count = before + 1
    this.log.push(`-${name}`)
    return this.count
  }
  tick() {
    return ++this.count
  }
  now(name: string) {
    this.log.push(name)
    return this.log.length
  }
  async look(until?: string) {
    running.now++
    running.most = Math.max(running.most, running.now)
    if (until !== undefined) await gate(until).wait(until)
    running.now--
    return this.log.length
  }
  read() {
    return this.log
  }
  static readonly methods = { look: { readonly: true }, read: { readonly: true } } satisfies MethodOptions<Desk>
  static readonly options: ActorOptions = { mailbox: 50_000 }
}
const running = { now: 0, most: 0 }

describe('turns', () => {
  it('run one at a time and in the order of arrival, across awaits', async () => {
    const host = await hostOf([Desk])
    const desk = host.actor(Desk, 'a')
    const calls = Array.from({ length: 20 }, (_, i) => desk.step(String(i)))
    expect(await Promise.all(calls)).toEqual(Array.from({ length: 20 }, (_, i) => i + 1))
    expect(await desk.read()).toEqual(Array.from({ length: 20 }, (_, i) => [`+${i}`, `-${i}`]).flat())
  })

  it('of other actors do not wait', async () => {
    const host = await hostOf([Desk])
    const name = freshName()
    const held = host.actor(Desk, 'a').step('held', name)
    expect(await host.actor(Desk, 'b').step('free')).toBe(1)
    gate(name).fire()
    await held
  })

  it('that are readonly overlap each other, never a writer', async () => {
    const host = await hostOf([Desk])
    const desk = host.actor(Desk, 'a')
    await desk.now('x')
    const [first, second] = [freshName(), freshName()]
    running.most = 0
    const readers = [desk.look(first), desk.look(first)]
    await settle()
    expect(running.now).toBe(2)
    const writer = watch(desk.now('y'))
    await settle()
    expect(writer.state).toBe('pending')
    // Behind the waiting writer, although readers run: a stream of readers cannot starve it.
    const late = watch(desk.look(second))
    await settle()
    expect(running.now).toBe(2)
    gate(first).fire()
    expect(await Promise.all(readers)).toEqual([1, 1])
    await settle()
    expect(writer).toEqual({ state: 'resolved', value: 2 })
    expect(running.now).toBe(1)
    gate(second).fire()
    await settle()
    expect(late).toEqual({ state: 'resolved', value: 2 })
  })

  it('that waited in their tens of thousands all run, however deep the queue was', async () => {
    const host = await hostOf([Desk])
    const desk = host.actor(Desk, 'a')
    const name = freshName()
    const first = desk.step('first', name)
    await settle()
    const calls = Array.from({ length: 30_000 }, () => desk.tick())
    gate(name).fire()
    await first
    expect((await Promise.all(calls)).at(-1)).toBe(30_001)
  })
})

class Ring extends Actor {
  trail: string[] = []
  async self(depth: number): Promise<number> {
    this.trail.push(`down ${depth}`)
    const seen = depth === 0 ? 0 : await this.ctx.actor(Ring, this.ctx.id).self(depth - 1)
    this.trail.push(`up ${depth}`)
    return seen + 1
  }
  async failInside() {
    this.trail.push('outer')
    let caught: unknown
    await this.ctx.actor(Ring, this.ctx.id).fail('inner').catch((error: unknown) => { caught = error })
    this.trail.push('after')
    return TroupeError.is(caught) ? caught.code : 'none'
  }
  async commitInsideThenFail() {
    this.trail.push('outer')
    await this.ctx.actor(Ring, this.ctx.id).note('inner')
    this.trail.push('lost')
    throw new Error('outer failed')
  }
  fail(name: string) {
    this.trail.push(name)
    throw new Error('inner failed')
  }
  note(name: string) {
    this.trail.push(name)
  }
  async slow(name: string, until: string) {
    this.trail.push(`+${name}`)
    await gate(until).wait(until)
    this.trail.push(`-${name}`)
  }
  async siblings() {
    const me = this.ctx.actor(Ring, this.ctx.id)
    await Promise.all([me.pair('a'), me.pair('b'), me.pair('c')])
    return this.trail
  }
  async pair(name: string) {
    this.trail.push(`+${name}`)
    await settle(2)
    this.trail.push(`-${name}`)
  }
  async leaveBehind(until: string) {
    void this.ctx.actor(Ring, this.ctx.id).slow('inner', until).catch(() => undefined)
    this.trail.push('outer ends')
    return 'left'
  }
  async leaveFailureBehind(until: string) {
    void this.ctx.actor(Ring, this.ctx.id).slowFail(until).catch(() => undefined)
    await settle(2)
    this.trail.push('kept')
    return 'left'
  }
  async slowFail(until: string) {
    await gate(until).wait(until)
    throw new Error('too late')
  }
  async viaOther(other: string) {
    return await this.ctx.actor(Ring, other).back(this.ctx.id)
  }
  async back(id: string) {
    await this.ctx.actor(Ring, id).note('came back')
    return 'back'
  }
  async unstorableOutside() {
    const self = this as unknown as Record<string, unknown>
    self.helper = () => 1
    let code = 'none'
    await this.ctx.actor(Ring, this.ctx.id).note('inside').catch((error: unknown) => { code = (error as TroupeError).code })
    delete self.helper
    return code
  }
  async readAndWriteSiblings() {
    const me = this.ctx.actor(Ring, this.ctx.id)
    const [seen] = await Promise.all([me.watchTrail(), me.pair('w')])
    return seen
  }
  async watchTrail() {
    const before = this.trail.length
    await settle(3)
    return this.trail.length - before
  }
  read() {
    return this.trail
  }
  static readonly options: ActorOptions = { reentrancy: 'call-chain', maxDepth: 5 }
  static readonly methods = { read: { readonly: true }, watchTrail: { readonly: true } } satisfies MethodOptions<Ring>
}

describe('call chains that may come back in', () => {
  it('run inside the turn that waits for them', async () => {
    const host = await hostOf([Ring])
    expect(await host.actor(Ring, 'a').self(3)).toBe(4)
    expect(await host.actor(Ring, 'a').read()).toEqual(['down 3', 'down 2', 'down 1', 'down 0', 'up 0', 'up 1', 'up 2', 'up 3'])
    expect(await host.actor(Ring, 'a').viaOther('b')).toBe('back')
    expect((await host.actor(Ring, 'a').read()).at(-1)).toBe('came back')
  })

  it('are refused beyond maxDepth with STACK_DEPTH', async () => {
    const host = await hostOf([Ring])
    expect(await host.actor(Ring, 'a').self(4)).toBe(5)
    const error = await failureOf(host.actor(Ring, 'b').self(5))
    expect(error).toMatchObject({ code: 'STACK_DEPTH', message: 'maximum stack depth exceeded', executed: 'yes', data: { maxDepth: 5 } })
    expect(error.data.chain).toHaveLength(6)
    expect(await host.actor(Ring, 'b').read()).toEqual([])
  })

  it('take back a nested throw to the start of the nested turn only', async () => {
    const host = await hostOf([Ring])
    expect(await host.actor(Ring, 'a').failInside()).toBe('METHOD_FAILED')
    expect(await host.actor(Ring, 'a').read()).toEqual(['outer', 'after'])
  })

  it('keep what a nested turn committed when the outer one throws later', async () => {
    const host = await hostOf([Ring])
    expect(await failureOf(host.actor(Ring, 'a').commitInsideThenFail())).toMatchObject({ code: 'METHOD_FAILED', message: 'outer failed' })
    expect(await host.actor(Ring, 'a').read()).toEqual(['outer', 'inner'])
  })

  it('let siblings in one after another', async () => {
    const host = await hostOf([Ring])
    expect(await host.actor(Ring, 'a').siblings()).toEqual(['+a', '-a', '+b', '-b', '+c', '-c'])
  })

  it('do not let a sibling that writes into one that reads', async () => {
    const host = await hostOf([Ring])
    expect(await host.actor(Ring, 'a').readAndWriteSiblings()).toBe(0)
  })

  it('keep strangers out until the outer turn has ended', async () => {
    const host = await hostOf([Ring])
    const name = freshName()
    const ring = host.actor(Ring, 'a')
    const outer = ring.slow('outer', name)
    const stranger = ring.note('stranger')
    gate(name).fire()
    await Promise.all([outer, stranger])
    expect(await ring.read()).toEqual(['+outer', '-outer', 'stranger'])
  })

  it('hold the end of an outer turn that did not wait for its nested one', async () => {
    const host = await hostOf([Ring])
    const name = freshName()
    const ring = host.actor(Ring, 'a')
    const outer = watch(ring.leaveBehind(name))
    const stranger = watch(ring.note('stranger'))
    await settle()
    expect([outer.state, stranger.state]).toEqual(['pending', 'pending'])
    gate(name).fire()
    await settle()
    expect(outer).toEqual({ state: 'resolved', value: 'left' })
    expect(stranger.state).toBe('resolved')
    expect(await ring.read()).toEqual(['+inner', 'outer ends', '-inner', 'stranger'])
  })

  it('never take back what an outer turn was told to be stored', async () => {
    const stores = adaptedStores()
    const host = await hostOf([Ring], { store: stores })
    const name = freshName()
    const ring = host.actor(Ring, 'a')
    const outer = watch(ring.leaveFailureBehind(name))
    await settle()
    gate(name).fire()
    await settle()
    // The nested throw took back what the outer turn did meanwhile, before the outer turn was answered.
    expect(outer.state).toBe('resolved')
    expect(await ring.note('next')).toBeUndefined()
    expect(await ring.read()).toEqual(['next'])
  })

  it('fail only themselves when the outer turn holds what cannot be stored', async () => {
    const host = await hostOf([Ring])
    const ring = host.actor(Ring, 'a')
    expect(await ring.unstorableOutside()).toBe('STATE_NOT_STORABLE')
    await ring.note('works')
    expect(await ring.read()).toEqual(['works'])
  })
})

class Chain extends Actor {
  visits = 0
  async visit(path: string[]): Promise<string> {
    this.visits++
    const [next, ...rest] = path
    return next === undefined ? 'end' : await this.ctx.actor(Chain, next).visit(rest)
  }
  async look(path: string[]): Promise<string> {
    const [next, ...rest] = path
    return next === undefined ? 'end' : await this.ctx.actor(Chain, next).look(rest)
  }
  async lookThenVisit(path: string[]): Promise<string> {
    return await this.ctx.actor(Chain, path[0]!).visit(path.slice(1))
  }
  async caught(): Promise<unknown> {
    const error = await failureOf(this.ctx.actor(Chain, this.ctx.id).visit([]))
    return { code: error.code, executed: error.executed, chain: error.data.chain }
  }
  static readonly methods = { look: { readonly: true }, lookThenVisit: { readonly: true } } satisfies MethodOptions<Chain>
}

describe('cycles (P8)', () => {
  it.each([
    [1, ['a', 'a']],
    [2, ['a', 'b', 'a']],
    [3, ['a', 'b', 'c', 'a']],
  ])('of length %i fail at once with the chain', async (_, path) => {
    const host = await hostOf([Chain])
    const error = await failureOf(host.actor(Chain, path[0]!).visit(path.slice(1)))
    expect(error).toMatchObject({ code: 'CALL_CYCLE', executed: 'yes', data: { chain: path.map(id => `Chain/${id}`) } })
    expect(error.message).toContain(path.map(id => `Chain/${id}`).join(' → '))
  })

  it('tell the turn that made the call that it did not run', async () => {
    const host = await hostOf([Chain])
    expect(await host.actor(Chain, 'a').caught()).toEqual({ code: 'CALL_CYCLE', executed: 'no', chain: ['Chain/a', 'Chain/a'] })
  })

  it('of readonly turns overlap, also past a waiting writer', async () => {
    const host = await hostOf([Chain])
    expect(await host.actor(Chain, 'a').look(['b', 'a', 'b', 'a'])).toBe('end')
    // A writer that came between must not deadlock the chain.
    const looking = host.actor(Chain, 'a').look(['b', 'c', 'd', 'e', 'a'])
    const writer = host.actor(Chain, 'a').visit([])
    expect(await Promise.all([looking, writer])).toEqual(['end', 'end'])
  })

  it('from a readonly turn to a writer are cycles, in a type with call chains too', async () => {
    const host = await hostOf([Chain])
    expect(await failureOf(host.actor(Chain, 'a').lookThenVisit(['b', 'a']))).toMatchObject({ code: 'CALL_CYCLE' })
  })
})
