/** Winning, keeping, losing, taking over and winning again the leader row, on a clock moved by hand. */
import { expect, test } from 'vitest'
import { ManualClock } from '../../../core/clock.ts'
import { TroupeError } from '../../../core/errors.ts'
import { silentLogger } from '../../../core/logger.ts'
import { SeededRandom } from '../../../core/random.ts'
import { Leadership } from '../../../placement/leadership.ts'
import { MemoryClusterStore } from '../../../stores/memory/cluster-store.ts'

const TTL = 1_500

/** It *fails* while it is away, *hangs* while it does not answer; *unanswered*: requests are carried out, and their answers are lost. */
type ViewPhase = 'works' | 'fails' | 'hangs' | 'unanswered'

class World {
  readonly clock = new ManualClock()
  readonly store = new MemoryClusterStore(this.clock)
  readonly refused = new Set<string>()
  readonly probed: string[] = []

  candidate(seed: number, more: { elected?: (term: number) => Promise<void>; address?: string; store?: MemoryClusterStore } = {}) {
    const events: string[] = []
    const leadership = new Leadership({
      clock: this.clock, random: new SeededRandom(seed), log: silentLogger, store: more.store ?? this.store, address: more.address ?? `c${seed}:1`, ttlMs: TTL,
      probe: async address => {
        this.probed.push(address)
        return this.refused.has(address) ? 'refused' : 'reached'
      },
      elected: async term => {
        events.push(`elected ${term}`)
        await more.elected?.(term)
      },
      deposed: reason => { events.push(`deposed: ${reason}`) },
      seen: address => { events.push(`sees ${address ?? 'nobody'}`) },
    })
    return { leadership, events }
  }
  /** Started, and the first turn is over. */
  async started(...args: Parameters<World['candidate']>) {
    const candidate = this.candidate(...args)
    const first = candidate.leadership.start()
    first.catch(() => undefined)
    await this.clock.advance(1)
    await first
    return candidate
  }
  /** The store as one process sees it. */
  view(): { store: MemoryClusterStore; phase: ViewPhase } {
    const view = { phase: 'works' as ViewPhase, store: Object.create(this.store) as MemoryClusterStore }
    view.store.campaign = async candidate => {
      if (view.phase === 'unanswered') await this.store.campaign(candidate)
      if (view.phase === 'hangs') return new Promise(() => {})
      if (view.phase !== 'works') throw new TroupeError('STORE_UNAVAILABLE', 'down')
      return this.store.campaign(candidate)
    }
    view.store.resign = nonce => this.store.resign(nonce)
    return view
  }
}

test('renews for as long as it lives; another waits, and leads at once when the row is given back', async () => {
  const w = new World()
  const first = await w.started(1)
  const second = await w.started(2)
  await w.clock.advance(10_000)
  expect(first.events).toEqual(['elected 1', 'sees c1:1'])
  expect(second.events).toEqual(['sees c1:1'])
  expect([first.leadership.leads, second.leadership.leads]).toEqual([true, false])
  await first.leadership.stop()
  await w.clock.advance(500)
  expect(second.events).toEqual(['sees c1:1', 'elected 2', 'sees c2:1'])
  expect(second.leadership.leader).toBe('c2:1')
})

test('an idle standby looks at the row at most four times a second and probes its holder once', async () => {
  const w = new World()
  await w.started(1)
  const { campaign } = w.store
  let looks = 0
  w.store.campaign = candidate => {
    if (candidate.address === 'c2:1') looks++
    return campaign.call(w.store, candidate)
  }
  await w.started(2)
  await w.clock.advance(10_000)
  expect(looks).toBeGreaterThan(19)
  expect(looks).toBeLessThan(42)
  expect(w.probed).toEqual(['c1:1'])
})

test('a frozen leader loses the row when its time is over; thawed, it finds itself deposed', async () => {
  const w = new World()
  const view = w.view()
  const frozen = await w.started(1, { store: view.store })
  const second = await w.started(2)
  // Nothing that it sends is answered any more, and no timer of its own has run: as it is for a process that stands still.
  view.phase = 'hangs'
  await w.clock.advance(1_000)
  expect(second.events).toEqual(['sees c1:1'])
  await w.clock.advance(1_001)
  expect(second.events).toEqual(['sees c1:1', 'elected 2', 'sees c2:1'])
  expect(frozen.leadership.leads).toBe(false)
  expect(frozen.events).toEqual(['elected 1', 'sees c1:1', 'deposed: the leader row could not be renewed in time', 'sees nobody'])
})

test('thawed with the answer of its renewal: it steps down for the one who leads now', async () => {
  const w = new World()
  const view = w.view()
  const frozen = await w.started(1, { store: view.store })
  // Another is elected behind its back.
  await w.store.resign('?')
  const taken = await w.store.campaign({ nonce: 'other', address: 'other:1', ttlMs: 60_000, deposes: (await w.store.renewLease({ id: '?', ttlMs: 1 })).leader!.nonce })
  expect(taken.term).toBe(2)
  await w.clock.advance(500)
  expect(frozen.events).toEqual(['elected 1', 'sees c1:1', 'deposed: the leader row is held by other:1', 'sees nobody', 'sees other:1'])
})

