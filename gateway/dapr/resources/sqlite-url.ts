/**
 * A state.sqlite component as a store URL. Troupe's store in files is LMDB: it lies in a directory beside the named file,
 * `data.db` → `data.db.troupe`; the file itself is neither read nor touched.
 */
import type { Metadata } from './metadata.ts'

export function sqliteUrl(metadata: Metadata): string | undefined {
  const text = metadata.needed('connectionString')
  if (text === undefined) return undefined
  const [, path = '', query = ''] = /^(?:file:)?([^?]*)\??(.*)$/s.exec(text.trim())!
  if (path === ':memory:' || new URLSearchParams(query).get('mode') === 'memory') return 'memory:'
  const plain = path.replace(/^\/\/(?:localhost)?(?=\/)/, '')
  let decoded = plain
  try {
    if (/^file:/.test(text.trim())) decoded = decodeURIComponent(plain)
  } catch {
    return metadata.refuse('connectionString', 'has a % that is no percent-encoding; write %25')
  }
  if (decoded === '' || decoded.startsWith('//') || decoded.endsWith('/')) return metadata.refuse('connectionString', 'names no file; write data.db, file:data.db or :memory:')
  return `lmdb:${decoded}.troupe`
}
