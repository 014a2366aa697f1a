/**
 * What `troupe reminders` and `troupe sends` have in common: lists page by page, as a table or as a JSON value a line, and
 * at most one thing that is done to one entry.
 */
import { TroupeError } from '../core/errors.ts'
import { connect, type Client } from '../gateway/client.ts'
import { jsonText } from '../actors/json-values.ts'
import { reportCallFailure } from './failure.ts'
import { clientSecurity, type ClientSecurityFlags } from './flags.ts'
import { PagedTable, type Row } from './table.ts'

/** Entries asked for at a time: each may hold arguments of 256 KiB. */
export const PAGE = 200

export interface ClientFlags extends ClientSecurityFlags {
  readonly to: string
  /** Of each request. */
  readonly timeout?: number
}

/** Pages from `read`, until one has no cursor. */
export async function* pagesOf<Entry, Cursor>(
  read: (cursor: Cursor | undefined) => Promise<{ entries: readonly Entry[]; cursor: Cursor | undefined }>,
): AsyncGenerator<readonly Entry[], void> {
  let cursor: Cursor | undefined
  do {
    const page = await read(cursor)
    yield page.entries
    cursor = page.cursor
  } while (cursor !== undefined)
}

export async function printPages<Entry>(
  pages: AsyncIterable<readonly Entry[]>, head: readonly string[], row: (entry: Entry) => Row, json: boolean,
): Promise<void> {
  const table = new PagedTable(head)
  for await (const entries of pages) {
    const lines = json ? entries.map(jsonText).join('\n') : table.next(entries.map(row))
    if (lines !== '') print(lines)
  }
}

/** Runs `work` with a client; a failure is one line on standard error that says what it proves. */
export async function withClient(flags: ClientFlags, work: (client: Client) => Promise<void>): Promise<void> {
  const { to, timeout } = flags
  const client = connect(to, { ...(timeout === undefined ? {} : { timeout }), ...clientSecurity(flags) })
  try {
    await work(client)
  } catch (error) {
    reportCallFailure(error)
  } finally {
    await client.close()
  }
}

/** The one action among `actions` that was asked for, or undefined. @throws BAD_OPTION when there are several, or `--dead` stands beside one */
export function oneAction<Name extends string>(actions: Readonly<Record<Name, string | number | true | undefined>>, dead = false): Name | undefined {
  const asked = (Object.keys(actions) as Name[]).filter(name => actions[name] !== undefined)
  if (asked.length > 1) throw new TroupeError('BAD_OPTION', `${asked.map(flagName).join(' and ')} cannot be used together; give one`)
  if (dead && asked.length > 0) throw new TroupeError('BAD_OPTION', `--dead is for lists; leave it out beside ${flagName(asked[0]!)}`)
  return asked[0]
}

/** @throws BAD_OPTION */
export function needsActor(action: string, target: string): never {
  throw new TroupeError('BAD_OPTION', `--${action} is about one actor and ${JSON.stringify(target)} is a type; write TYPE/ID, such as Account/alice`)
}

/** `deleteAll` is `--delete-all`. */
export const flagName = (option: string): string => `--${option.replace(/[A-Z]/g, letter => `-${letter.toLowerCase()}`)}`

export const print = (lines: string): void => { process.stdout.write(`${lines}\n`) }
