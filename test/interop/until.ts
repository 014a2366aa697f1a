/** Asks again until the answer is as wanted. */
import { setTimeout as pause } from 'node:timers/promises'

const BETWEEN_MS = 100

/** @throws an error that says what was waited for, for how long, and the last answer or error */
export async function until<T>(what: string, ask: () => Promise<T>, wanted: (answer: T) => boolean, deadlineMs: number): Promise<T> {
  const deadline = performance.now() + deadlineMs
  for (;;) {
    let last: string
    try {
      const answer = await ask()
      if (wanted(answer)) return answer
      last = `last answer ${JSON.stringify(answer)}`
    } catch (error) {
      last = `last error: ${(error as Error).message}`
    }
    if (performance.now() > deadline) throw new Error(`no ${what} within ${deadlineMs / 1000} s, ${last}`)
    await pause(BETWEEN_MS)
  }
}
