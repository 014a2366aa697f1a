/**
 * Brings a schema to the version that this code needs, when a store is opened. Any number of processes may do it at the
 * same time, also on an empty database: those who find something to do stand in line at an advisory lock that ends with
 * the transaction. A schema of a newer Troupe is refused: what its rows mean is not known here.
 */
import { DatabaseError, type ClientBase } from 'pg'
import { hash32 } from '../../core/ids.ts'
import { Unfit } from './failure.ts'
import { migrations, migrationsTable, newestVersion } from './migrations.ts'
import { quoted } from './schema.ts'
import { ask } from './server-check.ts'

type Run = (text: string, values?: unknown[]) => Promise<{ rows: unknown[] }>

/** First half of the key of Troupe's advisory locks ("trup"); the second is made of the schema's name. */
const LOCK_CLASS = 0x74727570

/**
 * When it fails, the connection may be inside a transaction: the caller closes it.
 *
 * @param name of the schema
 * @param timeoutMs how long another's migration is waited for, and how long one statement of this one may take
 */
export async function migrate(client: ClientBase, name: string, timeoutMs: number): Promise<void> {
  const s = quoted(name)
  // The server's time limits come first, so that its reason is told.
  const run: Run = (text, values) => ask(client, 2 * timeoutMs, text, values)
  // The usual case takes no lock, and no right to change the schema.
  if (await versionOf(run, s) === newestVersion) return
  await run('begin')
  await run(`set local statement_timeout = ${timeoutMs}; set local lock_timeout = ${timeoutMs}`)
  await run('select pg_advisory_xact_lock($1, $2)', [LOCK_CLASS, hash32(name) | 0])
  // Not `if not exists` alone: that asks for the right to create schemas even where this one is given.
  const { rows } = await run('select from pg_namespace where nspname = $1', [name])
  if (rows.length === 0) await run(`create schema ${s}`)
  await run(migrationsTable(s))
  const version = await versionOf(run, s) ?? 0
  for (const migration of migrations.filter(each => each.version > version)) {
    await run(migration.sql(s))
    await run(`insert into ${s}.migrations (version) values ($1)`, [migration.version])
  }
  await run('commit')
}

/**
 * Version of the schema `s` (quoted), 0 without one migration, undefined where there is no schema yet.
 * @throws Unfit when it is newer than this code
 */
async function versionOf(run: Run, s: string): Promise<number | undefined> {
  try {
    const { rows } = await run(`select coalesce(max(version), 0) as version from ${s}.migrations`)
    const { version } = rows[0] as { version: number }
    if (version > newestVersion) {
      throw new Unfit(`its schema ${s} has version ${version}, and this Troupe knows ${newestVersion} at most`, 'start a Troupe that is as new as the one that migrated it')
    }
    return version
  } catch (error) {
    // No such schema, no such table.
    if (error instanceof DatabaseError && (error.code === '3F000' || error.code === '42P01')) return undefined
    throw error
  }
}
