/**
 * The base class of all actors. The one name it takes is `ctx`; everything else belongs to the author.
 *
 * Public fields of a subclass are its durable state, `#private` fields are the memory of one activation. The context is
 * handed over before the subclass's fields are initialised, so `this.ctx` works in constructors and initialisers too.
 */
import { TroupeError } from '../core/errors.ts'
import type { ActorContext } from './actor-context.ts'
import type { Firing } from './actor-reminders.ts'

/** Whoever creates instances: it makes the context when it is first asked for. */
export interface ContextSource {
  context(): ActorContext
}

/** Why an activation ends: idle · its shard moved · the host stops · a failure after which memory cannot be trusted. */
export type DeactivationReason = 'idle' | 'moved' | 'stopping' | 'failed'

/** Hooks that an actor may define; none is callable from outside. */
export interface ActorHooks {
  /** After the state is loaded and before the first turn; what it changes is committed. A throw fails the activation. */
  onActivate?(): void | Promise<void>
  /** Before the activation ends, when there is time for it; changes are not stored. */
  onDeactivate?(reason: DeactivationReason): void | Promise<void>
  /** A reminder that was set without a method is due: `data` is what it was set with. A turn like any other. */
  onReminder?(name: string, data: any, occurrence: Firing): void | Promise<void>
}

// The source of the instance under construction: set and read within one synchronous `new`. It hangs on the global symbol
// so that an app and a command line that each brought a copy of this package still find each other.
const construction = ((globalThis as Record<symbol, unknown>)[Symbol.for('troupe.construction')] ??= { source: undefined }) as { source: ContextSource | undefined }

export const actorBrand = Symbol.for('troupe.actor')

export abstract class Actor {
  readonly #source: ContextSource | undefined = construction.source

  /** This actor's id, storage, references to other actors, log and signal. @throws OUTSIDE_TURN when no host made this instance */
  get ctx(): ActorContext {
    if (this.#source === undefined) {
      throw new TroupeError('OUTSIDE_TURN', `${this.constructor.name}: this.ctx exists only in instances that a host created; call the actor through a reference`)
    }
    return this.#source.context()
  }
}
Object.defineProperty(Actor, actorBrand, { value: true })

/** `new actorClass()` with `source` behind its `ctx`. */
export function construct(actorClass: new () => Actor, source: ContextSource): Actor {
  const outer = construction.source
  construction.source = source
  try {
    return new actorClass()
  } finally {
    construction.source = outer
  }
}
