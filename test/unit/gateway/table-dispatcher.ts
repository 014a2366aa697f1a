/**
 * A Dispatcher of a few functions: the gateways' own behaviour is tested without a runtime behind them.
 * It records the requests it gets, and answers by the method's name.
 */
import type { ReminderInfo } from '../../../actors/actor-reminders.ts'
import type { AppReply, HeaderList } from '../../../actors/app-channel.ts'
import type { ManagementOperation, SendInfo } from '../../../actors/management.ts'
import { TroupeError } from '../../../core/errors.ts'
import type {
  ActorLocation, CallReply, CallRequest, ClusterStatus, Dispatcher, HostStatus, ManageRequest, PageRequest, ReminderPage, SendPage,
} from '../../../runtime/dispatch/dispatcher.ts'

export type Method = (request: CallRequest) => unknown

/** What an application answered: a method that returns one is an application's. */
export class Answered implements AppReply {
  readonly headers: HeaderList
  readonly body: Uint8Array

  constructor(body: string | Uint8Array, ...headers: string[]) {
    this.body = Buffer.from(body)
    this.headers = headers
  }
}

export class TableDispatcher implements Dispatcher {
  readonly requests: CallRequest[] = []
  readonly managed: ManageRequest[] = []
  /** Answers to operations of management; those without one are UNKNOWN_TYPE. */
  readonly operations: Partial<Record<ManagementOperation, (request: ManageRequest) => unknown>> = {}
  readonly pages: (PageRequest & { type: string })[] = []
  /** What the pages of a type are cut from; a cursor is the number of entries before it. */
  reminders: (ReminderInfo & { id: string })[] = []
  sends: (SendInfo & { from: string })[] = []
  readonly #methods: Map<string, Method>
  readonly state = new Map<string, unknown>()
  /** Types that are no classes. */
  readonly apps = new Set<string>()
  reasons: string[] = []
  status: HostStatus = {
    id: 'h1', incarnation: 'i1', address: '127.0.0.1:1', http: 'http://127.0.0.1:2', types: ['Account'], weight: 1,
    phase: 'serving', tableVersion: 3, shards: { Account: 1024 }, activations: { Account: 2 },
  }

  constructor(methods: Record<string, Method>) {
    this.#methods = new Map(Object.entries(methods))
  }

  runsClass(type: string): boolean {
    return !this.apps.has(type)
  }

  #reply(value: unknown): CallReply {
    return { ...(value instanceof Answered ? { value: undefined, app: value } : { value }), host: this.status.id, epoch: 7 }
  }

  async call(request: CallRequest): Promise<CallReply> {
    this.requests.push(request)
    const method = this.#methods.get(request.method)
    if (method === undefined) throw new TroupeError('UNKNOWN_METHOD', `${request.type} has no method ${request.method}`)
    return this.#reply(await method(request))
  }

  async manage(request: ManageRequest): Promise<CallReply> {
    this.managed.push(request)
    const operation = this.operations[request.operation]
    if (operation === undefined) throw new TroupeError('UNKNOWN_TYPE', `no host runs ${request.type}`)
    return { value: await operation(request), host: this.status.id, epoch: 7 }
  }

  async listReminders(type: string, page: PageRequest): Promise<ReminderPage> {
    const { found, cursor } = this.#page(type, page, this.reminders)
    return { reminders: found, cursor }
  }

  async listSends(type: string, page: PageRequest): Promise<SendPage> {
    const { found, cursor } = this.#page(type, page, this.sends)
    return { sends: found, cursor }
  }

  #page<Entry extends { dead: unknown }>(type: string, page: PageRequest, all: readonly Entry[]): { found: Entry[]; cursor: string | undefined } {
    this.pages.push({ type, ...page })
    if (type === 'Nobody') throw new TroupeError('UNKNOWN_TYPE', `no host runs ${type}`)
    const from = Number(page.cursor ?? 0)
    const to = from + (page.limit ?? 100)
    const found = all.slice(from, to).filter(entry => page.dead !== true || entry.dead !== undefined)
    return { found, cursor: to < all.length ? String(to) : undefined }
  }

  async readState(type: string, id: string, key: string): Promise<CallReply> {
    const value = this.state.get([type, id, key].join('\u0000'))
    if (TroupeError.is(value)) throw value
    return this.#reply(value)
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