test('a hint that the leader is gone: its address is probed, and the row taken at once', async () => {
  const w = new World()
  const dead = await w.store.campaign({ nonce: 'dead', address: 'dead:1', ttlMs: 60_000 })
  const second = await w.started(2)
  await w.clock.advance(1_000)
  w.refused.add('dead:1')
  await w.clock.advance(1_000)
  // Nobody asked.
  expect(second.events).toEqual(['sees dead:1'])
  second.leadership.nudge()
  await w.clock.advance(20)
  expect(second.events).toEqual(['sees dead:1', `elected ${dead.term + 1}`, 'sees c2:1'])
})

test('a port that is just closing is found out by probing a few times, and a living leader is left alone', async () => {
  const w = new World()
  await w.store.campaign({ nonce: 'dying', address: 'dying:1', ttlMs: 60_000 })
  const second = await w.started(2)
  await w.clock.advance(1_000)
  second.leadership.nudge()
  await w.clock.advance(250)
  w.refused.add('dying:1')
  await w.clock.advance(110)
  expect(second.leadership.leads).toBe(true)
  const third = await w.started(3)
  w.probed.length = 0
  third.leadership.nudge()
  await w.clock.advance(5_000)
  expect(w.probed).toHaveLength(5)
  expect(second.leadership.leads).toBe(true)
})

test('a thousand hints cost no more looks than a few', async () => {
  const w = new World()
  await w.started(1)
  const second = await w.started(2)
  const { campaign } = w.store
  let looks = 0
  w.store.campaign = candidate => {
    if (candidate.address === 'c2:1') looks++
    return campaign.call(w.store, candidate)
  }
  for (let i = 0; i < 1_000; i++) {
    second.leadership.nudge()
    await w.clock.advance(1)
  }
  expect(looks).toBeLessThan(12)
})

test('a holder at this very address is another life of this process: deposed at once', async () => {
  const w = new World()
  await w.store.campaign({ nonce: 'before', address: 'c1:1', ttlMs: 60_000 })
  const { leadership, events } = w.candidate(1)
  void leadership.start()
  await w.clock.advance(1)
  expect(events).toEqual(['elected 2', 'sees c1:1'])
  expect(leadership.leads).toBe(true)
})

test('a leader whose address only seems to refuse is deposed once, not for ever', async () => {
  const w = new World()
  const first = await w.started(1)
  w.refused.add('c1:1')
  const second = await w.started(2)
  await w.clock.advance(100)
  expect(second.leadership.leads).toBe(true)
  await w.clock.advance(1_000)
  await second.leadership.stop()
  await w.clock.advance(600)
  expect(first.leadership.leads).toBe(true)
  const third = await w.started(2)
  await w.clock.advance(1_000)
  expect(third.leadership.leads).toBe(true)
  // The first has the row again; the third has deposed it once, and knows now that it lives.
  await third.leadership.stop()
  await w.clock.advance(600)
  expect(first.leadership.leads).toBe(true)
})

test('a host alone that looks at the row for a moment is no leader, and nobody to probe', async () => {
  const w = new World()
  await w.store.campaign({ nonce: 'alone', address: 'standalone', ttlMs: 1_000 })
  const { leadership, events } = await w.started(1)
  leadership.nudge()
  await w.clock.advance(500)
  expect([leadership.leader, events, w.probed]).toEqual([undefined, [], []])
  await w.clock.advance(1_000)
  expect(events).toEqual(['elected 2', 'sees c1:1'])
})

test('two candidates that see each other refuse do not depose each other again and again', async () => {
  const w = new World()
  const [one, two] = [await w.started(1), await w.started(2)]
  for (const address of ['c1:1', 'c2:1']) w.refused.add(address)
  for (let i = 0; i < 40; i++) {
    one.leadership.nudge()
    two.leadership.nudge()
    await w.clock.advance(250)
  }
  const elections = [...one.events, ...two.events].filter(event => event.startsWith('elected'))
  expect(elections.length).toBeLessThan(5)
})

test('a store that fails for less than the time to live costs nothing; for longer, the leadership; then it is won again', async () => {
  const w = new World()
  const view = w.view()
  const { leadership, events } = await w.started(1, { store: view.store })
  view.phase = 'fails'
  await w.clock.advance(900)
  view.phase = 'works'
  await w.clock.advance(2_000)
  expect(events).toEqual(['elected 1', 'sees c1:1'])
  const troubled = leadership.troubleMs
  expect(troubled).toBeGreaterThan(0)
  view.phase = 'fails'
  await w.clock.advance(5_000)
  expect(events.slice(2)).toEqual(['deposed: the leader row could not be renewed in time', 'sees nobody'])
  view.phase = 'works'
  await w.clock.advance(1_000)
  expect(events.slice(4)).toEqual([expect.stringMatching(/^elected/), 'sees c1:1'])
  expect(leadership.troubleMs).toBeGreaterThan(troubled)
})

