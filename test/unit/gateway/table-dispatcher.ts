/**
 * A Dispatcher of a few functions: the gateways' own behaviour is tested without a runtime behind them.
 * It records the requests it gets, and answers by the method's name.
 */
import type { ActorLocation, CallReply, CallRequest, ClusterStatus, Dispatcher, HostStatus } from '../../../runtime/dispatch/dispatcher.ts'
import { TroupeError } from '../../../core/errors.ts'

export type Method = (request: CallRequest) => unknown

export class TableDispatcher implements Dispatcher {
  readonly requests: CallRequest[] = []
  readonly #methods: Map<string, Method>
  readonly state = new Map<string, unknown>()
  reasons: string[] = []
  status: HostStatus = {
    id: 'h1', incarnation: 'i1', address: '127.0.0.1:1', http: 'http://127.0.0.1:2', types: ['Account'], weight: 1,
    phase: 'serving', tableVersion: 3, shards: { Account: 1024 }, activations: { Account: 2 },
  }

  constructor(methods: Record<string, Method>) {
    this.#methods = new Map(Object.entries(methods))
  }

  async call(request: CallRequest): Promise<CallReply> {
    this.requests.push(request)
    const method = this.#methods.get(request.method)
    if (method === undefined) throw new TroupeError('UNKNOWN_METHOD', `${request.type} has no method ${request.method}`)
    return { value: await method(request), host: this.status.id, epoch: 7 }
  }

  async readState(type: string, id: string, key: string): Promise<CallReply> {
    return { value: this.state.get([type, id, key].join('\u0000')), host: this.status.id, epoch: 7 }
  }

  hostStatus(): HostStatus {
    return this.status
  }

  async clusterStatus(): Promise<ClusterStatus> {
    return { tableVersion: 3, placement: 'standalone', store: 'memory:', hosts: [this.status] }
  }

  locate(type: string, id: string): ActorLocation {
    if (type !== 'Account') throw new TroupeError('UNKNOWN_TYPE', `no host runs ${type}/${id}`)
    return { shard: 5, member: undefined, epoch: undefined }
  }

  notReady(): readonly string[] {
    return this.reasons
  }
}
