/**
 * Preloaded into the child of `troupe dev`: reports each file that the app loads, or looks for in vain, to the
 * supervisor, and ends the child when the supervisor is gone.
 */
import { registerHooks } from 'node:module'
import { dirname } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { DevReport } from './dev-supervisor.ts'

const troupeRoot = dirname(dirname(fileURLToPath(import.meta.url)))

const report = (url: string): void => {
  if (!url.startsWith('file:') || url.includes('/node_modules/')) return
  const loaded = fileURLToPath(url)
  // Troupe's own files do not change while an author works; its examples and tests may.
  if (loaded.startsWith(`${troupeRoot}/`) && /\/dist$/.test(troupeRoot)) return
  process.send?.({ loaded } satisfies DevReport)
}

registerHooks({
  resolve(specifier, context, next) {
    try {
      return next(specifier, context)
    } catch (error) {
      if (/^\.{1,2}\//.test(specifier) && context.parentURL !== undefined) report(new URL(specifier, context.parentURL).href)
      throw error
    }
  },
  load(url, context, next) {
    report(url)
    return next(url, context)
  },
})

process.on('disconnect', () => { process.kill(process.pid, 'SIGTERM') })
// The channel alone must not keep a failed start alive.
process.channel?.unref()
