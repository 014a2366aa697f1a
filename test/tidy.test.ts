/**
 * The conventions that a program can check: import direction, homes of outside packages, documented errors, paths that
 * the architecture names, file names, opening comments, sizes, and where time and chance may come from.
 */
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { dirname, join, normalize } from 'node:path'
import { fileURLToPath } from 'node:url'
import { describe, expect, it } from 'vitest'
import { errorCodes } from '../core/errors.ts'

const root = fileURLToPath(new URL('..', import.meta.url))

/** A folder imports itself and those before it. */
const order = ['core', 'stores', 'actors', 'placement', 'reminders', 'runtime', 'gateway', 'cli']
/** These use the whole from outside. */
const outside = ['benchmarks', 'examples', 'test']

/** Where each outside package may be imported: files or folders. A new place for a package is a decision, made here. */
const homes: Readonly<Record<string, readonly string[]>> = {
  '@grpc/grpc-js': ['placement', 'runtime/transport', 'gateway', 'stores/etcd'],
  '@grpc/proto-loader': ['placement', 'runtime/transport', 'gateway', 'stores/etcd'],
  '@peculiar/x509': ['cli/make-certs.ts'],
  '@standard-schema/spec': ['actors', 'runtime/activation'],
  chokidar: ['cli/dev-supervisor.ts'],
  commander: ['cli'],
  'find-my-way': ['gateway/http-routes.ts'],
  hashring: ['placement/hash-ring.ts'],
  ioredis: ['stores/redis'],
  lmdb: ['stores/lmdb'],
  msgpackr: ['core/codec.ts'],
  'node-cron': ['reminders/cron.ts'],
  pg: ['stores/postgres'],
  pino: ['core/logger.ts'],
  'pino-pretty': ['core/logger.ts'],
  'reflect-metadata': ['cli/make-certs.ts'],
  yaml: ['gateway/dapr/resources/resource-files.ts'],
  undici: ['gateway/dapr/channel/http1-wire.ts'],
  zod: ['actors', 'runtime/host-options.ts'],
}

/** Time and chance: ports, adapters to things that live in real time, and programs. */
const mayTouchTime = ['core/clock.ts', 'core/random.ts', 'stores/lmdb', 'stores/redis', 'cli', ...outside]

const HARD_LIMIT_LINES = 450

const tsFilesIn = (folder: string): string[] => existsSync(join(root, folder))
  ? readdirSync(join(root, folder), { recursive: true, withFileTypes: true })
    .filter(entry => entry.isFile() && entry.name.endsWith('.ts'))
    .map(entry => join(entry.parentPath, entry.name).slice(root.length))
  : []

