/** A child process: one host whose actor does a millisecond of work a call, with an HTTP gateway. */
import { createHash } from 'node:crypto'
import { Actor, createHost, httpGateway, type MethodOptions } from 'troupe'
import { Scope } from '../harness/scope.ts'
import { serveParent } from '../harness/serve-parent.ts'

const material = Buffer.alloc(1536 * 1024, 'troupe')

class Worker extends Actor {
  /** Work of the processor, not of a timer: about a millisecond, less on a fast machine. */
  work(): number {
    return createHash('sha256').update(material).digest()[0]!
  }
  static readonly methods = { work: { readonly: true } } satisfies MethodOptions<Worker>
}

const scope = new Scope()

const api = {
  /** Port of HTTP. */
  start: async (): Promise<number> => {
    const host = await createHost({ actors: [Worker], checkReadonly: false, gateways: [httpGateway({ port: 0 })] })
    scope.defer(() => host.stop())
    return Number(new URL(host.addresses.http!).port)
  },
  memoryBytes: () => process.memoryUsage.rss(),
  stop: () => scope[Symbol.asyncDispose](),
}
export type OverloadHostApi = typeof api

serveParent(api)
