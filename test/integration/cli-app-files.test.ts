/** App files: several, re-exports once; a bad one ends the start with a line that names the file, the place and the remedy. */
import { mkdirSync } from 'node:fs'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { callHttp, exampleApp, TestProcesses } from './processes.ts'

let processes: TestProcesses
beforeAll(() => { processes = new TestProcesses() })
afterAll(() => processes[Symbol.asyncDispose]())

const actor = (name: string): string => `import { Actor } from 'troupe'\nexport class ${name} extends Actor { n = 0; add() { return ++this.n } }\n`

const failing: readonly [name: string, file: string, text: string | undefined, says: RegExp][] = [
  ['is missing', 'absent.ts', undefined, /APP_LOAD_FAILED: app file .*absent\.ts does not exist \(looked for \/.*absent\.ts\)/],
  ['throws', 'throws.ts', `import 'troupe'\n\nthrow new TypeError('no database')\n`, /APP_LOAD_FAILED: .*throws\.ts failed to load: TypeError: no database \(\/.*throws\.ts:3\)/],
  ['has a syntax error', 'syntax.ts', 'export class A {\n  x = \n}\n', /APP_LOAD_FAILED: .*SyntaxError: .* \(\/.*syntax\.ts:3\)/],
  ['needs more than stripping', 'enum.ts', 'export enum E { a }\n', /enum.*\(\/.*enum\.ts:1\); Node only strips types/],
  ['imports what is missing', 'imports.ts', `import './nothing.ts'\n`, /Cannot find module .*nothing\.ts.*relative imports carry their extension/],
  ['exports no actor', 'none.ts', 'export const a = 1\nexport class B {}\n', /exports no class that extends Actor \(it exports B, a\); write 'export class … extends Actor'/],
  ['exports nothing', 'empty.ts', '', /\(it exports nothing\)/],
  ['exports only Actor itself', 'base.ts', `export { Actor } from 'troupe'\n`, /exports no class that extends Actor/],
]

describe('an app file that', () => {
  it.each(failing)('%s ends the start with exit code 1', async (_name, file, text, says) => {
    const path = text === undefined ? `${processes.folder}/${file}` : processes.write(file, text)
    const { code, stderr } = await processes.run(['host', path, '--store', 'memory:', '--http-port', '0', '--grpc-port', 'off'])
    expect(stderr).toMatch(says)
    expect(stderr).toMatch(/^troupe: APP_LOAD_FAILED: [^\n]+\n$/)
    expect(code).toBe(1)
  })

  it.each([
    [`import { Actor } from 'troupe'\nexport class A extends Actor {}\n`, 'Cannot use import statement outside a module'],
    ['export class A {}\n', `Unexpected token 'export'`],
  ])('is a module in a package of "type": "commonjs" is refused with the cure', async (text, says) => {
    mkdirSync(`${processes.folder}/old`, { recursive: true })
    processes.write('old/package.json', '{\n  "type": "commonjs"\n}\n')
    const { code, stderr } = await processes.run(['host', processes.write('old/app.ts', text), '--store', 'memory:'])
    expect(stderr).toMatch(/^troupe: APP_LOAD_FAILED: [^\n]+old\/package\.json says "type": "commonjs"; run 'npm pkg set type=module' there\n$/m)
    expect(stderr).toContain(says)
    expect(code).toBe(1)
  })

  it('is a folder is refused', async () => {
    const { code, stderr } = await processes.run(['host', processes.folder])
    expect(stderr).toMatch(/^troupe: APP_LOAD_FAILED: .* is no file; give the module itself/)
    expect(code).toBe(1)
  })

  it('has a class with bad options is refused with the class and the option', async () => {
    const file = processes.write('options.ts', `import { Actor } from 'troupe'\nexport class Odd extends Actor { static readonly options = { mailbox: -1 } }\n`)
    const { code, stderr } = await processes.run(['host', file, '--store', 'memory:', '--http-port', '0', '--grpc-port', 'off'])
    expect(stderr).toMatch(/^troupe: BAD_ACTOR_CLASS: Odd: options\.mailbox/)
    expect(code).toBe(1)
  })

  it('shows its stack only with --log-level debug', async () => {
    const file = processes.write('deep.ts', `throw new Error('deep')\n`)
    const { stderr } = await processes.run(['host', file, '--log-level', 'debug'])
    expect(stderr).toMatch(/^troupe: APP_LOAD_FAILED: [^\n]+\n.*\n\s+at /)
    expect(stderr).toContain('caused by: Error: deep')
  })
})

describe('several app files', () => {
  it('are hosted together, a class exported twice counting once', async () => {
    const one = processes.write('one.ts', actor('One'))
    const two = processes.write('two.ts', `${actor('Two')}export { One, One as Uno } from './one.ts'\nexport default Two\n`)
    const host = await processes.host('several', { apps: [one, two, exampleApp('counter.ts')], store: 'memory:' })
    expect(await callHttp(host.http, 'One', 'x', 'add')).toMatchObject({ status: 200, body: 1 })
    expect(await callHttp(host.http, 'Two', 'x', 'add')).toMatchObject({ status: 200, body: 1 })
    expect(await callHttp(host.http, 'Counter', 'x', 'increment')).toMatchObject({ status: 200, body: 1 })
    const metadata = await (await fetch(`${host.http}/v1.0/metadata`)).json() as { actors: { type: string }[] }
    expect(metadata.actors.map(a => a.type).sort()).toEqual(['Counter', 'One', 'Two'])
  })

  it('with two different classes of one type are refused with both files', async () => {
    const one = processes.write('same-a.ts', actor('Same'))
    const two = processes.write('same-b.ts', actor('Same'))
    const { code, stderr } = await processes.run(['host', one, two, '--store', 'memory:'])
    expect(stderr).toMatch(/^troupe: BAD_ACTOR_CLASS: two actor classes have the type Same: one from .*same-a\.ts, another from .*same-b\.ts/)
    expect(code).toBe(1)
  })
})
