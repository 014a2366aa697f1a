/** Routes whose failures are told in the words of the Dapr actor API (gateway/dapr/door-errors.ts). */
import type { Dispatcher } from '../runtime/dispatch/dispatcher.ts'
import { doorAnswer, refuseReserved, type DoorWork, type WorkTarget } from './dapr/door-errors.ts'
import { demandHosted, type DoorFacts } from './dapr/door-facts.ts'
import type { HttpExchange } from './http-exchange.ts'
import type { RouteHandler, RouteParams } from './http-routes.ts'

export interface FailureContext {
  readonly dispatcher: Dispatcher
  readonly facts: DoorFacts
}

/** Replies with an error of `work`. */
export function failWork({ facts }: FailureContext, exchange: HttpExchange, thrown: unknown, work: DoorWork, target: WorkTarget): void {
  // Who accepts codec bytes is a client of Troupe's own.
  const { errorCode, status, message } = doorAnswer(thrown, work, target, facts.strict && !exchange.wantsCodec)
  exchange.fail(thrown, { errorCode, status, message })
}

/** A route whose handler rejects with what its work fails with. Types that are not for doors never get so far. */
export const workRoute = (
  context: FailureContext, work: DoorWork, handler: (exchange: HttpExchange, params: RouteParams) => Promise<void>,
): RouteHandler => (exchange, params) => {
  const { type, id, name } = params as { type: string; id: string; name?: string }
  const attempt = async (): Promise<void> => {
    refuseReserved(type)
    if (context.facts.strict && !work.startsWith('state.')) await demandHosted(type, context.dispatcher)
    await handler(exchange, params)
  }
  attempt().catch((thrown: unknown) => failWork(context, exchange, thrown, work, { type, id, name }))
}
