/**
 * The chain of turns that wait for a call: who called whom, from the outermost turn inwards. It travels with every call
 * and gives reentrancy, the depth limit and the detection of cycles (P8). Pure.
 */

/** One waiting turn of the chain. `turn` tells it from all other turns of its host, past and present. */
export interface ChainLink {
  readonly typeName: string
  readonly id: string
  readonly turn: number
  /** 1 for the outermost. */
  readonly depth: number
  readonly parent: ChainLink | undefined
}

/** As it travels: `[type, id, turn]` from the innermost outwards, flat. */
export function encodeChain(link: ChainLink | undefined): (string | number)[] | null {
  if (link === undefined) return null
  const flat: (string | number)[] = []
  for (let l: ChainLink | undefined = link; l !== undefined; l = l.parent) flat.push(l.typeName, l.id, l.turn)
  return flat
}

export function decodeChain(flat: unknown): ChainLink | undefined {
  if (!Array.isArray(flat)) return undefined
  let link: ChainLink | undefined
  for (let i = flat.length - 3; i >= 0; i -= 3) {
    link = { typeName: String(flat[i]), id: String(flat[i + 1]), turn: Number(flat[i + 2]), depth: (link?.depth ?? 0) + 1, parent: link }
  }
  return link
}

/** True when `turn` of this actor waits somewhere in the chain. */
export function chainHas(link: ChainLink | undefined, typeName: string, id: string, turn: number): boolean {
  for (let l = link; l !== undefined; l = l.parent) if (l.turn === turn && l.id === id && l.typeName === typeName) return true
  return false
}

/** How many turns of this actor wait in the chain. */
export function chainCount(link: ChainLink | undefined, typeName: string, id: string): number {
  let count = 0
  for (let l = link; l !== undefined; l = l.parent) if (l.id === id && l.typeName === typeName) count++
  return count
}

/** `A/1 → B/2 → A/1`, the outermost first, ending with the call that is being made. */
export function showChain(link: ChainLink | undefined, typeName: string, id: string): string[] {
  const names = [`${typeName}/${id}`]
  for (let l = link; l !== undefined && names.length < 100; l = l.parent) names.unshift(`${l.typeName}/${l.id}`)
  return names
}
