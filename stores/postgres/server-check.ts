/** Whether a server can hold what Troupe promises: asked once, when a store is opened. */
import type { ClientBase, QueryConfig } from 'pg'
import { Unfit } from './failure.ts'

const OLDEST_VERSION = 12

/** Returns warnings about settings with which acknowledged commits can be lost. @throws Unfit */
export async function checkServer(client: ClientBase, timeoutMs: number): Promise<string[]> {
  const { rows: [row] } = await ask(client, timeoutMs, `
    select current_setting('server_version_num') as version, current_setting('server_encoding') as encoding,
      pg_is_in_recovery()::text as standby, current_setting('transaction_read_only') as readonly,
      current_setting('transaction_isolation') as isolation, current_setting('fsync') as fsync,
      current_setting('full_page_writes') as pages, current_setting('synchronous_commit') as synchronous`)
  const is = row as Record<string, string>
  const major = Math.floor(Number(is.version) / 10_000)
  if (major < OLDEST_VERSION) throw new Unfit(`it is PostgreSQL ${major}`, `use PostgreSQL ${OLDEST_VERSION} or newer`)
  if (is.encoding !== 'UTF8') throw new Unfit(`the database has encoding ${is.encoding}`, 'create one with encoding UTF8')
  if (is.standby === 'true' || is.readonly === 'on') throw new Unfit('it only takes reads', 'name the server that takes writes')
  if (is.isolation !== 'read committed') {
    throw new Unfit(`its transactions are ${is.isolation}, although asked for otherwise`, 'let the startup parameter "options" through the proxy before it')
  }
  const warnings: string[] = []
  if (is.fsync === 'off' || is.pages === 'off') {
    warnings.push('this PostgreSQL runs with fsync or full_page_writes off: a crash of its machine can destroy the database; set both on')
  }
  if (is.synchronous === 'off') {
    warnings.push('this PostgreSQL acknowledges commits before they are on disk: the last ones are lost when it crashes; set synchronous_commit on')
  }
  return warnings
}

/** One statement with a time limit of its own, which pg has but its types have not. */
export const ask = (client: ClientBase, timeoutMs: number, text: string, values: unknown[] = []): Promise<{ rows: unknown[] }> =>
  client.query({ text, values, query_timeout: timeoutMs } as QueryConfig)