const sources = ['index.ts', ...order.flatMap(tsFilesIn)].filter(file => existsSync(join(root, file)))
const everything = [...sources, ...outside.flatMap(tsFilesIn)]
const textOf = (file: string): string => readFileSync(join(root, file), 'utf8')
const codeOf = (file: string): string => textOf(file).replace(/\/\*[\s\S]*?\*\//g, '').replace(/(^|[\s;])\/\/.*$/gm, '$1')

const specifiers = (file: string): string[] =>
  [...codeOf(file).matchAll(/\bfrom\s+'([^']+)'|\bimport\(\s*'([^']+)'|^\s*import\s+'([^']+)'/gm)].map(m => (m[1] ?? m[2] ?? m[3])!)

const under = (file: string, place: string): boolean => file === place || file.startsWith(`${place}/`)
const packageOf = (specifier: string): string => specifier.split('/').slice(0, specifier.startsWith('@') ? 2 : 1).join('/')
const isOutside = (specifier: string): boolean => !/^(?:\.|node:|troupe(?:\/|$))/.test(specifier)

describe('imports', () => {
  it('run one way between folders', () => {
    const wrong = sources.flatMap(file => specifiers(file).filter(s => s.startsWith('.')).map(s => normalize(join(dirname(file), s)))
      .filter(target => {
        const from = order.indexOf(file.split('/')[0]!)
        const to = order.indexOf(target.split('/')[0]!)
        if (file === 'index.ts') return under(target, 'cli')
        return to < 0 || to > from
      })
      .map(target => `${file} → ${target}`))
    expect(wrong).toEqual([])
  })

  it('carry their extension', () => {
    const wrong = everything.flatMap(file => specifiers(file).filter(s => s.startsWith('.') && !/\.(?:ts|json|proto)$/.test(s)).map(s => `${file} → ${s}`))
    expect(wrong).toEqual([])
  })

  it('of outside packages stay in their homes', () => {
    const wrong = sources.flatMap(file => specifiers(file).filter(isOutside)
      .filter(s => !(homes[packageOf(s)] ?? []).some(place => under(file, place))).map(s => `${file} → ${s}`))
    expect(wrong).toEqual([])
  })

  it('use every dependency of package.json, and only those', () => {
    const { dependencies } = JSON.parse(textOf('package.json')) as { dependencies: Record<string, string> }
    const used = new Set(sources.flatMap(file => specifiers(file).filter(isOutside).map(packageOf)))
    expect([...used].sort()).toEqual(Object.keys(dependencies).sort())
  })
})

describe('documents', () => {
  it('have an entry in docs/errors.md for each error code, and no other', () => {
    const documented = [...textOf('docs/errors.md').matchAll(/^#+\s+`?([A-Z][A-Z_]+)`?\b/gm)].map(m => m[1])
    expect([...documented].sort()).toEqual(Object.keys(errorCodes).sort())
  })

  it.each(['README.md', 'CHANGELOG.md', 'docs/dapr.md', 'docs/runbook.md'])('link only to files that exist in %s', file => {
    const linked = [...textOf(file).matchAll(/\]\(([\w./-]+)(?:#[\w-]*)?\)/g)].map(m => join(dirname(file), m[1]!))
    expect(linked.filter(path => !existsSync(join(root, path)))).toEqual([])
  })

  it('name only paths that exist in ARCHITECTURE.md', () => {
    const named = [...textOf('ARCHITECTURE.md').matchAll(/`([\w./-]+)`/g)].map(m => m[1]!)
      .filter(name => /\.(?:ts|md|proto|json)$/.test(name) && name.includes('/') || /^[\w-]+\/(?:[\w-]+\/)*$/.test(name))
    expect(named.filter(name => !existsSync(join(root, name)))).toEqual([])
  })
})

describe('files', () => {
  it('have names that say what they are, in kebab-case', () => {
    const wrong = everything.filter(file => {
      const name = file.slice(file.lastIndexOf('/') + 1)
      return !/^[a-z0-9]+(?:-[a-z0-9]+)*(?:\.(?:test|test-d|suite|d))?\.ts$/.test(name) || /^(?:types?|(?:.*-)?(?:utils?|helpers?|common|types|misc|manager))\.ts$/.test(name)
    })
    expect(wrong).toEqual([])
  })

  it('lie at most three folders deep', () => {
    expect(sources.filter(file => file.split('/').length > 4)).toEqual([])
  })

  it('open with a comment', () => {
    // The name of a test file is its claim.
    expect(everything.filter(file => !file.endsWith('.test.ts')).filter(file => !/^(?:#!.*\n)?\/[*/]/.test(textOf(file)))).toEqual([])
  })

  it(`have at most ${HARD_LIMIT_LINES} lines`, () => {
    expect(everything.map(file => [file, textOf(file).split('\n').length] as const).filter(([, lines]) => lines > HARD_LIMIT_LINES)).toEqual([])
  })

  it('export no defaults and use nothing that type stripping cannot remove', () => {
    const banned = /^\s*export default\b|^\s*(?:export\s+)?(?:const\s+)?enum\s|^\s*(?:export\s+)?namespace\s/m
    expect(sources.filter(file => banned.test(codeOf(file)))).toEqual([])
  })

  it('take time and chance from the ports', () => {
    const clocks = /\bDate\.now\b|\bnew Date\(\)|\bperformance\.now\b|\bhrtime\b|\bMath\.random\b|\bset(?:Timeout|Interval|Immediate)\(/
    const wrong = sources.filter(file => !mayTouchTime.some(place => under(file, place)) && clocks.test(codeOf(file)))
    expect(wrong).toEqual([])
  })
})
