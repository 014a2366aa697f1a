/**
 * What an application says of itself at `GET /dapr/config`, read leniently, and what follows from it for each type.
 *
 * Unknown and misspelt fields are accepted, as SDKs write some; names count in any case, as in Go. A field of the wrong type is as if it
 * were missing, and is told (Dapr would drop the whole document, so no application depends on it).
 */
import { nameProblem, MAX_NAME_BYTES } from '../../core/ids.ts'
import { parsePeriod } from '../../reminders/duration-formats.ts'
import { goDuration } from '../reminder-document.ts'
import type { AppType } from './app-type.ts'

export interface RawAppConfig {
  readonly entities: readonly string[]
  readonly actorIdleTimeoutMs?: number
  readonly drainOngoingCallTimeoutMs?: number
  readonly drainRebalancedActors?: boolean
  readonly reentrancy?: { readonly enabled: boolean; readonly maxStackDepth?: number }
  /** Of some of the types: each says anew how long they may idle and whether they are reentrant. */
  readonly entitiesConfig: readonly Omit<RawAppConfig, 'entitiesConfig'>[]
}

export const DEFAULT_IDLE_MS = 3_600_000
export const DEFAULT_DRAIN_MS = 2000
export const DEFAULT_STACK_DEPTH = 32

/** A move of actors is given up after so long; what drains must have ended well before. */
const DISSEMINATION_MS = 30_000
const LONGEST_DRAIN_MS = Math.max(DISSEMINATION_MS * 0.8, DEFAULT_DRAIN_MS)

/** `document`: parsed JSON. What was wrong in it is added to `warnings`. */
export function readAppConfig(document: unknown, warnings: string[] = []): RawAppConfig {
  const fields = new Fields(document, '', warnings)
  const entries = fields.list('entitiesConfig')
  return {
    ...readEntry(fields),
    entitiesConfig: entries.map((entry, i) => readEntry(new Fields(entry, `entitiesConfig[${i}].`, warnings))),
  }
}

function readEntry(fields: Fields): Omit<RawAppConfig, 'entitiesConfig'> {
  const idle = fields.duration('actorIdleTimeout')
  const drain = fields.duration('drainOngoingCallTimeout')
  const rebalanced = fields.boolean('drainRebalancedActors')
  const reentrancy = fields.object('reentrancy')
  const depth = reentrancy?.count('maxStackDepth')
  return {
    entities: fields.list('entities').filter((name): name is string => typeof name === 'string' || fields.wrong('entities', name, 'no name of a type')),
    ...(idle === undefined ? {} : { actorIdleTimeoutMs: idle }),
    ...(drain === undefined ? {} : { drainOngoingCallTimeoutMs: drain }),
    ...(rebalanced === undefined ? {} : { drainRebalancedActors: rebalanced }),
    ...(reentrancy === undefined ? {} : {
      reentrancy: { enabled: reentrancy.boolean('enabled') ?? false, ...(depth === undefined ? {} : { maxStackDepth: depth }) },
    }),
  }
}

/**
 * The types that the application hosts. An entry of `entitiesConfig` replaces idle time and reentrancy as a whole: what it does not say
 * has its default, not the value of the document; draining is taken field by field.
 */
export function resolveAppTypes(raw: RawAppConfig): { types: AppType[]; warnings: string[] } {
  const warnings: string[] = []
  const names = legalNames(raw.entities, warnings)
  const entryOf = new Map<string, Omit<RawAppConfig, 'entitiesConfig'>>()
  for (const entry of raw.entitiesConfig) {
    for (const name of entry.entities) {
      if (names.has(name)) entryOf.set(name, entry)
      else warnings.push(`entitiesConfig: ${JSON.stringify(name)} is configured but not among the entities; it is not hosted`)
    }
  }
  const sources = new Set([raw, ...entryOf.values()])
  const drains = new Map([...sources].map(source => {
    const own = [...names].filter(name => (entryOf.get(name) ?? raw) === source)
    return [source, drainOf(source.drainOngoingCallTimeoutMs ?? raw.drainOngoingCallTimeoutMs ?? DEFAULT_DRAIN_MS, own, warnings)] as const
  }))
  const types = [...names].map(name => {
    const source = entryOf.get(name) ?? raw
    return {
      name,
      // An actor that idles for no time at all could never end its first turn.
      idleMs: Math.max(1, source.actorIdleTimeoutMs ?? DEFAULT_IDLE_MS),
      drainMs: drains.get(source)!,
      drainRebalanced: source.drainRebalancedActors ?? raw.drainRebalancedActors ?? true,
      reentrant: source.reentrancy?.enabled ?? false,
      maxStackDepth: source.reentrancy?.maxStackDepth ?? DEFAULT_STACK_DEPTH,
    }
  })
  return { types, warnings }
}

