/**
 * Where the rows of one cluster are: a PostgreSQL schema of its own for each namespace. So clusters that share a
 * database never meet, migrate each by itself when they are upgraded, and are removed by one `drop schema … cascade`.
 */
import { createHash } from 'node:crypto'

/** PostgreSQL cuts longer names off without a word. */
const MAX_NAME_BYTES = 63

/** Two namespaces never have one schema: only hashed names have a `#` in this place. */
export function schemaOf(namespace: string): string {
  const name = namespace === '' ? 'troupe' : `troupe_${namespace}`
  return Buffer.byteLength(name) <= MAX_NAME_BYTES ? name : `troupe#${createHash('sha256').update(namespace).digest('hex').slice(0, 48)}`
}

/** A name as it is written in SQL, whatever characters it holds. */
export const quoted = (name: string): string => `"${name.replaceAll('"', '""')}"`
