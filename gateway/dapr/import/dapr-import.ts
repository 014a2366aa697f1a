/**
 * Takes what Dapr has written of actors into another store: their state, byte for byte and with its time to live, and the reminders of
 * versions that kept them in the state store. Nothing is changed where it is read.
 *
 * Done twice it leaves the same as done once: a key is set, a reminder replaced, and none is deleted. So an import that fails on the
 * way is run again. It is for types that run nowhere at the time: what an actor writes meanwhile, at either end, is not waited for.
 *
 * First all keys are looked at (`surveyDapr`): whose they are, and which types there are. Then values are read, so few at a time that
 * what is in memory at once stays small, and written actor by actor.
 */
import type { StateChange } from '../../../actors/management.ts'
import type { Clock } from '../../../core/clock.ts'
import { messageOf, TroupeError } from '../../../core/errors.ts'
import { checkId, checkType } from '../../../core/ids.ts'
import { isUnreadable, type DaprRows } from '../../../stores/dapr-rows.ts'
import { appIdOf, lastRunKey, readKey, reminderPartKey, reminderPartsKey, type KeyKind } from './import-keys.ts'
import { readLastRun, readPartition, readReminderDocument, readStoredReminder, Unreadable, type ImportedReminder, type StoredReminder } from './import-reminders.ts'
import { ImportCounter, type ImportReport } from './import-report.ts'

/** Where it is written to. A rejection that is not retryable is about what was given; any other ends the import. */
export interface ImportTarget {
  /** All of it in one commit. Of one actor one at a time. */
  state(type: string, id: string, changes: readonly StateChange[]): Promise<void>
  reminder(reminder: ImportedReminder): Promise<void>
}

export interface ImportPlan {
  /** Undefined: there is no state of actors. */
  readonly appId: string | undefined
  /** Those that are asked for; none: all. */
  readonly asked: readonly string[]
  /** Those that there are. */
  readonly types: readonly string[]
}

/** Values in memory at once. */
const SLICE = 32
const MOST_TYPES = 10_000
const MOST_APPS = 1_000
/** Of workflows: their actors are run by the engine that wrote them alone. */
const RESERVED = 'dapr.internal.'

/**
 * Whose keys there are.
 * @throws BAD_OPTION when `appId` is not given and several applications have state of actors, or when only others than `appId` have
 */
export async function surveyDapr(rows: DaprRows, { appId, types: asked }: { appId: string | undefined; types: readonly string[] }): Promise<ImportPlan> {
  const types = new Map<string, Set<string>>()
  const note = (whose: string, type: string): void => {
    const known = types.get(whose) ?? new Set()
    if ((types.size === MOST_APPS && known.size === 0) || known.size === MOST_TYPES) {
      throw new TroupeError('BAD_OPTION', `${rows.name} has keys of more than ${MOST_APPS} applications or ${MOST_TYPES} types: these are no keys of Dapr's actors; give --app-id and --type`)
    }
    types.set(whose, known.add(type))
  }
  const others = new Set<string>()
  for await (const page of rows.keys()) {
    for (const key of page) {
      const theirs = appId === undefined ? undefined : appIdOf(key)
      if (theirs !== undefined && theirs !== appId && others.size < MOST_APPS && readKey(key, theirs, asked).kind === 'state') others.add(theirs)
      const whose = appId ?? appIdOf(key)
      const kind = readKey(key, whose, asked)
      if (!('type' in kind) || typeToSkip(kind.type) !== undefined) continue
      // Reminders carry no app id.
      note(kind.kind === 'state' ? whose! : '', kind.type)
    }
  }
  const apps = [...types.keys()].filter(each => each !== '')
  if (appId !== undefined && apps.length === 0 && others.size > 0) {
    throw new TroupeError('BAD_OPTION', `${rows.name} has no state of actors of the application ${JSON.stringify(appId)}; there is state of ${[...others].slice(0, 20).join(', ')}: give one of these with --app-id`)
  }
  if (apps.length > 1) {
    throw new TroupeError('BAD_OPTION', `${rows.name} has state of actors of several applications: ${apps.slice(0, 20).join(', ')}${apps.length > 20 ? ', …' : ''}; say whose with --app-id`)
  }
  return { appId: appId ?? apps[0], asked, types: [...new Set([...types.values()].flatMap(each => [...each]))].sort() }
}

/** @throws STORE_UNAVAILABLE and what else the target rejects with, when it is retryable */
export async function importDapr(rows: DaprRows, target: ImportTarget, plan: ImportPlan, clock: Clock): Promise<ImportReport> {
  const run = new DaprImport(rows, target, clock)
  for await (const page of rows.keys()) await run.page(page, plan)
  return run.counter.report()
}

type StateKey = Extract<KeyKind, { kind: 'state' }>

class DaprImport {
  readonly counter = new ImportCounter()
  readonly #rows: DaprRows
  readonly #target: ImportTarget
  readonly #clock: Clock

  constructor(rows: DaprRows, target: ImportTarget, clock: Clock) {
    this.#rows = rows
    this.#target = target
    this.#clock = clock
  }

  async page(keys: readonly string[], plan: ImportPlan): Promise<void> {
    const wanted: { text: string; of: StateKey }[] = []
    for (const text of keys) {
      const of = readKey(text, plan.appId, plan.asked)
      const reason = this.#reasonToSkip(of, plan)
      if (reason !== undefined) this.counter.skipped(reason, text)
      else if (of.kind === 'state') wanted.push({ text, of })
      else if (of.kind === 'reminders') await this.#attempt(text, () => this.#wholeDocument(text, of.type))
      else if (of.kind === 'reminderParts') await this.#attempt(text, () => this.#parts(text, of.type))
    }
    for (let from = 0; from < wanted.length; from += SLICE) await this.#slice(wanted.slice(from, from + SLICE))
  }

