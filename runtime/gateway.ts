/**
 * The port of doors to the outside: HTTP, gRPC, … A host starts its gateways before it joins the cluster (so that their
 * addresses are known to it) and stops them last, after its shards were drained.
 */
import type { Logger } from '../core/logger.ts'
import type { Dispatcher } from './dispatch/dispatcher.ts'

export interface Gateway {
  /** `http` or `grpc`: the key of its address in the ready line. */
  readonly name: string
  /**
   * Binds and answers from now on; calls that arrive before the host serves wait in `dispatcher.call`.
   * Resolves with its address: a URL for http, HOST:PORT for grpc. @throws PORT_TAKEN · BAD_OPTION
   */
  start(dispatcher: Dispatcher, log: Logger): Promise<{ address: string }>
  /** From now on tells clients to go elsewhere (`connection: close`), while it still answers. */
  drain(): void
  /** Lets calls in flight end, for `timeoutMs` at most, then closes everything. Never throws. */
  stop(timeoutMs: number): Promise<void>
}
