/**
 * Ports that nobody listens on: an application and its sidecar must know each other's before either has started. From below those
 * that the system gives to outgoing connections, one of which could be in the way a moment later.
 */
import { randomInt } from 'node:crypto'
import { createServer } from 'node:net'

const FIRST = 20_000
const LAST = 32_000
const ATTEMPTS = 100

export class FreePorts {
  readonly #taken = new Set<number>()

  /** @throws an error when a hundred ports in a row are in use */
  async take(): Promise<number> {
    for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
      const port = randomInt(FIRST, LAST)
      if (!this.#taken.has(port) && await isFree(port)) {
        this.#taken.add(port)
        return port
      }
    }
    throw new Error(`no free port between ${FIRST} and ${LAST}`)
  }
}

async function isFree(port: number): Promise<boolean> {
  const server = createServer()
  const { promise, resolve } = Promise.withResolvers<boolean>()
  server.once('error', () => resolve(false)).listen(port, '127.0.0.1', () => server.close(() => resolve(true)))
  return await promise
}
