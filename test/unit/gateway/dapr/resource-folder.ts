// Folders of resource files, and what was logged while they were read.
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { onTestFinished } from 'vitest'
import { TroupeError } from '../../../../core/errors.ts'
import type { Logger } from '../../../../core/logger.ts'
import { readResources, type DaprResources, type ResourceOptions } from '../../../../gateway/dapr/resources.ts'

export interface Logged {
  readonly warnings: string[]
  readonly debug: string[]
  readonly log: Logger
}

export function logged(): Logged {
  const warnings: string[] = []
  const debug: string[] = []
  const log: Logger = { debug: (_, text) => { debug.push(text) }, info() {}, warn: (_, text) => { warnings.push(text) }, error() {}, child: () => log }
  return { warnings, debug, log }
}

/** A folder that is gone after the test, with files by their paths in it. */
export function folderOf(files: Readonly<Record<string, string>>): string {
  const folder = mkdtempSync(join(tmpdir(), 'troupe-resources-'))
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }))
  for (const [path, text] of Object.entries(files)) {
    mkdirSync(dirname(join(folder, path)), { recursive: true })
    writeFileSync(join(folder, path), text)
  }
  return folder
}

export type Given = Partial<Omit<ResourceOptions, 'log' | 'cwd'>>

/** Reads `components/` of such a folder. */
export function read(files: Readonly<Record<string, string>>, given: Given = {}): DaprResources & Logged {
  const seen = logged()
  const options = { paths: ['components'], appId: 'shop', env: {}, ...given, cwd: folderOf(files), log: seen.log }
  return { ...readResources(options), ...seen }
}

/** The problems that reading it has. */
export function problemsOf(files: Readonly<Record<string, string>>, given: Given = {}): string[] {
  try {
    read(files, given)
  } catch (error) {
    if (TroupeError.is(error, 'BAD_OPTION')) return (error.data as { problems: string[] }).problems
    throw error
  }
  throw new Error('nothing was wrong')
}

/** A component marked as the store for actors, alone in its folder. */
export const storeFile = (type: string, metadata: Readonly<Record<string, string>>, version = 'v1'): Record<string, string> => ({
  'components/statestore.yaml': [
    'apiVersion: dapr.io/v1alpha1', 'kind: Component', 'metadata:', '  name: statestore', 'spec:', `  type: ${type}`, `  version: ${version}`, '  metadata:',
    ...Object.entries({ ...metadata, actorStateStore: 'true' }).flatMap(([name, value]) => [`  - name: ${name}`, `    value: ${JSON.stringify(value)}`]),
  ].join('\n'),
})
