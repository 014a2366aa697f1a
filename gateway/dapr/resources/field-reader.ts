/**
 * Fields of a resource file, read strictly: a reader looks at one place of a document, and what is wrong there is noted with its
 * path and a remedy. Reading goes on, so that all problems are told at once.
 *
 * Values come as resource-files.ts makes them: text, null, lists, maps. A problem shows no value unless whoever notes it does.
 */
import { TroupeError } from '../../../core/errors.ts'
import { parsePeriod } from '../../../reminders/duration-formats.ts'

/** More of them help nobody. */
const MOST_PROBLEMS = 100

export class Problems {
  readonly #texts: string[] = []

  add(where: string, problem: string): void {
    if (this.#texts.length < MOST_PROBLEMS) this.#texts.push(`${where}: ${problem}`)
  }

  /** @throws BAD_OPTION that names all of them */
  throwIfAny(): void {
    if (this.#texts.length === 0) return
    throw new TroupeError('BAD_OPTION', this.#texts.join('\n'), { data: { problems: this.#texts } })
  }
}

/** Of timers (core/clock.ts). */
const LONGEST_MS = 2 ** 31 - 1
const goDuration = /^(?:(?:\d+\.?\d*|\.\d+)(?:ns|us|µs|μs|ms|s|m|h))+$/
const yes = /^(?:true|yes|y|t|on|1)$/i
const no = /^(?:false|no|n|f|off|0)$/i

/** What is understood as yes where any text may stand; nothing is no. */
export const isTruthy = (text: string | undefined): boolean => text !== undefined && yes.test(text)

/** A value for a message. */
export const shown = (text: string): string => JSON.stringify(text.length > 60 ? `${text.slice(0, 60)}…` : text)

const kindOf = (value: unknown): string => Array.isArray(value) ? 'a list' : value instanceof Map ? 'a mapping' : 'a single value'

export class Field {
  readonly value: unknown
  /** Of the document: file, which one in it, what it is. */
  readonly #document: string
  readonly #path: string
  readonly #problems: Problems

  constructor(value: unknown, document: string, path: string, problems: Problems) {
    this.value = value ?? undefined
    this.#document = document
    this.#path = path
    this.#problems = problems
  }

  get given(): boolean {
    return this.value !== undefined
  }

  /** Notes a problem; returns undefined, for what could not be read. */
  refuse(problem: string): undefined {
    this.#problems.add(this.#path === '' ? this.#document : `${this.#document}: ${this.#path}`, problem)
  }

  at(name: string): Field {
    return this.#child(this.value instanceof Map ? this.value.get(name) : undefined, this.#path === '' ? name : `${this.#path}.${name}`)
  }

  /** Of a mapping; none of what is left out. */
  entries(): [name: string, field: Field][] {
    if (!this.given) return []
    if (!(this.value instanceof Map)) return this.refuse(`must be a mapping of names to values, not ${kindOf(this.value)}`) ?? []
    return [...this.value.keys()].map(key => [String(key), this.at(key as string)])
  }

  /** Of a list; none of what is left out. */
  items(): Field[] {
    if (!this.given) return []
    if (!Array.isArray(this.value)) return this.refuse(`must be a list, not ${kindOf(this.value)}`) ?? []
    return this.value.map((item, i) => this.#child(item, `${this.#path}[${i}]`))
  }

  /** Notes what the mapping has beside `known`. */
  onlyKnown(known: readonly string[]): void {
    const unknown = this.entries().map(([name]) => name).filter(name => !known.includes(name))
    if (unknown.length > 0) this.refuse(`there is no ${unknown.join(', ')} here; there are ${known.join(', ')}`)
  }

  /** A scalar as it was written. */
  text(): string | undefined {
    return typeof this.value === 'string' ? this.value : this.given ? this.refuse(`must be a single value, not ${kindOf(this.value)}`) : undefined
  }

  neededText(): string | undefined {
    if (this.given && this.value !== '') return this.text()
    return this.refuse('is missing; write it')
  }

  texts(): string[] {
    return this.items().flatMap(item => item.neededText() ?? [])
  }

  boolean(): boolean | undefined {
    const text = this.text()
    if (text === undefined) return undefined
    return yes.test(text) ? true : no.test(text) ? false : this.refuse(`${shown(text)} is neither true nor false`)
  }

  whole(least: number, most: number): number | undefined {
    const text = this.text()
    if (text === undefined) return undefined
    const value = Number(text)
    if (/^-?\d{1,15}$/.test(text) && value >= least && value <= most) return value
    return this.refuse(`${shown(text)} is no whole number from ${least} to ${most}`)
  }

  decimal(least: number, most: number): number | undefined {
    const text = this.text()
    if (text === undefined) return undefined
    const value = Number(text)
    if (/^\d{1,9}(?:\.\d{1,9})?$/.test(text) && value >= least && value <= most) return value
    return this.refuse(`${shown(text)} is no number from ${least} to ${most}`)
  }

  /** A Go duration, or a number of milliseconds. */
  durationMs(): number | undefined {
    const text = this.text()
    if (text === undefined) return undefined
    if (text.length > 64 || !/^\d+$/.test(text) && !goDuration.test(text)) {
      return this.refuse(`${shown(text)} is no duration; write '500ms', '5s', '1h30m', or a number of milliseconds`)
    }
    const ms = /^\d+$/.test(text) ? Number(text) : parsePeriodMs(text)
    return ms <= LONGEST_MS ? ms : this.refuse(`${shown(text)} is longer than 24 days; write a shorter time`)
  }

  #child(value: unknown, path: string): Field {
    return new Field(value, this.#document, path, this.#problems)
  }
}

function parsePeriodMs(text: string): number {
  try {
    return parsePeriod(text, 'duration').ms
  } catch {
    return Infinity
  }
}
