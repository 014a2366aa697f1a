/**
 * `ctx.send`: rows `o:NUMBER` of the sender's own commit, so a send exists if and only if the state of its turn does.
 * Delivering them is runtime/delivery/outbox.ts, which is told of them when the commit is durable.
 */
import type { SendOptions } from '../../actors/actor-ref.ts'
import type { ActorClass } from '../../actors/actor-type.ts'
import type { SendInfo } from '../../actors/management.ts'
import { decode } from '../../core/codec.ts'
import { TroupeError } from '../../core/errors.ts'
import { decodeSend, encodeSend, SEND_DUE, SEND_PREFIX, sendEntry, type Send } from '../delivery/send-row.ts'
import type { SendTarget } from '../dispatch/send-references.ts'
import type { Activation } from './activation.ts'
import { listEntries, readEntry } from './entry-pages.ts'
import { presentTurn, writableTurn } from './present-turn.ts'

const MAX_LIST = 1000

export class ActivationSends {
  readonly #activation: Activation
  readonly #sink = (target: SendTarget, method: string, args: readonly unknown[]): void => this.#send(target, method, args)

  constructor(activation: Activation) {
    this.#activation = activation
  }

  /** A reference whose methods send. */
  to(target: ActorClass | string, id: string, options: SendOptions | undefined): unknown {
    const { sendRefs } = this.#activation.services
    return typeof target === 'string' ? sendRefs.byName(target, id, options, this.#sink) : sendRefs.actor(target, id, options, this.#sink)
  }

  #send(target: SendTarget, method: string, args: readonly unknown[]): void {
    writableTurn(this.#activation, 'ctx.send')
    this.#write({ number: 0, typeName: target.typeName, id: target.id, method, args, attempts: target.attempts, backoffMs: target.backoffMs })
  }

  #write(fields: Send): void {
    const { entries, services, name } = this.#activation
    services.checkRoomForSend(this.#activation)
    const number = entries.tally.sent + 1
    const send = { ...fields, number }
    const bytes = encodeSend(send)
    if (bytes.length > services.maxPayloadBytes) {
      throw new TroupeError('PAYLOAD_TOO_LARGE', `${name}: a send to ${send.typeName}/${send.id}.${send.method} takes ${bytes.length} bytes, ${services.maxPayloadBytes} may travel; send less, or in parts`)
    }
    entries.write([sendEntry(number), bytes, SEND_DUE, null])
    entries.retally({ sent: number })
    entries.addSend({ ...send, bytes: bytes.length })
  }

  async list(options: { dead?: boolean; after?: number; limit?: number } = {}): Promise<SendInfo[]> {
    const { dead = false, after, limit = MAX_LIST } = options
    if (!Number.isInteger(limit) || limit < 1 || limit > MAX_LIST) throw new TroupeError('BAD_REQUEST', `sends.list: limit must be 1 to ${MAX_LIST}, not ${String(limit)}`)
    presentTurn(this.#activation, 'sends.list')
    const found = await listEntries(this.#activation, {
      prefix: SEND_PREFIX, after: after === undefined ? undefined : sendEntry(checkNumber(after)), limit,
      keep: ([name, value]) => !dead || decodeSend(name, value, this.#activation.name).dead !== undefined,
    })
    const { services, name: who } = this.#activation
    return found.map(([name, value]) => {
      const send = decodeSend(name, value, who)
      return showSend(send, services.progressOf(this.#activation, send.number))
    })
  }

  async retry(number: number): Promise<void> {
    writableTurn(this.#activation, 'sends.retry')
    const { dead: _, ...send } = await this.#takeDead(number)
    this.#write(send)
  }

  async delete(number: number): Promise<void> {
    writableTurn(this.#activation, 'sends.delete')
    await this.#takeDead(number)
  }

  async #takeDead(number: number): Promise<Send> {
    const activation = this.#activation
    const entry = sendEntry(checkNumber(number))
    const bytes = await readEntry(activation, entry, true)
    const send = bytes && decodeSend(entry, bytes, activation.name)
    if (send === undefined) throw new TroupeError('NOT_FOUND', `${activation.name} has no send ${number}: it was delivered, or never made; see troupe sends ${activation.name}`)
    if (send.dead === undefined) throw new TroupeError('NOT_FOUND', `${activation.name}: send ${number} is no dead letter: it is under way and may have been applied; see troupe sends ${activation.name}`)
    activation.entries.write([entry, null, null])
    return send
  }
}

export const showSend = (
  { number, typeName, id, method, args, attempts, dead }: Send, progress?: { readonly failures: number; readonly problem: string | undefined },
): SendInfo => ({
  number, type: typeName, id, method, args: args instanceof Uint8Array ? decode(args, 'args', 'STATE_UNREADABLE') as unknown[] : args,
  failures: progress?.failures ?? (dead === undefined ? 0 : attempts), problem: progress?.problem ?? dead?.error,
  dead: dead && { error: dead.error, at: new Date(dead.at) },
})

function checkNumber(number: unknown): number {
  if (Number.isSafeInteger(number) && Number(number) > 0) return Number(number)
  throw new TroupeError('BAD_REQUEST', `the number of a send is a whole number from 1 up, not ${String(number)}`)
}
