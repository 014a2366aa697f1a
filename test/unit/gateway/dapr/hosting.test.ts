// The host behind a sidecar's doors, with hosts that do as they are told: who is called, who is called again, who waits.
import { describe, expect, it } from 'vitest'
import { ManualClock } from '../../../../core/clock.ts'
import { TroupeError } from '../../../../core/errors.ts'
import { silentLogger } from '../../../../core/logger.ts'
import { SeededRandom } from '../../../../core/random.ts'
import { ActorResiliency } from '../../../../gateway/dapr/actor-resiliency.ts'
import { Hosting } from '../../../../gateway/dapr/hosting.ts'
import type { CallReply } from '../../../../runtime/dispatch/dispatcher.ts'
import type { Host } from '../../../../runtime/host.ts'
import { failureOf, settle, watch } from '../../activation/signal.ts'

class FakeHost {
  readonly stopped = new Promise<void>(() => undefined)
  calls = 0
  answers: (string | TroupeError)[] = []
  stopping = Promise.withResolvers<void>()
  holdsStop = false
  /** Calls wait until it is told to stop, and are refused then. */
  holdsCalls = false
  readonly #told = Promise.withResolvers<void>()

  call(): Promise<CallReply> {
    this.calls++
    if (this.holdsCalls) return this.#told.promise.then(() => { throw new TroupeError('HOST_STOPPING', 'stops') })
    const answer = this.answers.shift() ?? 'ok'
    return typeof answer === 'string' ? Promise.resolve({ value: answer, host: 'h', epoch: 1 }) : Promise.reject(answer)
  }
  stop(): Promise<void> {
    this.#told.resolve()
    return this.holdsStop ? this.stopping.promise : Promise.resolve()
  }
}

function open() {
  const clock = new ManualClock()
  const hosts: FakeHost[] = []
  const failures: unknown[] = []
  const script: { fails?: Error } = {}
  const hosting = new Hosting({
    appId: 'app', clock, log: silentLogger, onFailed: error => failures.push(error),
    resiliency: new ActorResiliency({ types: new Map(), otherwise: undefined }, { clock, random: new SeededRandom(1) }),
    open: () => {
      if (script.fails !== undefined) return Promise.reject(script.fails)
      const host = new FakeHost()
      hosts.push(host)
      return Promise.resolve(host as unknown as Host)
    },
  })
  return { clock, hosts, failures, script, hosting, call: () => hosting.call({ type: 'T', id: '1', method: 'm', args: [] }).then(({ value }) => value) }
}

const overloaded = (): TroupeError => new TroupeError('OVERLOADED', 'busy', { retryAfterMs: 100 })

describe('a call', () => {
  it('waits for the first host, for a minute at most', async () => {
    const { hosting, clock, call } = open()
    const late = failureOf(call())
    await clock.advance(60_000)
    expect(await late).toMatchObject({ code: 'NOT_READY', executed: 'no' })
    const waiting = call()
    await hosting.serve([])
    expect(await waiting).toBe('ok')
  })

  it('that a busy host refuses is made again until it is taken, for five seconds at most', async () => {
    const { hosting, hosts, clock, call } = open()
    await hosting.serve([])
    hosts[0]!.answers = [overloaded(), overloaded()]
    const seen = watch(call())
    await clock.advance(200)
    expect(seen).toEqual({ state: 'resolved', value: 'ok' })
    expect(hosts[0]!.calls).toBe(3)
    hosts[0]!.answers = Array.from({ length: 100 }, overloaded)
    const refused = failureOf(call())
    await clock.advance(6_000)
    expect(await refused).toMatchObject({ code: 'OVERLOADED' })
    expect(hosts[0]!.calls).toBe(3 + 51)
  })

  it('that may have run is never made again (P6)', async () => {
    const { hosting, hosts, call } = open()
    await hosting.serve([])
    hosts[0]!.answers = [new TroupeError('OVERLOADED', 'busy', { executed: 'unknown' })]
    expect(await failureOf(call())).toMatchObject({ code: 'OVERLOADED' })
    expect(hosts[0]!.calls).toBe(1)
  })

  it('that a stopping host refuses goes to the next one', async () => {
    const { hosting, hosts, call } = open()
    await hosting.serve([])
    hosts[0]!.holdsStop = true
    const changed = hosting.serve([])
    await settle()
    hosts[0]!.answers = [new TroupeError('HOST_STOPPING', 'stops')]
    const waiting = watch(call())
    await settle()
    expect(waiting.state).toBe('pending')
    hosts[0]!.stopping.resolve()
    await changed
    await settle()
    expect(waiting).toEqual({ state: 'resolved', value: 'ok' })
    expect(hosts.map(({ calls }) => calls)).toEqual([1, 1])
  })

  it('waits no longer than its time in all, however often hosts change under it', async () => {
    const { hosting, hosts, clock, call } = open()
    await hosting.serve([])
    hosts[0]!.holdsCalls = true
    const seen = watch(call())
    for (let second = 0; second < 61; second++) {
      const host = hosts.at(-1)!
      host.holdsStop = true
      const changed = hosting.serve([])
      await clock.advance(1_000)
      host.stopping.resolve()
      await changed
      hosts.at(-1)!.holdsCalls = true
    }
    await settle()
    expect(seen).toMatchObject({ state: 'rejected', value: { code: 'NOT_READY', executed: 'no' } })
  })

  it('fails when the sidecar stops before there is a host', async () => {
    const { hosting, call } = open()
    const failed = failureOf(call())
    await hosting.stop()
    expect(await failed).toMatchObject({ code: 'HOST_STOPPING' })
    expect(await failureOf(call())).toMatchObject({ code: 'HOST_STOPPING' })
  })
})

describe('a host that cannot be started', () => {
  it('is told, to calls that wait too', async () => {
    const { hosting, failures, script, call } = open()
    script.fails = new TroupeError('STORE_OPEN_FAILED', 'no store')
    const failed = failureOf(call())
    expect(await failureOf(hosting.serve([]))).toMatchObject({ code: 'STORE_OPEN_FAILED' })
    expect(await failed).toMatchObject({ code: 'STORE_OPEN_FAILED' })
    expect(failures).toHaveLength(1)
  })
})
