/**
 * API tokens of the doors: `dapr-api-token` as header or metadata. Several may be good at once, so that they can be changed
 * without a moment in which clients are refused.
 */
import { createHash, timingSafeEqual } from 'node:crypto'

/** One, several, or several with names, by which the authorize hook knows them. Without names they are called `1`, `2`, … */
export type ApiTokens = string | readonly string[] | Readonly<Record<string, string>>

export const TOKEN_HEADER = 'dapr-api-token'

/** Why these cannot be tokens, or undefined. */
export function tokensProblem(given: unknown): string | undefined {
  const tokens: unknown[] | undefined = typeof given === 'string' ? [given] : typeof given === 'object' && given !== null ? Object.values(given) : undefined
  if (tokens === undefined || tokens.length === 0) return 'must be a token, a list of them, or an object of them by name'
  // What a header can carry unchanged.
  return tokens.every(token => typeof token === 'string' && /^[\x21-\x7e]{1,4096}$/.test(token)) ? undefined
    : 'a token must be 1 to 4096 visible ASCII characters'
}

const digest = (token: string): Buffer => createHash('sha256').update(token).digest()

export class TokenCheck {
  readonly #known: readonly { readonly name: string; readonly digest: Buffer }[]

  constructor(tokens: ApiTokens) {
    const named: readonly (readonly [string, string])[] = typeof tokens === 'string' ? [['1', tokens]]
      : Array.isArray(tokens) ? tokens.map((token: string, i) => [String(i + 1), token] as const) : Object.entries(tokens as Record<string, string>)
    this.#known = named.map(([name, token]) => ({ name, digest: digest(token) }))
  }

  /** The name of a token, or undefined when it is none. Takes the same time for all that are of one length. */
  nameOf(given: string | undefined): string | undefined {
    const seen = digest(given ?? '')
    let name: string | undefined
    for (const known of this.#known) if (timingSafeEqual(seen, known.digest)) name = known.name
    return name
  }
}
