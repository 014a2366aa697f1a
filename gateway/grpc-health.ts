/**
 * The standard health service of gRPC, for probes and clients that ask it: this host is serving when it is ready, as
 * `/v1.0/healthz` has it.
 */
import { Metadata, status as codes, type sendUnaryData, type ServerUnaryCall } from '@grpc/grpc-js'
import type { Dispatcher } from '../runtime/dispatch/dispatcher.ts'

type Check = ServerUnaryCall<{ readonly service: string }, object>

/** Answered without a token, as health routes are. */
export const healthCheck = (dispatcher: Dispatcher) => (call: Check, reply: sendUnaryData<object>): void => {
  const { service } = call.request
  if (service !== '' && service !== 'dapr.proto.runtime.v1.Dapr') {
    return reply({ code: codes.NOT_FOUND, details: `unknown service ${service.slice(0, 100)}`, metadata: new Metadata() })
  }
  reply(null, { status: dispatcher.notReady().length === 0 ? 'SERVING' : 'NOT_SERVING' })
}
