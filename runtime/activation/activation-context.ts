/** `this.ctx` of one activation: made when it is first asked for, so that actors that never use it pay nothing. */
import type { ActorContext } from '../../actors/actor-context.ts'
import type { SendOptions } from '../../actors/actor-ref.ts'
import type { ActorTimers } from '../../actors/actor-reminders.ts'
import type { ActorClass, ActorType } from '../../actors/actor-type.ts'
import type { Logger } from '../../core/logger.ts'
import type { Activation } from './activation.ts'
import { ActivationReminders } from './activation-reminders.ts'
import { ActivationSends } from './activation-sends.ts'
import { ActivationStorage } from './activation-storage.ts'
import { presentTurn } from './present-turn.ts'

export class ActivationContext implements ActorContext {
  readonly id: string
  readonly type: string
  readonly storage: ActivationStorage
  readonly #activation: Activation
  #reminders: ActivationReminders | undefined
  #sends: ActivationSends | undefined
  #log: Logger | undefined

  constructor(activation: Activation) {
    this.#activation = activation
    this.id = activation.id
    this.type = activation.type.name
    this.storage = new ActivationStorage(activation)
  }

  /** For those who manage it. */
  get actorType(): ActorType {
    return this.#activation.type
  }

  get log(): Logger {
    return (this.#log ??= this.#activation.services.log.child({ actor: this.#activation.name }))
  }

  get signal(): AbortSignal {
    return presentTurn(this.#activation, 'ctx.signal').signal
  }

  get reminders(): ActivationReminders {
    return (this.#reminders ??= new ActivationReminders(this.#activation))
  }

  get timers(): ActorTimers {
    presentTurn(this.#activation, 'ctx.timers')
    return this.#activation.timers
  }

  /** Its undelivered sends, for those who manage it. */
  get sends(): ActivationSends {
    return (this.#sends ??= new ActivationSends(this.#activation))
  }

  actor(target: ActorClass | string, id: string): never {
    const { refs } = this.#activation.services
    return (typeof target === 'string' ? refs.byName(target, id) : refs.actor(target, id)) as never
  }

  send(target: ActorClass | string, id: string, options?: SendOptions): never {
    return this.sends.to(target, id, options) as never
  }
}
