/** The version of this package, as the metadata API shows it. */
import { createRequire } from 'node:module'

export const packageVersion = (): string => (createRequire(import.meta.url)('troupe/package.json') as { version: string }).version
