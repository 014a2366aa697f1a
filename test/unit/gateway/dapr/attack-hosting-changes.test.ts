// The host behind a sidecar's doors is replaced while calls run: no call that did not run is lost, none waits without a bound, what has
// passed is not hosted any more, and stopping ends whatever is under way.
import { describe, expect, it } from 'vitest'
import { ManualClock } from '../../../../core/clock.ts'
import { TroupeError } from '../../../../core/errors.ts'
import { silentLogger } from '../../../../core/logger.ts'
import { SystemRandom } from '../../../../core/random.ts'
import type { ActorClass } from '../../../../actors/actor-type.ts'
import { ActorResiliency } from '../../../../gateway/dapr/actor-resiliency.ts'
import { Hosting } from '../../../../gateway/dapr/hosting.ts'
import type { CallReply, CallRequest } from '../../../../runtime/dispatch/dispatcher.ts'
import type { Host } from '../../../../runtime/host.ts'
import { failureOf, settle, Signal, watch } from '../../activation/signal.ts'

const stopping = (): TroupeError => new TroupeError('HOST_STOPPING', 'this host stops; call another')

/** A host whose calls wait for the test. */
class StubHost {
  readonly name: string
  readonly stopped = new Promise<void>(() => undefined)
  readonly calls: { readonly answer: (reply: CallReply) => void; readonly refuse: (error: unknown) => void; readonly request: CallRequest }[] = []
  stops = 0
  stopGate: Signal | undefined

  constructor(name: string) {
    this.name = name
  }

  call(request: CallRequest): Promise<CallReply> {
    return new Promise((answer, refuse) => {
      if (this.stops > 0) refuse(stopping())
      else this.calls.push({ answer, refuse, request })
    })
  }
  async stop(): Promise<void> {
    this.stops++
    for (const { refuse } of this.calls) refuse(stopping())
    await this.stopGate?.wait()
  }
}

const named = (type: string): ActorClass => class { static readonly type = type } as unknown as ActorClass

function scene(): { clock: ManualClock; hosting: Hosting; hosts: StubHost[]; failed: unknown[]; openGate: { signal: Signal | undefined; error: Error | undefined }; opened: string[] } {
  const clock = new ManualClock()
  const hosts: StubHost[] = []
  const opened: string[] = []
  const failed: unknown[] = []
  const openGate: { signal: Signal | undefined; error: Error | undefined } = { signal: undefined, error: undefined }
  const hosting = new Hosting({
    appId: 'shop', clock, log: silentLogger, onFailed: error => void failed.push(error),
    resiliency: new ActorResiliency({ types: new Map(), otherwise: undefined }, { clock, random: new SystemRandom() }),
    open: async actors => {
      opened.push(actors.map(actor => (actor as unknown as { type: string }).type).join(','))
      await openGate.signal?.wait()
      if (openGate.error !== undefined) throw openGate.error
      const host = new StubHost(String(hosts.length))
      hosts.push(host)
      return host as unknown as Host
    },
  })
  return { clock, hosting, hosts, failed, openGate, opened }
}

const request = (more: Partial<CallRequest> = {}): CallRequest => ({ type: 'A', id: '1', method: 'm', args: [], ...more })
const reply = (host: string): CallReply => ({ value: undefined, host, epoch: 1 })

