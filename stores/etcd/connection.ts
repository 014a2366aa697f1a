/**
 * The endpoints of one etcd cluster as one service that answers, or fails within a bound.
 *
 * All calls of one operation share a deadline. A call that an endpoint leaves unanswered is made again at the next one, so
 * only calls that may run twice belong here; each endpoint is tried once, and the one that answered last is asked first. With
 * user and password a token is fetched, and fetched anew when etcd no longer knows it (it forgets them when it restarts).
 */
import { sleep, type Clock } from '../../core/clock.ts'
import { messageOf, TroupeError } from '../../core/errors.ts'
import type { EtcdAddress } from './address.ts'
import { EtcdEndpoint, EtcdFailure, loadEtcdMethods, type Calls, type Method } from './rpc.ts'

export interface EtcdConnectionOptions {
  /** How long `open` tries; 5 s by default. */
  readonly openTimeoutMs?: number
  /** How long an operation may take, all its calls together; 4 s by default. */
  readonly operationTimeoutMs?: number
}

/** A call within an operation. @throws STORE_UNAVAILABLE when no endpoint answers, or etcd refuses: it may have run */
export type Call = <M extends Method>(method: M, request: Calls[M]['request']) => Promise<Calls[M]['reply']>

/** However many endpoints there are, each gets this long to answer. */
const LEAST_ATTEMPT_MS = 500
const OPEN_AGAIN_MS = 100
const AUTH_TOKEN_FORGOTTEN = /invalid auth token|revision of auth store is old/

export class EtcdConnection {
  readonly name: string
  readonly #address: EtcdAddress
  readonly #clock: Clock
  readonly #openTimeoutMs: number
  readonly #operationTimeoutMs: number
  #endpoints: readonly EtcdEndpoint[] = []
  /** Index of the endpoint that is asked first. */
  #first = 0
  #token: string | undefined

  constructor(address: EtcdAddress, clock: Clock, options: EtcdConnectionOptions = {}) {
    this.name = address.name
    this.#address = address
    this.#clock = clock
    this.#openTimeoutMs = options.openTimeoutMs ?? 5_000
    this.#operationTimeoutMs = options.operationTimeoutMs ?? 4_000
  }

  /** Resolves when `probe` has been answered. @throws STORE_OPEN_FAILED */
  async open(probe: (call: Call) => Promise<unknown>): Promise<void> {
    if (this.#endpoints.length > 0) return
    const method = loadEtcdMethods()
    const { endpoints, tls } = this.#address
    this.#endpoints = endpoints.map(address => new EtcdEndpoint(address, tls, this.#clock, method))
    const deadlineMs = this.#clock.monotonicMs() + this.#openTimeoutMs
    for (;;) {
      try {
        // The last try is no shorter than others: a reason that it had no time to find out helps nobody.
        await probe(this.#caller(Math.max(deadlineMs, this.#clock.monotonicMs() + LEAST_ATTEMPT_MS)))
        return
      } catch (error) {
        const gaveUp = this.#clock.monotonicMs() + OPEN_AGAIN_MS >= deadlineMs
        if (gaveUp || (error instanceof EtcdFailure && error.kind === 'lasting')) {
          this.close()
          const tried = gaveUp ? ` (tried for ${this.#openTimeoutMs} ms)` : ''
          throw new TroupeError('STORE_OPEN_FAILED', `cannot open ${this.name}: ${messageOf(error)}${tried}; start etcd, or correct the URL (host, port, user, password)`)
        }
      }
      await sleep(this.#clock, OPEN_AGAIN_MS)
    }
  }

  close(): void {
    for (const endpoint of this.#endpoints) endpoint.close()
    this.#endpoints = []
    this.#token = undefined
  }

  /** Runs `work`, whose calls have one deadline. @throws STORE_UNAVAILABLE · what `work` throws */
  async operation<T>(work: (call: Call) => Promise<T>): Promise<T> {
    try {
      return await work(this.#caller(this.#clock.monotonicMs() + this.#operationTimeoutMs))
    } catch (error) {
      if (!(error instanceof EtcdFailure)) throw error
      throw new TroupeError('STORE_UNAVAILABLE', `${this.name}: ${error.message}`)
    }
  }

  #caller(deadlineMs: number): Call {
    return async (method, request) => {
      const call = (): Promise<Calls[typeof method]['reply']> => this.#anywhere(method, request, this.#token, deadlineMs)
      await this.#authenticate(deadlineMs)
      try {
        return await call()
      } catch (error) {
        if (!AUTH_TOKEN_FORGOTTEN.test(messageOf(error))) throw error
        this.#token = undefined
        await this.#authenticate(deadlineMs)
        return await call()
      }
    }
  }

  async #authenticate(deadlineMs: number): Promise<void> {
    const { user } = this.#address
    if (user === undefined || this.#token !== undefined) return
    this.#token = (await this.#anywhere('Auth/Authenticate', user, undefined, deadlineMs)).token
  }

  async #anywhere<M extends Method>(method: M, request: Calls[M]['request'], token: string | undefined, deadlineMs: number): Promise<Calls[M]['reply']> {
    const count = this.#endpoints.length
    let failure = new EtcdFailure('lost', 'it is not open')
    for (let attempt = 0; attempt < count; attempt++) {
      const leftMs = deadlineMs - this.#clock.monotonicMs()
      if (leftMs <= 0) return raise(attempt > 0 ? failure : new EtcdFailure('lost', 'the operation took too long'))
      const endpoint = this.#endpoints[this.#first]
      if (endpoint === undefined) break
      try {
        return await endpoint.call(method, request, token, Math.min(leftMs, Math.max(LEAST_ATTEMPT_MS, this.#operationTimeoutMs / count)))
      } catch (error) {
        if (!(error instanceof EtcdFailure) || error.kind !== 'lost') throw error
        failure = error
        // Another call may have found the way to the next one already.
        if (this.#endpoints[this.#first] === endpoint) this.#first = (this.#first + 1) % count
      }
    }
    return raise(failure)
  }
}

const raise = (failure: EtcdFailure): never => { throw failure }
