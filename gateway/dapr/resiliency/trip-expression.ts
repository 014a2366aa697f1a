/**
 * When a circuit breaker opens, as text: comparisons of its counts with numbers or each other, joined by `&&` and `||`, with
 * parentheses and `!`. `consecutiveFailures > 5`, `requests >= 10 && (totalFailures > 5 || consecutiveFailures >= 3)`. Pure.
 */

export interface BreakerCounts {
  readonly requests: number
  readonly totalSuccesses: number
  readonly totalFailures: number
  readonly consecutiveSuccesses: number
  readonly consecutiveFailures: number
}

export type TripExpression = (counts: BreakerCounts) => boolean

const names: readonly (keyof BreakerCounts)[] = ['requests', 'totalSuccesses', 'totalFailures', 'consecutiveSuccesses', 'consecutiveFailures']
const operators: Readonly<Record<string, (a: number, b: number) => boolean>> = {
  '>': (a, b) => a > b, '>=': (a, b) => a >= b, '<': (a, b) => a < b, '<=': (a, b) => a <= b, '==': (a, b) => a === b, '!=': (a, b) => a !== b,
}
const MAX_LENGTH = 1_000

/** @returns the condition, or what is wrong with the text */
export function parseTrip(text: string): TripExpression | string {
  if (text.length > MAX_LENGTH) return `is longer than ${MAX_LENGTH} characters`
  const tokens = text.match(/&&|\|\||[<>=!]=|[<>!()]|[A-Za-z_]\w*|\d+|\S/g) ?? []
  try {
    const parser = new Parser(tokens)
    const expression = parser.any()
    return parser.done() ? expression : `has ${parser.next} where it should end or go on with && or ||`
  } catch (error) {
    if (error instanceof Unreadable) return error.message
    throw error
  }
}

class Unreadable extends Error {}

class Parser {
  readonly #tokens: readonly string[]
  #at = 0

  constructor(tokens: readonly string[]) {
    this.#tokens = tokens
  }

  get next(): string {
    const token = this.#tokens[this.#at]
    return token === undefined ? 'its end' : JSON.stringify(token)
  }

  done(): boolean {
    return this.#at === this.#tokens.length
  }

  any(): TripExpression {
    const parts = this.#joined('||', () => this.#all())
    return parts.length === 1 ? parts[0]! : counts => parts.some(part => part(counts))
  }

  #all(): TripExpression {
    const parts = this.#joined('&&', () => this.#one())
    return parts.length === 1 ? parts[0]! : counts => parts.every(part => part(counts))
  }

  #joined(by: string, part: () => TripExpression): TripExpression[] {
    const parts = [part()]
    while (this.#took(by)) parts.push(part())
    return parts
  }

  #one(): TripExpression {
    if (this.#took('!')) {
      if (this.#tokens[this.#at] !== '(') throw new Unreadable(`has ${this.next} after !; write !(…)`)
      const inner = this.#one()
      return counts => !inner(counts)
    }
    if (!this.#took('(')) return this.#comparison()
    const inner = this.any()
    if (!this.#took(')')) throw new Unreadable(`has ${this.next} where a ) should be`)
    return inner
  }

  #comparison(): TripExpression {
    const left = this.#operand()
    const compare = operators[this.#tokens[this.#at] ?? '']
    if (compare === undefined) throw new Unreadable(`has ${this.next} where a comparison should be; there are ${Object.keys(operators).join(' ')}`)
    this.#at++
    const right = this.#operand()
    return counts => compare(left(counts), right(counts))
  }

  #operand(): (counts: BreakerCounts) => number {
    const token = this.#tokens[this.#at] ?? ''
    const name = names.find(known => known === token)
    if (name === undefined && !/^\d{1,15}$/.test(token)) throw new Unreadable(`has ${this.next} where a count or a whole number should be; there are ${names.join(', ')}`)
    this.#at++
    const number = Number(token)
    return name === undefined ? () => number : counts => counts[name]
  }

  #took(token: string): boolean {
    if (this.#tokens[this.#at] !== token) return false
    this.#at++
    return true
  }
}
