/**
 * The channel to an application's process, which may be started anew: a new process knows nothing of the actors that the last one ran,
 * and is told to forget only those that it has been asked for itself (a host of the JavaScript SDK ends when it is told of others).
 *
 * That a connection was refused proves that the process has gone. One that broke, or was not made for another reason, proves nothing: the
 * watch has a look then.
 */
import type { AppCallback, AppCallbackReply, AppChannel, AppReply, AppRequest } from '../../actors/app-channel.ts'
import { TroupeError } from '../../core/errors.ts'

interface Named {
  readonly type: string
  readonly id: string
}

export class AppLife implements AppChannel {
  readonly name: string
  readonly #channel: AppChannel
  readonly #onLost: () => void
  /** Actors asked for since a process has gone; undefined: none has. */
  #sinceGone: Set<string> | undefined

  /** `onLost`: it could not be reached. */
  constructor(channel: AppChannel, onLost: () => void) {
    this.name = channel.name
    this.#channel = channel
    this.#onLost = onLost
  }

  invoke(request: AppRequest, signal: AbortSignal): Promise<AppReply> {
    return this.#asking(request, this.#channel.invoke(request, signal))
  }

  remind(reminder: AppCallback, signal: AbortSignal): Promise<AppCallbackReply> {
    return this.#asking(reminder, this.#channel.remind(reminder, signal))
  }

  tick(timer: AppCallback, signal: AbortSignal): Promise<AppCallbackReply> {
    return this.#asking(timer, this.#channel.tick(timer, signal))
  }

  async deactivate(type: string, id: string, signal: AbortSignal): Promise<void> {
    if (this.#sinceGone === undefined || this.#sinceGone.delete(keyOf({ type, id }))) await this.#channel.deactivate(type, id, signal).catch(this.#failed)
  }

  #asking<Reply>(actor: Named, reply: Promise<Reply>): Promise<Reply> {
    this.#sinceGone?.add(keyOf(actor))
    return reply.catch(this.#failed)
  }

  readonly #failed = (error: unknown): never => {
    if (TroupeError.is(error, 'APP_UNREACHABLE')) {
      if (wasRefused(error)) this.#sinceGone = new Set()
      this.#onLost()
    }
    throw error
  }
}

/** Nobody listens at its port. HTTP/2 tells it one cause further down. */
function wasRefused(error: TroupeError): boolean {
  const cause = error.cause as { code?: unknown; cause?: { code?: unknown } } | undefined
  return cause?.code === 'ECONNREFUSED' || cause?.cause?.code === 'ECONNREFUSED'
}

const keyOf = ({ type, id }: Named): string => `${type}/${id}`
