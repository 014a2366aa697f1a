/**
 * An app that writes down what takes effect, and hosts that kill themselves at a named point (core/seams.ts): for tests
 * that find every effect exactly once, whatever crashed.
 *
 * A Ticker's reminder runs as a turn that notes the occurrence and sends one durable line to each of two Ledgers. So one
 * occurrence passes all points: fire, run, commit, advance; commit, deliver, acknowledge, remove.
 */
import { expect } from 'vitest'
import { connect } from '../../gateway/client.ts'
import { callHttp, type RunningHost, type TestProcesses } from './processes.ts'

const app = `
import { Actor } from 'troupe'

export class Ledger extends Actor {
  lines = new Map()
  add(from, n) {
    const lines = this.lines.get(from)
    if (lines === undefined) this.lines.set(from, [n])
    else lines.push(n)
  }
  read() { return Object.fromEntries(this.lines) }
  static methods = { read: { readonly: true } }
}

export class Ticker extends Actor {
  runs = []
  async start(every) {
    await this.ctx.reminders.set('tick', { every, missed: 'all', retry: { attempts: 1000, backoff: 5 } }, this._tick)
  }
  async stop() { await this.ctx.reminders.delete('tick') }
  _tick({ due, count }) {
    this.runs.push([due.getTime(), Date.now(), count])
    this.ctx.send(Ledger, this.ctx.id, { retry: { backoff: 5 } }).add(this.ctx.id, this.runs.length)
    this.ctx.send(Ledger, 'all', { retry: { backoff: 5 } }).add(this.ctx.id, this.runs.length)
  }
  read() { return this.runs }
  static methods = { read: { readonly: true } }
}
`

const preload = `
const seams = (globalThis[Symbol.for('troupe.seams')] ??= { at: undefined })
let left = Number(process.env.CRASH_COUNT)
seams.at = point => {
  if (point !== process.env.CRASH_AT || --left > 0) return
  process.kill(process.pid, 'SIGKILL')
  for (;;);
}
`

type Run = readonly [due: number, at: number, count: number]

export class CrashLedger {
  readonly app: string
  readonly #preload: string
  readonly #ids: readonly string[]
  readonly #everyMs: number

  constructor(processes: TestProcesses, tickers: number, everyMs: number) {
    this.app = processes.write('ledger.js', app)
    this.#preload = processes.write('crash.mjs', preload)
    this.#ids = Array.from({ length: tickers }, (_, i) => `t${i}`)
    this.#everyMs = everyMs
  }

  /** Environment of a host that dies at its `count`-th arrival at `point`. */
  dyingAt(point: string, count: number): Record<string, string> {
    return { NODE_OPTIONS: `--import=file://${this.#preload}`, CRASH_AT: point, CRASH_COUNT: String(count) }
  }

  async start({ http }: RunningHost): Promise<void> {
    await Promise.all(this.#ids.map(id => call(http, 'Ticker', id, 'start', this.#everyMs)))
  }

  /** All reminders have caught up with the clock. */
  async caughtUp({ http }: RunningHost): Promise<void> {
    const until = Date.now()
    for (const id of this.#ids) await repeat(`${id} has caught up`, async () => {
      const runs = await call<Run[]>(http, 'Ticker', id, 'read')
      return (runs.at(-1)?.[0] ?? 0) >= until
    })
  }

  /** All sends that are under way now have arrived. */
  async delivered({ http }: RunningHost): Promise<void> {
    const client = connect(http)
    try {
      const pending = async (): Promise<string[]> => (await client.sends('Ticker', { limit: 1_000 })).sends.map(send => `${send.from}/${send.number}`)
      const now = await pending()
      await repeat('what was sent has arrived', async () => {
        const left = new Set(await pending())
        return !now.some(send => left.has(send))
      })
    } finally {
      await client.close()
    }
  }

  /** Ends the reminders, waits for the last line and compares everything. */
  async check({ http }: RunningHost): Promise<void> {
    await Promise.all(this.#ids.map(id => call(http, 'Ticker', id, 'stop')))
    const runsOf = new Map<string, Run[]>()
    for (const id of this.#ids) runsOf.set(id, await call<Run[]>(http, 'Ticker', id, 'read'))
    const all = await repeat('every line is there', async () => {
      const lines = await call<Record<string, number[]>>(http, 'Ledger', 'all', 'read')
      return this.#ids.every(id => (lines[id]?.length ?? 0) >= runsOf.get(id)!.length) && lines
    })
    for (const id of this.#ids) {
      const runs = runsOf.get(id)!
      const [first] = runs[0]!
      expect(runs.map(([due]) => due - first), `occurrences of ${id}`).toEqual(runs.map((_, i) => i * this.#everyMs))
      expect(runs.map(([, , count]) => count), `counts of ${id}`).toEqual(runs.map((_, i) => i + 1))
      expect(runs.filter(([due, at]) => at < due), `early runs of ${id}`).toEqual([])
      const numbers = runs.map((_, i) => i + 1)
      expect(all[id], `lines of ${id} for all`).toEqual(numbers)
      const own = await repeat(`the lines of ${id}`, async () => {
        const lines = (await call<Record<string, number[]>>(http, 'Ledger', id, 'read'))[id]!
        return lines.length >= numbers.length && lines
      })
      expect(own, `lines of ${id}`).toEqual(numbers)
    }
    const client = connect(http)
    try {
      await repeat('no row of a send is left', async () => (await client.sends('Ticker')).sends.length === 0)
      expect((await client.reminders('Ticker')).reminders).toEqual([])
    } finally {
      await client.close()
    }
  }
}

/** The result of a call, which is repeated while hosts come and go if it proved that it did not run. */
export async function call<Result = unknown>(url: string, type: string, id: string, method: string, ...args: readonly unknown[]): Promise<Result> {
  return await repeat(`${type}/${id}.${method} answers`, async () => {
    const reply = await callHttp(url, type, id, method, ...args)
    if (reply.status === 200 || reply.status === 204) return { result: reply.body as Result }
    expect(reply.body).toMatchObject({ retryable: true })
    return false
  }).then(({ result }) => result)
}

/** What `look` finds, asked again after short pauses. */
export async function repeat<Value>(what: string, look: () => Promise<Value | false>, deadlineMs = 20_000): Promise<Exclude<Value, false>> {
  const end = performance.now() + deadlineMs
  for (;;) {
    const found = await look()
    if (found !== false) return found as Exclude<Value, false>
    if (performance.now() > end) throw new Error(`not within ${deadlineMs} ms: ${what}`)
    await new Promise(resolve => setTimeout(resolve, 10))
  }
}