test('renewals that are carried out unheard: the term is over by time all the same, and is never led again', async () => {
  const w = new World()
  const view = w.view()
  const { events } = await w.started(1, { store: view.store })
  view.phase = 'unanswered'
  await w.clock.advance(1_700)
  view.phase = 'works'
  await w.clock.advance(600)
  expect(events.slice(2)).toEqual(['deposed: the leader row could not be renewed in time', 'sees nobody', 'elected 2', 'sees c1:1'])
})

test('a store that does not answer costs the leadership by time alone', async () => {
  const w = new World()
  const view = w.view()
  const { leadership, events } = await w.started(1, { store: view.store })
  view.phase = 'hangs'
  await w.clock.advance(1_600)
  expect(leadership.leads).toBe(false)
  expect(events.slice(2)).toEqual(['deposed: the leader row could not be renewed in time', 'sees nobody'])
})

test('a process that was frozen knows that it leads no more before any of its timers has run', async () => {
  const w = new World()
  const { leadership } = await w.started(1)
  const { monotonicMs } = w.clock
  w.clock.monotonicMs = () => monotonicMs.call(w.clock) + TTL
  expect(leadership.leads).toBe(false)
})

test('a store that fails at the start rejects the start, and the campaign goes on', async () => {
  const w = new World()
  const view = w.view()
  view.phase = 'fails'
  const { leadership, events } = w.candidate(1, { store: view.store })
  const start = expect(leadership.start()).rejects.toMatchObject({ code: 'STORE_UNAVAILABLE' })
  await w.clock.advance(1)
  await start
  await w.clock.advance(5_000)
  view.phase = 'works'
  await w.clock.advance(600)
  expect(events).toEqual(['elected 1', 'sees c1:1'])
})

test('a term that was won again is a new election: the table may have changed meanwhile', async () => {
  const w = new World()
  const { events } = await w.started(1)
  const { campaign } = w.store
  w.store.campaign = async c => ({ ...await campaign.call(w.store, c), term: 3 })
  await w.clock.advance(2_000)
  expect(events.slice(2)).toEqual(['deposed: the leader row is held under a new term', 'sees nobody', 'elected 3', 'sees c1:1'])
})

test('the refusal of a table ends the term, and the next one is higher though nobody else was elected', async () => {
  const w = new World()
  const { leadership, events } = await w.started(1)
  leadership.refused('a newer leader saved')
  leadership.refused('twice')
  expect(events.slice(2)).toEqual(['deposed: a newer leader saved', 'sees nobody'])
  await w.clock.advance(600)
  expect(events.slice(4)).toEqual(['elected 2', 'sees c1:1'])
})

test('what cannot be led is given back to others, told, and tried again slowly', async () => {
  const w = new World()
  const misfit = async (): Promise<never> => {
    throw new TroupeError('CLUSTER_MISMATCH', 'shardBits differs')
  }
  const failing = w.candidate(2, { elected: misfit })
  const start = expect(failing.leadership.start()).rejects.toMatchObject({ code: 'CLUSTER_MISMATCH' })
  await w.clock.advance(1)
  await start
  expect(failing.leadership.unfit).toMatchObject({ code: 'CLUSTER_MISMATCH' })
  expect(failing.events).toEqual(['elected 1', 'sees c2:1'])
  const next = await w.started(3)
  expect(next.leadership.leads).toBe(true)
  await next.leadership.stop()
  await w.clock.advance(20_000)
  expect(failing.events.filter(e => e.startsWith('elected')).length).toBeLessThan(5)
  const third = await w.started(3)
  expect(third.leadership.leads).toBe(true)
  await w.clock.advance(20_000)
  expect(failing.leadership.leader).toBe('c3:1')
  expect(third.events.filter(e => e.startsWith('elected'))).toHaveLength(1)
})

test('a stop while a renewal, or an election, is on its way gives the row back all the same', async () => {
  const w = new World()
  const { campaign } = w.store
  const { leadership } = await w.started(1)
  let answer = (): void => {}
  w.store.campaign = async c => {
    await new Promise<void>(resolve => { answer = resolve })
    return campaign.call(w.store, c)
  }
  await w.clock.advance(600)
  await leadership.stop()
  answer()
  await w.clock.advance(1)
  w.store.campaign = campaign
  let elect = (): void => {}
  const next = w.candidate(2, { elected: () => new Promise(resolve => { elect = resolve }) })
  void next.leadership.start()
  await w.clock.advance(1)
  // At once, under a term that nobody has used: the late renewal had taken the row under one more.
  expect(next.events).toEqual(['elected 3'])
  await next.leadership.stop()
  elect()
  await w.clock.advance(1)
  expect(next.events).toEqual(['elected 3', 'deposed: this candidate stops'])
  const third = await w.started(3)
  expect(third.events).toEqual(['elected 4', 'sees c3:1'])
})
