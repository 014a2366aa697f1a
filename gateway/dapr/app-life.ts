/**
 * The channel to one life of an application's process: from when it said what it hosts until it is gone.
 *
 * A process that was started anew knows nothing of the actors that the last one ran: it is not told to forget them (a host of the
 * JavaScript SDK ends when it is). That a connection was refused proves that the process has gone.
 */
import type { AppCallback, AppCallbackReply, AppChannel, AppReply, AppRequest } from '../../actors/app-channel.ts'
import { TroupeError } from '../../core/errors.ts'

export class AppLife implements AppChannel {
  readonly name: string
  readonly #channel: AppChannel
  readonly #onRefused: () => void
  #phase: 'living' | 'gone' = 'living'

  /** `onRefused`: the application took no connection. */
  constructor(channel: AppChannel, onRefused: () => void) {
    this.name = channel.name
    this.#channel = channel
    this.#onRefused = onRefused
  }

  invoke(request: AppRequest, signal: AbortSignal): Promise<AppReply> {
    return this.#channel.invoke(request, signal).catch(this.#failed)
  }

  remind(reminder: AppCallback, signal: AbortSignal): Promise<AppCallbackReply> {
    return this.#channel.remind(reminder, signal).catch(this.#failed)
  }

  tick(timer: AppCallback, signal: AbortSignal): Promise<AppCallbackReply> {
    return this.#channel.tick(timer, signal).catch(this.#failed)
  }

  async deactivate(type: string, id: string, signal: AbortSignal): Promise<void> {
    if (this.#phase === 'living') await this.#channel.deactivate(type, id, signal).catch(this.#failed)
  }

  readonly #failed = (error: unknown): never => {
    if (TroupeError.is(error, 'APP_UNREACHABLE') && error.executed === 'no') {
      this.#phase = 'gone'
      this.#onRefused()
    }
    throw error
  }
}
