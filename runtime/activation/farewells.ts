/**
 * The ends of an application's actors, as the application hears of them: what it remembers of an actor is worth nothing any more.
 *
 * Each end is told once, and the actor's id is not free before (`ActivationServices.ended`), for so long at most. An actor that ends in
 * good order is told so in a last turn: a hook of the application that deletes timers, or stores state, comes into it. One that
 * ends otherwise is told when it has ended. Hosts wait for what is still being told before they go (`settled`).
 */
import { turnScope } from '../../actors/invocation.ts'
import { messageOf, TroupeError } from '../../core/errors.ts'
import type { Logger } from '../../core/logger.ts'
import { internalCall } from '../delivery/internal-turn.ts'
import type { Activation } from './activation.ts'

export const LONGEST_FAREWELL_MS = 2000

interface FarewellsOptions {
  readonly log: Logger
  readonly after: (ms: number, run: () => void) => { cancel(): void }
}

export class Farewells {
  readonly #options: FarewellsOptions
  readonly #underWay = new Set<Promise<void>>()

  constructor(options: FarewellsOptions) {
    this.#options = options
  }

  /** Undefined when there is nobody to tell. Never rejects. */
  tell(activation: Activation): Promise<void> | undefined {
    if (activation.type.app === undefined || !activation.knownToApp) return undefined
    if (activation.told === undefined) {
      const told = activation.told = this.#tell(activation).finally(() => this.#underWay.delete(told))
      this.#underWay.add(told)
    }
    return activation.told
  }

  /** Resolves when the turn's own changes are durable. Never rejects: how it ends is the same to who ends the activation. */
  lastTurn(activation: Activation): Promise<void> {
    return new Promise(resolve => {
      const over = (): void => resolve()
      activation.runApart(internalCall(activation.type, activation.id, 'deactivation', () => this.tell(activation), over, over))
    })
  }

  /** All that are under way now. */
  async settled(): Promise<void> {
    await Promise.all(this.#underWay)
  }

  async #tell({ type, id, name }: Activation): Promise<void> {
    const { after, log } = this.#options
    const cut = new AbortController()
    const timer = after(LONGEST_FAREWELL_MS, () => cut.abort(new Error(`took longer than ${LONGEST_FAREWELL_MS} ms`)))
    try {
      await turnScope.exit(() => type.app!.channel.deactivate(type.name, id, cut.signal))
    } catch (error) {
      // One that is not there remembers nothing.
      const gone = TroupeError.is(error, 'APP_UNREACHABLE') && error.executed === 'no'
      log[gone ? 'debug' : 'warn']({ actor: name, reason: messageOf(error) }, 'the application did not take note that the actor is deactivated')
    } finally {
      timer.cancel()
    }
  }
}