  #reasonToSkip(of: KeyKind, { appId, types }: ImportPlan): string | undefined {
    switch (of.kind) {
      case 'application': return 'state of the application itself, of no actor'
      case 'otherType': return 'of a type that was not asked for'
      case 'foreign':
        if (types.includes(of.prefix)) return `a note when a reminder of ${of.prefix} ran last; it is read with the reminder`
        return of.prefix === '' ? 'no key that Dapr writes: it holds no ||' : `of ${JSON.stringify(of.prefix.slice(0, 60))}${appId === undefined ? '' : `, not of the application ${appId}`}`
      case 'state': return typeToSkip(of.type) ?? nameProblem(() => checkId(of.id))
      default: return typeToSkip(of.type)
    }
  }

  /** An actor's keys of one slice are one commit. */
  async #slice(keys: readonly { text: string; of: StateKey }[]): Promise<void> {
    const values = await this.#rows.read(keys.map(({ text }) => text))
    const actors = new Map<string, { of: StateKey; changes: Map<string, StateChange & { readonly text: string }> }>()
    for (const [index, { text, of }] of keys.entries()) {
      const row = values[index]
      if (row === undefined || (!isUnreadable(row) && row.ttlMs !== undefined && row.ttlMs <= 0)) continue
      if (isUnreadable(row)) {
        this.counter.skipped(row.unreadable, text)
        continue
      }
      // No part of either may hold `/`.
      const actor = `${of.type}/${of.id}`
      const { changes } = actors.get(actor) ?? actors.set(actor, { of, changes: new Map() }).get(actor)!
      changes.set(of.key, { key: of.key, value: { bytes: row.value }, text, ...row.ttlMs === undefined ? {} : { ttlMs: row.ttlMs } })
    }
    await Promise.all([...actors.values()].map(({ of, changes }) => this.#write(of, [...changes.values()])))
  }

  /** All in one commit, or, when something of it is refused, one by one: then only that is passed over. */
  async #write({ type, id }: StateKey, changes: readonly (StateChange & { readonly text: string })[]): Promise<void> {
    try {
      await this.#target.state(type, id, changes.map(({ text: _text, ...change }) => change))
      for (const { value } of changes) this.counter.state(type, id, (value as { bytes: Uint8Array }).bytes.length)
    } catch (error) {
      const refusal = refusalOf(error)
      if (changes.length > 1) for (const change of changes) await this.#write({ kind: 'state', type, id, key: change.key }, [change])
      else this.counter.skipped(refusal.reason, `${changes[0]!.text}: ${refusal.message}`)
    }
  }

  async #wholeDocument(text: string, type: string): Promise<void> {
    const parts = await this.#value(reminderPartsKey(type))
    if (parts !== undefined && readPartition(parts) !== undefined) return this.counter.skipped('reminders that are kept in parts now', text)
    await this.#reminders(text, type)
  }

  async #parts(text: string, type: string): Promise<void> {
    const document = await this.#value(text)
    const parts = document === undefined ? undefined : readPartition(document)
    for (let part = 1; part <= (parts?.count ?? 0); part++) {
      const key = reminderPartKey(type, parts!.id, part)
      await this.#attempt(key, () => this.#reminders(key, type))
    }
  }

  async #reminders(text: string, type: string): Promise<void> {
    const document = await this.#value(text)
    if (document === undefined) return
    for (const stored of readReminderDocument(document, type)) {
      await this.#attempt(`${text}: ${stored.id} ${stored.name}`, () => this.#reminder(stored))
    }
  }

  async #reminder(stored: StoredReminder): Promise<void> {
    const problem = typeToSkip(stored.type) ?? nameProblem(() => checkId(stored.id))
    if (problem !== undefined) throw new Unreadable(problem)
    const note = await this.#value(lastRunKey(stored.type, stored.id, stored.name))
    const reminder = readStoredReminder(stored, note === undefined ? undefined : readLastRun(note), this.#clock.wallMs())
    await this.#target.reminder(reminder)
    this.counter.reminder(stored.type, stored.id)
  }

  /** @throws Unreadable */
  async #value(key: string): Promise<Uint8Array | undefined> {
    const [row] = await this.#rows.read([key])
    if (row !== undefined && isUnreadable(row)) throw new Unreadable(row.unreadable)
    return row?.value
  }

  /** Passes over what cannot be read or is refused. */
  async #attempt(example: string, work: () => Promise<void>): Promise<void> {
    try {
      await work()
    } catch (error) {
      if (error instanceof Unreadable) return this.counter.skipped(error.message, example)
      const { reason, message } = refusalOf(error)
      this.counter.skipped(reason, `${example}: ${message}`)
    }
  }
}

/** @throws the error itself when it is not about what was given */
function refusalOf(error: unknown): { reason: string; message: string } {
  if (!(error instanceof TroupeError) || error.retryable || error.executed === 'unknown') throw error
  return { reason: `refused with ${error.code}`, message: messageOf(error) }
}

const typeToSkip = (type: string): string | undefined =>
  type.startsWith(RESERVED) ? 'of a workflow, which only the engine that wrote it can run' : nameProblem(() => checkType(type))

/** Why Troupe has no actor of that name. */
function nameProblem(check: () => void): string | undefined {
  try {
    check()
    return undefined
  } catch (error) {
    if (!TroupeError.is(error, 'BAD_REQUEST')) throw error
    return `a type or id that cannot be used: ${messageOf(error).replace(/ \(.*\)$/s, '')}`
  }
}
