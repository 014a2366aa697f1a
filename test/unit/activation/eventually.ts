/** Asks an actor again and again until it says what a test waits for, with a deadline. */
import { setImmediate as nextTick } from 'node:timers/promises'

export async function eventually<Value>(read: () => PromiseLike<Value>, fits: (value: Value) => boolean, what: string, withinMs = 5000): Promise<Value> {
  const end = performance.now() + withinMs
  for (;;) {
    const value = await read()
    if (fits(value)) return value
    if (performance.now() > end) throw new Error(`waited ${withinMs} ms until ${what}, it is ${JSON.stringify(value)}`)
    await nextTick()
  }
}
