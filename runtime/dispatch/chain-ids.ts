/**
 * Call chains by the id that applications are told (`Dapr-Reentrancy-Id`): a call that echoes it belongs to the chain of the turn
 * that was told it. This is how the chain goes through a program that knows nothing of chains, and with it reentrancy, the depth
 * limit and the detection of cycles (P8).
 *
 * Where turns are not reentrant, each has an id of its own. Where they are, one id names all turns of a chain on this host (whoever
 * kept the first one must come back in); of several the one of the actor that is called now is meant, else the latest.
 */
import type { Invocation } from '../../actors/invocation.ts'
import type { Random } from '../../core/random.ts'

export class ChainIds {
  readonly #turns = new Map<string, Invocation[]>()
  readonly #random: Random

  constructor(random: Random) {
    this.#random = random
  }

  /** One that nobody can guess: who knows it may come into the turns of its chain. */
  next(): string {
    return this.#random.nonce()
  }

  /** The turn runs and its application knows the id, until `leave`. */
  enter(id: string, turn: Invocation): void {
    const turns = this.#turns.get(id)
    if (turns === undefined) this.#turns.set(id, [turn])
    else turns.push(turn)
  }

  leave(id: string, turn: Invocation): void {
    const turns = this.#turns.get(id)
    if (turns === undefined) return
    const at = turns.lastIndexOf(turn)
    if (at >= 0) turns.splice(at, 1)
    if (turns.length === 0) this.#turns.delete(id)
  }

  /** The turn that makes a call of this actor with the id; undefined when none that is known here. */
  find(id: string, typeName: string, actorId: string): Invocation | undefined {
    const turns = this.#turns.get(id)?.filter(turn => turn.turnPhase === 'running')
    return turns?.findLast(turn => turn.id === actorId && turn.typeName === typeName) ?? turns?.at(-1)
  }
}
