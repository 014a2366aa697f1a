/**
 * What the applications are built with: is it there, and, once per lock file, its packages and build.
 *
 * Builds lie in the system's cache folder, named by what they were made from, so that a second run downloads nothing; nothing
 * is written into the tree. A build is made beside its place and moved there whole: one that was cut off is never used.
 */
import { createHash } from 'node:crypto'
import { cpSync, existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, renameSync, rmSync } from 'node:fs'
import { homedir } from 'node:os'
import { basename, dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { runToEnd } from './run-to-end.ts'

const folder = fileURLToPath(new URL('.', import.meta.url))
const cache = join(process.env.XDG_CACHE_HOME ?? join(homedir(), '.cache'), 'troupe-interop')
const DOWNLOAD_MS = 600_000

export type ToolchainName = 'js' | 'python' | 'go' | 'java'

interface Toolchain {
  /** Files and folders under test/interop that decide what is built. */
  readonly madeFrom: readonly string[]
  /** What there is, as a line; throws an error that says what is missing. */
  version(): Promise<string>
  build(place: string): Promise<void>
}

const run = async (command: string, args: readonly string[], cwd = folder): Promise<string> =>
  await runToEnd(command, args, { cwd, deadlineMs: DOWNLOAD_MS })

const toolchains: Readonly<Record<ToolchainName, Toolchain>> = {
  js: {
    madeFrom: ['js'],
    version: async () => `node ${process.version}, npm ${(await run('npm', ['--version'])).trim()}`,
    async build(place) {
      cpSync(join(folder, 'js'), place, { recursive: true, filter: path => basename(path) !== 'node_modules' })
      await run('npm', ['ci', '--no-audit', '--no-fund', '--ignore-scripts'], place)
    },
  },
  python: {
    madeFrom: ['python/requirements.txt'],
    version: async () => (await run('python3', ['-c', 'import sys, venv, ensurepip; assert sys.version_info >= (3, 10), sys.version; print("python", sys.version.split()[0])'])).trim(),
    async build(place) {
      await run('python3', ['-m', 'venv', place])
      await run(join(place, 'bin/python'), ['-m', 'pip', 'install', '--quiet', '--disable-pip-version-check', '-r', join(folder, 'python/requirements.txt')])
    },
  },
  go: {
    madeFrom: ['go'],
    version: async () => (await run('go', ['version'])).trim(),
    build: async place => void await run('go', ['build', '-trimpath', '-o', join(place, 'app'), '.'], join(folder, 'go')),
  },
  java: {
    madeFrom: ['java'],
    async version() {
      const javac = (await run('javac', ['-version'])).trim()
      if (Number(/\d+/.exec(javac)?.[0] ?? 0) < 17) throw new Error(`${javac}, but it takes a JDK of 17 or newer`)
      return `${javac}, ${(await run('mvn', ['-v', '-B'])).split('\n')[0]!.replace(/\x1b\[\d*m/g, '')}`
    },
    async build(place) {
      cpSync(join(folder, 'java'), place, { recursive: true, filter: path => basename(path) !== 'target' })
      await run('mvn', ['-q', '-B', 'compile', 'dependency:copy-dependencies', '-DincludeScope=runtime', '-DoutputDirectory=target/lib'], place)
    },
  },
}

/** @throws an error whose message says why it cannot be used here */
export const versionOf = async (name: ToolchainName): Promise<string> => await toolchains[name].version()

/** Builds unless that was done before; returns the folder. @throws what the build said */
export async function prepared(name: ToolchainName): Promise<string> {
  const { madeFrom, build, version } = toolchains[name]
  const hash = createHash('sha256').update(`${await version()}\0`)
  for (const file of madeFrom.flatMap(filesIn)) hash.update(`${file}\0`).update(readFileSync(join(folder, file)))
  const place = join(cache, `${name}-${hash.digest('hex').slice(0, 16)}`)
  if (existsSync(join(place, '.built'))) return place
  mkdirSync(cache, { recursive: true })
  // A Python environment knows its own path: it is built in its place. All others are moved there.
  const making = name === 'python' ? place : mkdtempSync(join(cache, `making-${name}-`))
  try {
    await build(making)
    mkdirSync(join(making, '.built'))
    if (making !== place && !existsSync(place)) renameSync(making, place)
  } finally {
    if (making !== place) rmSync(making, { recursive: true, force: true })
  }
  return place
}

/** Paths under test/interop, in order, without what tools leave there. */
function filesIn(path: string): string[] {
  const entries = path.includes('.') ? [path] : readdirSync(join(folder, path), { recursive: true, withFileTypes: true })
    .filter(entry => entry.isFile()).map(entry => join(entry.parentPath, entry.name).slice(folder.length))
  return entries.filter(file => !/(?:^|\/)(?:node_modules|target|__pycache__)\//.test(`${dirname(file)}/`)).sort()
}
