/**
 * What a hostile or unlucky actor can make two hosts say to each other: errors that look like proof, answers that no link
 * carries, ids and values of every odd kind, chains that go back and forth. Two hosts on one LMDB store, in this process.
 */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, it, onTestFinished } from 'vitest'
import { Actor, ActorError, createHost, TroupeError, type ActorClass, type ActorOptions, type Host, type MethodOptions } from 'troupe'
import { SystemClock } from '../../core/clock.ts'
import { silentLogger } from '../../core/logger.ts'
import { SystemRandom } from '../../core/random.ts'
import { startPlacement } from '../../placement/placement-server.ts'
import { openStores } from '../../stores/open-store.ts'
import { failureOf, until } from '../unit/activation/signal.ts'

const MIB = 1024 * 1024
const runs = new Map<string, number>()
const ran = (what: string): void => { runs.set(what, (runs.get(what) ?? 0) + 1) }

class Verbose extends ActorError<{ text: string }> {
  static readonly code = 'VERBOSE'
}

class Probe extends Actor {
  kept: unknown = undefined
  claimsToHaveMoved(name: string): void {
    ran(name)
    throw new TroupeError('MOVED', 'from a call that this turn made')
  }
  throwsText(length: number): void {
    throw new Error('e'.repeat(length))
  }
  throwsData(length: number): void {
    throw new Verbose({ text: 'd'.repeat(length) }, 'm'.repeat(length))
  }
  keep(value: unknown) {
    return (this.kept = value)
  }
  read() {
    return this.kept
  }
  async via(path: string[]): Promise<string> {
    const [next, ...rest] = path
    if (next === 'back') await this.ctx.actor(Writer, 'w').start([])
    return next === undefined ? this.ctx.id : `${this.ctx.id} ${await this.ctx.actor(Probe, next).via(rest)}`
  }
  async *endless() {
    try {
      for (let i = 0; ; i++) yield i
    } finally {
      ran(`end of ${this.ctx.id}`)
    }
  }
  static readonly methods = { read: { readonly: true }, via: { readonly: true } } satisfies MethodOptions<Probe>
}

class Writer extends Actor {
  async start(path: string[]): Promise<string> {
    const [first, ...rest] = path
    return first === undefined ? '' : await this.ctx.actor(Probe, first).via([...rest, 'back'])
  }
}

class Keyed extends Actor {
  bytes(length: number) {
    return new Uint8Array(length).fill(7)
  }
  text(text: string) {
    return text
  }
  async *parts(n: number) {
    for (let i = 0; i < n; i++) yield new Uint8Array([i, i])
  }
  static readonly options: ActorOptions = { placement: { key: id => id.split(':')[0]! } }
}

class Other extends Actor {
  ask(id: string) {
    return (this.ctx.actor('Keyed' as never, id) as unknown as { bytes(n: number): Promise<Uint8Array> }).bytes(3)
  }
}

async function cluster(...kinds: ActorClass[][]): Promise<Host[]> {
  const folder = mkdtempSync(join(tmpdir(), 'troupe-between-'))
  const store = `lmdb:${folder}`
  const clock = new SystemClock()
  const { cluster: clusterStore } = openStores(store, { clock, log: silentLogger, namespace: 'default' })
  await clusterStore.open()
  const placement = await startPlacement({ clusterStore, clock, random: new SystemRandom(), log: silentLogger })
  const hosts = await Promise.all(kinds.map((actors, i) => createHost({ actors, store, placement: placement.address, hostId: `h${i}` })))
  onTestFinished(async () => {
    await Promise.all(hosts.map(host => host.stop()))
    await placement.stop()
    await clusterStore.close()
    rmSync(folder, { recursive: true, force: true })
  }, 30_000)
  await until(() => hosts.every(host => host.hostStatus().tableVersion > 0 && kinds.every((actors, i) => actors.every(actor => ownedBy(host, actor.name, `h${i}`, 1).length === 1))), 'all hosts know all hosts', 10_000)
  return hosts
}

/** Ids whose actors live on the host named `owner`. */
const ownedBy = (host: Host, type: string, owner: string, count: number): string[] =>
  Array.from({ length: 400 }, (_, i) => `i${i}`).filter(id => host.locate(type, id).member?.id === owner).slice(0, count)

