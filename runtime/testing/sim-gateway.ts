/** The door of a simulated host to callers outside: while the host stops, what has begun may end, and what comes is told to go elsewhere. */
import { sleep, type Clock } from '../../core/clock.ts'
import { TroupeError } from '../../core/errors.ts'
import type { CallReply, CallRequest, Dispatcher, ManageRequest } from '../dispatch/dispatcher.ts'
import type { Gateway } from '../gateway.ts'

export class SimGateway implements Gateway {
  readonly name = 'simulated'
  readonly #clock: Clock
  readonly #open = new Set<Promise<unknown>>()
  #dispatcher: Dispatcher | undefined
  #phase: 'open' | 'draining' = 'open'

  constructor(clock: Clock) {
    this.#clock = clock
  }

  async start(dispatcher: Dispatcher): Promise<{ address: string }> {
    this.#dispatcher = dispatcher
    return { address: 'simulated' }
  }

  call(request: CallRequest): Promise<CallReply> {
    return this.#pass(dispatcher => dispatcher.call(request))
  }

  manage(request: ManageRequest): Promise<CallReply> {
    return this.#pass(dispatcher => dispatcher.manage(request))
  }

  #pass(ask: (dispatcher: Dispatcher) => Promise<CallReply>): Promise<CallReply> {
    if (this.#phase === 'draining') return Promise.reject(new TroupeError('HOST_STOPPING', 'this host stops; call another'))
    const reply = ask(this.#dispatcher!)
    const over = (): void => { this.#open.delete(reply) }
    this.#open.add(reply)
    reply.then(over, over)
    return reply
  }

  drain(): void {
    this.#phase = 'draining'
  }

  async stop(timeoutMs: number): Promise<void> {
    await Promise.race([Promise.allSettled(this.#open), sleep(this.#clock, timeoutMs)])
  }
}