function legalNames(entities: readonly string[], warnings: string[]): Set<string> {
  const names = new Set<string>()
  for (const name of entities) {
    const problem = nameProblem(name, MAX_NAME_BYTES) ?? (names.has(name) ? 'is there twice' : undefined)
    if (problem === undefined) names.add(name)
    else warnings.push(`entities: ${JSON.stringify(name.slice(0, 60))} ${problem}; ${names.has(name) ? 'once is enough' : 'it is not hosted'}`)
  }
  return names
}

function drainOf(ms: number, entities: readonly string[], warnings: string[]): number {
  if (ms < DISSEMINATION_MS) return ms
  if (entities.length > 0) {
    warnings.push(`drainOngoingCallTimeout (${goDuration(ms)}) for entities=${entities.join(',')} meets or exceeds the dissemination timeout `
      + `(${goDuration(DISSEMINATION_MS)}); ${goDuration(LONGEST_DRAIN_MS)} is used instead`)
  }
  return LONGEST_DRAIN_MS
}

/** The fields of one object of the document; what is not as it should be is told and counts as missing. */
class Fields {
  readonly #values = new Map<string, unknown>()
  readonly #where: string
  readonly #warnings: string[]

  constructor(source: unknown, where: string, warnings: string[]) {
    this.#where = where
    this.#warnings = warnings
    if (typeof source !== 'object' || source === null || Array.isArray(source)) {
      if (source !== null && source !== undefined) this.wrong('', source, 'no object')
      return
    }
    for (const [name, value] of Object.entries(source)) this.#values.set(name.toLowerCase(), value)
    // The exact spelling wins over others.
    for (const [name, value] of Object.entries(source)) this.#values.set(name, value)
  }

  list(name: string): unknown[] {
    return this.#read(name, 'no list', value => Array.isArray(value) ? value : undefined) ?? []
  }

  boolean(name: string): boolean | undefined {
    return this.#read(name, 'neither true nor false', value => typeof value === 'boolean' ? value : undefined)
  }

  count(name: string): number | undefined {
    return this.#read(name, 'no number of 1 or more', value => Number.isSafeInteger(value) && value as number >= 1 ? value as number : undefined)
  }

  object(name: string): Fields | undefined {
    const value = this.#value(name)
    return value === undefined ? undefined : new Fields(value, `${this.#where}${name}.`, this.#warnings)
  }

  /** Milliseconds of a Go duration. */
  duration(name: string): number | undefined {
    if (this.#value(name) === '') return undefined
    return this.#read(name, "no duration such as '1h30m' or '500ms'", value => {
      if (typeof value !== 'string' || value.includes('P')) return undefined
      try {
        return parsePeriod(value, name).ms
      } catch {
        return undefined
      }
    })
  }

  /** False, so that it can be the end of a test. */
  wrong(name: string, value: unknown, problem: string): false {
    const field = `${this.#where}${name}`.replace(/\.$/, '') || 'the document'
    this.#warnings.push(`${field}: ${JSON.stringify(value)?.slice(0, 60)} is ${problem}; it is ignored`)
    return false
  }

  #read<T>(name: string, problem: string, check: (value: unknown) => T | undefined): T | undefined {
    const value = this.#value(name)
    if (value === undefined) return undefined
    const read = check(value)
    if (read === undefined) this.wrong(name, value, problem)
    return read
  }

  #value(name: string): unknown {
    return this.#values.get(name) ?? this.#values.get(name.toLowerCase()) ?? undefined
  }
}