describe('between two hosts', () => {
  it('an error of a turn that reads like MOVED is no proof: the turn is not run again', async () => {
    const [a] = await cluster([Probe], [Probe])
    const [id] = ownedBy(a!, 'Probe', 'h1', 1)
    const error = await failureOf(a!.actor(Probe, id!).claimsToHaveMoved('moved'))
    expect(error).toMatchObject({ code: 'MOVED', executed: 'yes' })
    expect(runs.get('moved')).toBe(1)
  })

  it('an error too large for the link is cut, and still says that the method ran', async () => {
    const [a] = await cluster([Probe], [Probe])
    const far = a!.actor(Probe, ownedBy(a!, 'Probe', 'h1', 1)[0]!)
    for (const length of [100, 5 * MIB]) {
      const plain = await failureOf(far.throwsText(length)) as TroupeError
      expect(plain).toMatchObject({ code: 'METHOD_FAILED', executed: 'yes' })
      expect(plain.message).toMatch(/^e{100}/)
      const rich = await failureOf(far.throwsData(length))
      expect(Verbose.is(rich)).toBe(true)
    }
  })

  it('odd ids stay apart and odd values arrive as they were sent', async () => {
    const hosts = await cluster([Probe], [Probe])
    const ids = ['__proto__', 'A||B', '{x}', '😀', '\u00e9', 'e\u0301', 'constructor', 'x'.repeat(1024), ' ', '%2F', '$', '"']
    for (const [i, id] of ids.entries()) await hosts[i % 2]!.actor(Probe, id).keep(id)
    for (const host of hosts) for (const id of ids) expect(await host.actor(Probe, id).read()).toBe(id)
    const values = [
      undefined, null, -0, NaN, 10n ** 30n, '\ud800', '\ufeffbom', `${'x'.repeat(5_000)}\udfff`, new Map([[1, new Set([undefined])]]), new Date(NaN),
      new Float32Array([1.5]), JSON.parse('{"__proto__":{"x":1},"constructor":{"prototype":{"y":2}}}') as unknown, 'a\u0000b', { then: 1 },
    ]
    for (const owner of ['h0', 'h1']) {
      const far = hosts[0]!.actor(Probe, ownedBy(hosts[0]!, 'Probe', owner, 1)[0]!)
      for (const value of values) {
        expect(await far.keep(value)).toEqual(value)
        expect(await far.read()).toEqual(value)
      }
    }
    expect(({} as { x?: number; y?: number }).x ?? ({} as { y?: number }).y).toBeUndefined()
  })

  it('a chain that comes back to an actor by way of another host is a cycle that names it', async () => {
    const [a] = await cluster([Probe, Writer], [Probe, Writer])
    const [a1, a2] = ownedBy(a!, 'Probe', 'h0', 2) as [string, string]
    const [b1] = ownedBy(a!, 'Probe', 'h1', 1) as [string]
    expect(await a!.actor(Probe, a1).via([b1, a2])).toBe(`${a1} ${b1} ${a2}`)
    const error = await failureOf(a!.actor(Writer, 'w').start([b1, a2]))
    expect(error).toMatchObject({ code: 'CALL_CYCLE', executed: 'yes', data: { chain: ['Writer/w', `Probe/${b1}`, `Probe/${a2}`, 'Writer/w'] } })
  })

  it('a host that does not run a keyed type gets results and streams of bytes through the one that passes them on', async () => {
    const [a, , c] = await cluster([Keyed], [Keyed], [Other])
    // The caller takes the id for its key; half of these are with the other host.
    for (let i = 0; i < 12; i++) {
      const far = c!.actor('Keyed', `key${i}:${i}`, { timeout: '3s' }) as unknown as {
        bytes(n: number): Promise<Uint8Array>; text(t: string): Promise<string>; parts(n: number): AsyncIterable<Uint8Array>
      }
      expect(await far.bytes(3)).toEqual(new Uint8Array([7, 7, 7]))
      expect(await far.text('y'.repeat(5_000))).toBe('y'.repeat(5_000))
      const parts: Uint8Array[] = []
      for await (const part of far.parts(2)) parts.push(part)
      expect(parts).toEqual([new Uint8Array([0, 0]), new Uint8Array([1, 1])])
      expect(await c!.actor(Other, `o${i}`).ask(`key${i}:${i}`)).toEqual(new Uint8Array([7, 7, 7]))
    }
    // Many at once, each with its own answer.
    const texts = Array.from({ length: 60 }, (_, i) => `text ${i}`)
    const echo = (text: string, i: number): Promise<string> => (c!.actor('Keyed', `key${i % 12}:${i}`) as unknown as { text(t: string): Promise<string> }).text(text)
    expect(await Promise.all(texts.map(echo))).toEqual(texts)
    expect(a!.phase).toBe('serving')
  })

  it('a reader that leaves ends the stream at its actor', async () => {
    const [a] = await cluster([Probe], [Probe])
    const [id] = ownedBy(a!, 'Probe', 'h1', 1) as [string]
    for await (const item of a!.actor(Probe, id).endless()) if (item === 3) break
    await until(() => runs.get(`end of ${id}`) === 1, 'the generator has ended')
    expect(await a!.actor(Probe, id).keep(1)).toBe(1)
  })
})
