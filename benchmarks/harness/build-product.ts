/**
 * The benchmarks measure `dist/`, which is what users run: suites import `troupe` by name. This builds it when it is
 * missing or older than a source, so that no one quotes figures of yesterday's code.
 */
import { spawnSync } from 'node:child_process'
import { existsSync, readdirSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

const root = fileURLToPath(new URL('../../', import.meta.url))
const sources = ['index.ts', 'core', 'stores', 'actors', 'placement', 'runtime', 'gateway', 'cli']

/** @throws Error with the compiler's output when the build fails */
export function buildProduct(): void {
  const built = join(root, 'dist/index.js')
  if (existsSync(built) && statSync(built).mtimeMs >= Math.max(...sources.map(newestMs))) return
  process.stderr.write('building dist/ …\n')
  const build = spawnSync('npm', ['run', '--silent', 'build'], { cwd: root, encoding: 'utf8' })
  if (build.status !== 0) throw new Error(`the build failed, so there is nothing to measure:\n${build.stdout}${build.stderr}`)
}

function newestMs(source: string): number {
  const path = join(root, source)
  if (!existsSync(path)) return 0
  const stat = statSync(path)
  if (!stat.isDirectory()) return stat.mtimeMs
  const files = readdirSync(path, { recursive: true, encoding: 'utf8' }).filter(file => /\.(ts|proto)$/.test(file))
  return Math.max(0, ...files.map(file => statSync(join(path, file)).mtimeMs))
}
