/** All activations of a host, by type and id. At most one an actor: the next begins when the last has ended. */
import type { ActorType } from '../../actors/actor-type.ts'
import type { Activation } from './activation.ts'

export class Catalog {
  readonly #byType = new Map<string, Map<string, Activation>>()

  constructor(types: Iterable<ActorType>) {
    for (const type of types) this.#byType.set(type.name, new Map())
  }

  find(typeName: string, id: string): Activation | undefined {
    return this.#byType.get(typeName)?.get(id)
  }

  add(activation: Activation): void {
    this.#byType.get(activation.type.name)!.set(activation.id, activation)
  }

  /** Removes it unless another has taken its place. */
  remove(activation: Activation): void {
    const ofType = this.#byType.get(activation.type.name)!
    if (ofType.get(activation.id) === activation) ofType.delete(activation.id)
  }

  /** Activations in these shards of a type. */
  inShards(typeName: string, shards: ReadonlySet<number>): Activation[] {
    const found: Activation[] = []
    for (const activation of this.#byType.get(typeName)?.values() ?? []) if (shards.has(activation.shard)) found.push(activation)
    return found
  }

  *all(): Iterable<Activation> {
    for (const ofType of this.#byType.values()) yield* ofType.values()
  }

  counts(): Record<string, number> {
    return Object.fromEntries([...this.#byType].map(([type, all]) => [type, all.size]))
  }
}
