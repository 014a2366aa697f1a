/**
 * The class that stands for a type which an application runs: to the rest of the host its actors are activations like any other,
 * placed, fenced, run one turn at a time, with reminders and idle collection. What a turn does is app-turn.ts.
 */
import { Actor } from '../../actors/actor.ts'
import type { ActorOptions } from '../../actors/actor-options.ts'
import type { Firing } from '../../actors/actor-reminders.ts'
import { hostingKey, type ActorClass, type AppHosting } from '../../actors/actor-type.ts'
import { turnScope } from '../../actors/invocation.ts'
import { TroupeError } from '../../core/errors.ts'
import type { Activation } from './activation.ts'
import { callBack } from './app-turn.ts'

export interface AppActorOptions extends AppHosting {
  readonly type: string
  /** A call chain may come back into an actor that it is in. */
  readonly reentrant: boolean
  readonly idleMs: number
  readonly drainMs: number
  /** Longest turn. */
  readonly turnTimeoutMs: number
}

/** Calls of one chain that may nest in all, whatever the depth of each actor. */
const MAX_CHAIN = 1000
const MAILBOX = 10_000

export function appActorClass({ type, reentrant, idleMs, drainMs, turnTimeoutMs, ...hosting }: AppActorOptions): ActorClass {
  const options: ActorOptions = {
    idleAfter: idleMs, reentrancy: reentrant ? 'call-chain' : 'none', maxDepth: MAX_CHAIN, mailbox: MAILBOX, drainTimeout: drainMs, turnTimeout: turnTimeoutMs,
  }
  return class extends AppActor {
    static readonly type = type
    static readonly options = options
    static readonly [hostingKey]: AppHosting = hosting
  }
}

class AppActor extends Actor {
  /** `data` is JSON text. */
  async onReminder(name: string, data: string | undefined, occurrence: Firing): Promise<void> {
    const turn = turnScope.getStore()!
    const activation = turn.gate as Activation
    const { cancel } = await callBack(activation, turn, activation.type.app!, 'remind', { name, data, dueTime: '', period: '', callback: '' })
      .catch((error: unknown) => { throw asAttempt(error) })
    if (cancel && activation.type.app!.mayCancel) occurrence.cancel()
  }
}

/**
 * What counts against a reminder's attempts: all but an application that was not asked, since it is not there or has too much to do. One
 * that it kills each time must come to an end.
 */
function asAttempt(error: unknown): unknown {
  if (!TroupeError.is(error) || error.executed === 'yes') return error
  const notAsked = error.executed === 'no' && (error.code === 'APP_UNREACHABLE' || error.code === 'OVERLOADED')
  return notAsked ? error : new TroupeError('METHOD_FAILED', error.message, { cause: error })
}
