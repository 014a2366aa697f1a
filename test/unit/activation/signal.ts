/** An event that happens once, waited for with a deadline; and proof that something has not happened yet. */
import { setImmediate as nextTick } from 'node:timers/promises'

export class Signal<Value = void> {
  #fire!: (value: Value) => void
  readonly #fired: Promise<Value>

  constructor() {
    this.#fired = new Promise(resolve => { this.#fire = resolve })
  }

  readonly fire = (value: Value): void => this.#fire(value)

  /** Rejects after `withinMs`, naming what did not happen. */
  wait(what = 'the event', withinMs = 5000): Promise<Value> {
    let timer: NodeJS.Timeout | undefined
    const late = new Promise<never>((_, reject) => {
      timer = setTimeout(() => reject(new Error(`waited ${withinMs} ms for ${what}`)), withinMs)
    })
    return Promise.race([this.#fired, late]).finally(() => clearTimeout(timer))
  }
}

/** Waits for `fact`, looking again each tick, for `withinMs` at most. */
export async function until(fact: () => boolean, what: string, withinMs = 5000): Promise<void> {
  const end = performance.now() + withinMs
  while (!fact()) {
    if (performance.now() > end) throw new Error(`waited ${withinMs} ms until ${what}`)
    await nextTick()
  }
}

/** Lets everything that could happen without time passing happen. */
export async function settle(ticks = 10): Promise<void> {
  for (let i = 0; i < ticks; i++) await nextTick()
}

/** What a promise has come to by now. */
export function watch(promise: Promise<unknown>): { state: 'pending' | 'resolved' | 'rejected'; value: unknown } {
  const seen: { state: 'pending' | 'resolved' | 'rejected'; value: unknown } = { state: 'pending', value: undefined }
  promise.then(value => { Object.assign(seen, { state: 'resolved', value }) }, (error: unknown) => { Object.assign(seen, { state: 'rejected', value: error }) })
  return seen
}

/** What it rejects with; fails when it resolves. */
export async function failureOf(promise: PromiseLike<unknown>): Promise<any> {
  let value: unknown
  try {
    value = await promise
  } catch (error) {
    return error
  }
  throw new Error(`expected a failure, got ${String(value)}`)
}
