/**
 * A steady load from outside: lanes that increment counters through HTTP without pause, and what each was answered.
 * At the end every counter must lie between its acknowledged increments and those plus the ones nobody knows about.
 */
import { CallFailed, HostList, HttpLane } from '../../examples/demo/http-lane.ts'

export class SteadyLoad {
  readonly hosts = new HostList()
  readonly failures: CallFailed[] = []
  readonly acknowledged = new Map<string, number>()
  readonly unknown = new Map<string, number>()
  /** Which hosts answered, and how often. */
  readonly answeredBy = new Map<string, number>()
  calls = 0
  /** Milliseconds of the answered calls since the last look. */
  #latencies: number[] = []
  #running = true
  readonly #lanes: HttpLane[]
  readonly #work: Promise<void>[]
  readonly #ids: readonly string[]
  readonly #pauseMs: number
  #watchers: { at: number; reached: () => void }[] = []

  /** `ids` in place of `counters` counters; `pauseMs` between two calls of a lane: none by default. */
  constructor(urls: readonly string[], options: { lanes?: number; counters?: number; ids?: readonly string[]; pauseMs?: number } = {}) {
    const { lanes = 8, counters = 64, pauseMs = 0 } = options
    this.#ids = options.ids ?? Array.from({ length: counters }, (_, i) => `c${i}`)
    this.#pauseMs = pauseMs
    for (const url of urls) this.hosts.add(url)
    this.#lanes = Array.from({ length: lanes }, (_, i) => new HttpLane(this.hosts, i))
    this.#work = this.#lanes.map((lane, i) => this.#run(lane, i))
    for (const work of this.#work) work.catch(() => {})
  }

  async #run(lane: HttpLane, number: number): Promise<void> {
    for (let i = number; this.#running; i++) {
      const id = this.#ids[i % this.#ids.length]!
      this.calls++
      const startedMs = performance.now()
      try {
        const { host } = await lane.call('Counter', id, 'increment', [])
        this.#latencies.push(performance.now() - startedMs)
        add(this.acknowledged, id)
        add(this.answeredBy, host)
      } catch (error) {
        if (!(error instanceof CallFailed)) throw error
        this.failures.push(error)
        if (error.executed !== 'no') add(this.unknown, id)
        // Not the pace of the test, only of failures: a host that is gone fails thousands of times a second.
        await new Promise(resolve => { setTimeout(resolve, 20) })
      }
      this.#tell()
      if (this.#pauseMs > 0) await new Promise(resolve => { setTimeout(resolve, this.#pauseMs) })
    }
  }

  /** Milliseconds of the calls answered since this was asked last. */
  latencies(): number[] {
    const taken = this.#latencies
    this.#latencies = []
    return taken
  }

  #tell(): void {
    this.#watchers = this.#watchers.filter(({ at, reached }) => {
      if (this.calls < at) return true
      reached()
      return false
    })
  }

  /** Resolves after `calls` more calls. */
  async more(calls: number, deadlineMs = 20_000): Promise<void> {
    const reached = Promise.withResolvers<void>()
    const deadline = setTimeout(() => reached.reject(new Error(`fewer than ${calls} calls within ${deadlineMs} ms; ${this.failures.length} failed: ${String(this.failures.at(-1))}`)), deadlineMs)
    this.#watchers.push({ at: this.calls + calls, reached: reached.resolve })
    try {
      await reached.promise
    } finally {
      clearTimeout(deadline)
    }
  }

  async stop(): Promise<void> {
    this.#running = false
    await Promise.all(this.#work)
  }

  /** Counters that lost an acknowledged increment or counted one twice; asked when the load has stopped. */
  async wrong(): Promise<string[]> {
    const wrong: string[] = []
    const lane = this.#lanes[0]!
    for (const id of this.#ids) {
      const value = Number((await lane.call('Counter', id, 'get', [])).value)
      const least = this.acknowledged.get(id) ?? 0
      const most = least + (this.unknown.get(id) ?? 0)
      if (value < least || value > most) wrong.push(`${id} is ${value}, must be ${least} to ${most}`)
    }
    return wrong
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#running = false
    for (const lane of this.#lanes) lane.close()
    await Promise.allSettled(this.#work)
  }
}

const add = (counts: Map<string, number>, key: string): void => { counts.set(key, (counts.get(key) ?? 0) + 1) }
