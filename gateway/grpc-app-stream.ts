/**
 * The wire of an application's event stream: a bidirectional call of gRPC (`SubscribeActorEventsAlpha1`), handed over to the
 * session in dapr/app-streams.ts. No decisions but one: who is no application of this host gets no session.
 */
import { Metadata, status as codes, type ServerDuplexStream, type ServiceDefinition } from '@grpc/grpc-js'
import type { StreamWire, StreamProblem } from './dapr/app-stream.ts'
import type { FromApp, ToApp } from './dapr/app-stream-messages.ts'
import type { AppStreams } from './dapr/app-streams.ts'

export type AppCall = ServerDuplexStream<FromApp, ToApp>

export function serveAppStream(call: AppCall, streams: AppStreams, maxBytes: number): void {
  const wire = new GrpcStreamWire(call, maxBytes)
  const session = streams.accept(wire)
  call.on('data', (message: FromApp) => session.message(message))
  for (const event of ['end', 'cancelled', 'close']) call.on(event, () => session.closed())
}

/** What an application hears that this host does not take one of: it has none, or reaches it by HTTP. */
export function refuseAppStream(call: AppCall): void {
  endWith(call, codes.FAILED_PRECONDITION, 'actor callback streaming requires a gRPC app channel')
}

/** The same for whoever may not come in. */
export const refuseCaller = (call: AppCall, refusal: { readonly code: number; readonly details: string; readonly metadata: Metadata }): void => {
  call.emit('error', refusal)
}

/** Ends a stream with a status. */
function endWith(call: AppCall, code: number, details: string): void {
  call.emit('error', { code, details, metadata: new Metadata() })
}

class GrpcStreamWire implements StreamWire {
  readonly peer: string
  readonly maxBytes: number
  readonly #call: AppCall
  #waiting = 0

  constructor(call: AppCall, maxBytes: number) {
    this.#call = call
    this.peer = call.getPeer()
    this.maxBytes = maxBytes
  }

  get waitingBytes(): number {
    return this.#waiting
  }

  send(message: ToApp, bytes: number): void {
    this.#waiting += bytes
    this.#call.write(message, () => { this.#waiting -= bytes })
  }

  end(problem?: StreamProblem): void {
    if (problem === undefined) this.#call.end()
    else endWith(this.#call, codes[problem.code], problem.text)
  }
}

/**
 * The service, with bytes that are no message handed over as an empty one: grpc-js would end the call by itself, and the
 * session would not hear of it.
 */
export function tolerant(service: ServiceDefinition): ServiceDefinition {
  const { SubscribeActorEventsAlpha1: stream, ...others } = service
  const requestDeserialize = (bytes: Buffer): FromApp => {
    try {
      return stream!.requestDeserialize(bytes) as FromApp
    } catch {
      return {}
    }
  }
  return { ...others, SubscribeActorEventsAlpha1: { ...stream!, requestDeserialize } }
}