describe('a call', () => {
  it('outlives two replacements of the host in a row', async () => {
    const { hosting, hosts } = scene()
    await hosting.serve([named('A')])
    const answer = hosting.call(request())
    await hosting.serve([named('B')])
    await settle()
    expect(hosts[1]!.calls).toHaveLength(1)
    await hosting.serve([named('C')])
    await settle()
    expect(hosts[2]!.calls).toHaveLength(1)
    hosts[2]!.calls[0]!.answer(reply('2'))
    expect((await answer).host).toBe('2')
  })

  it('that hears of the stop only when the next host serves goes on there', async () => {
    const { hosting, hosts } = scene()
    await hosting.serve([named('A')])
    const late = Promise.withResolvers<CallReply>()
    hosts[0]!.call = () => late.promise
    const answer = hosting.call(request())
    await hosting.serve([named('B')])
    late.reject(stopping())
    await settle()
    expect(hosts[1]!.calls).toHaveLength(1)
    hosts[1]!.calls[0]!.answer(reply('1'))
    expect((await answer).host).toBe('1')
  })

  it('is not asked for again when its host stops by itself, or when it may have run', async () => {
    const { hosting, hosts } = scene()
    await hosting.serve([named('A')])
    const answer = hosting.call(request())
    hosts[0]!.calls[0]!.refuse(stopping())
    expect(await failureOf(answer)).toMatchObject({ code: 'HOST_STOPPING' })
    const other = hosting.call(request())
    const change = hosting.serve([named('B')])
    hosts[0]!.calls[1]!.refuse(new TroupeError('HOST_STOPPING', 'cut', { executed: 'unknown' }))
    expect(await failureOf(other)).toMatchObject({ code: 'HOST_STOPPING', executed: 'unknown' })
    await change
  })

  it('whose caller gives up waits for no host any more', async () => {
    const { hosting } = scene()
    const given = new AbortController()
    const answer = watch(hosting.call(request({ signal: given.signal })))
    given.abort(new TroupeError('CANCELLED', 'the client closed its connection'))
    await settle()
    expect(answer).toMatchObject({ state: 'rejected', value: { code: 'CANCELLED', executed: 'no' } })
  })

  it('finds room to wait, or is told at once that there is none (P7)', async () => {
    const { hosting } = scene()
    const large = Buffer.alloc(4 * 1024 * 1024)
    const waiting = Array.from({ length: 200 }, () => watch(hosting.call(request({ args: [], body: { bytes: large, codec: false, query: '', headers: [] }, bytes: large.length }))))
    await settle()
    const refused = waiting.filter(({ state }) => state === 'rejected')
    expect(refused.length).toBeGreaterThan(0)
    expect(refused[0]!.value).toMatchObject({ code: 'OVERLOADED', executed: 'no' })
    expect(hosting.refusal(large.length)).toMatchObject({ code: 'OVERLOADED' })
    await hosting.stop()
    await settle()
    expect(waiting.every(({ state }) => state === 'rejected')).toBe(true)
    expect(hosting.refusal(1)).toBeUndefined()
  })
})

it('a call that is refused for load without a word of when to come again does not come in a circle (P7)', async () => {
  const { clock, hosting, hosts } = scene()
  await hosting.serve([named('A')])
  let asked = 0
  hosts[0]!.call = () => {
    asked++
    return Promise.reject(new TroupeError('OVERLOADED', 'full'))
  }
  const answer = watch(hosting.call(request()))
  for (let ms = 0; ms < 6000; ms += 50) await clock.advance(50)
  expect(answer).toMatchObject({ state: 'rejected', value: { code: 'OVERLOADED' } })
  expect(asked).toBeLessThan(60)
})

describe('changes', () => {
  it('that have passed before their turn are passed over', async () => {
    const { hosting, opened, openGate } = scene()
    openGate.signal = new Signal()
    const first = hosting.serve([named('A')])
    await settle()
    const all = [first, ...['', 'B', '', 'C'].map(type => hosting.serve(type === '' ? [] : [named(type)]))]
    await settle()
    openGate.signal.fire()
    await Promise.all(all)
    expect(opened).toEqual(['A', 'C'])
  })

  it('begin nothing once the sidecar stops, and what fails then is no news', async () => {
    const { hosting, hosts, opened, failed, openGate } = scene()
    await hosting.serve([named('A')])
    hosts[0]!.stopGate = new Signal()
    const change = hosting.serve([named('B')])
    await settle()
    const stopped = hosting.stop()
    hosts[0]!.stopGate.fire()
    await Promise.all([change, stopped])
    expect(opened).toEqual(['A'])

    const other = scene()
    other.openGate.signal = openGate.signal = new Signal()
    const starting = other.hosting.serve([named('A')]).catch(() => undefined)
    await settle()
    const ended = other.hosting.stop()
    other.openGate.error = new Error('the store is away')
    other.openGate.signal.fire()
    await Promise.all([starting, ended])
    expect([failed, other.failed]).toEqual([[], []])
  })

  it('that fail are told once, and calls do not wait for them', async () => {
    const { hosting, failed, openGate } = scene()
    openGate.error = new TroupeError('STORE_OPEN_FAILED', 'refused')
    const waiting = watch(hosting.call(request()))
    await failureOf(hosting.serve([named('A')]))
    await settle()
    expect(failed).toHaveLength(1)
    expect(waiting).toMatchObject({ state: 'rejected', value: { code: 'STORE_OPEN_FAILED' } })
  })
})
