/** `troupe dev`: state kept over restarts, restarts on saves of the app and of what it imports, recovery from errors. */
import { writeFileSync } from 'node:fs'
import { createServer, type AddressInfo } from 'node:net'
import { once } from 'node:events'
import { describe, expect, it } from 'vitest'
import { callHttp, TestProcesses, type LogLine, type TroupeProcess } from './processes.ts'

const app = (text: string): string => `
import { Actor } from 'troupe'
import { suffix } from './suffix.ts'
export class Notes extends Actor {
  n = 0
  add() { return ++this.n }
  say() { return '${text}' + suffix }
}
`

const devArgs = (file: string): string[] => ['dev', file, '--http-port', '0', '--grpc-port', 'off', '--log-format', 'json']

/** The ready line of the n-th start. */
const readyAgain = (dev: TroupeProcess, n: number): Promise<LogLine> =>
  dev.waitFor(`start ${n}`, p => p.lines.filter(l => l.msg === 'ready')[n - 1])

describe('troupe dev', () => {
  it('restarts when the app or a file that it imports is saved, and keeps the state', async () => {
    await using processes = new TestProcesses()
    processes.write('suffix.ts', `export const suffix = '!'\n`)
    const file = processes.write('app.ts', app('one'))
    const dev = processes.start('dev', devArgs(file))
    const first = await readyAgain(dev, 1)
    expect(await callHttp(String(first.http), 'Notes', 'x', 'add')).toMatchObject({ body: 1 })
    expect(await callHttp(String(first.http), 'Notes', 'x', 'say')).toMatchObject({ body: 'one!' })

    writeFileSync(file, app('two'))
    const second = await readyAgain(dev, 2)
    expect(await callHttp(String(second.http), 'Notes', 'x', 'say')).toMatchObject({ body: 'two!' })
    expect(await callHttp(String(second.http), 'Notes', 'x', 'add')).toMatchObject({ body: 2 })

    processes.write('suffix.ts', `export const suffix = '?'\n`)
    const third = await readyAgain(dev, 3)
    expect(await callHttp(String(third.http), 'Notes', 'x', 'say')).toMatchObject({ body: 'two?' })
    expect(await dev.stop('SIGINT')).toEqual({ code: 0, signal: null })
    expect(dev.lines.filter(l => l.msg === 'stopped')).toHaveLength(3)
  })

  it('shows a syntax error and recovers with the next save', async () => {
    await using processes = new TestProcesses()
    processes.write('suffix.ts', `export const suffix = '!'\n`)
    const file = processes.write('app.ts', app('one'))
    const dev = processes.start('dev', devArgs(file))
    await readyAgain(dev, 1)

    writeFileSync(file, 'export class {{{')
    await dev.waitFor('the error', p => /troupe: APP_LOAD_FAILED: .*app\.ts.*SyntaxError/.test(p.stderr) || undefined)
    await dev.waitFor('the wait', p => p.stderr.includes('save a file to start it again') || undefined)
    expect(dev.running).toBe(true)

    writeFileSync(file, app('mended'))
    const ready = await readyAgain(dev, 2)
    expect(await callHttp(String(ready.http), 'Notes', 'x', 'say')).toMatchObject({ body: 'mended!' })
    expect(await dev.stop()).toEqual({ code: 0, signal: null })
  })

  it('starts when a missing import appears', async () => {
    await using processes = new TestProcesses()
    const dev = processes.start('dev', devArgs(processes.write('app.ts', app('late'))))
    await dev.waitFor('the wait', p => p.stderr.includes('save a file to start it again') || undefined)
    processes.write('suffix.ts', `export const suffix = '!'\n`)
    const ready = await readyAgain(dev, 1)
    expect(await callHttp(String(ready.http), 'Notes', 'x', 'say')).toMatchObject({ body: 'late!' })
  })

  it('ends at once when no save can help: the file is missing, the port is taken', async () => {
    await using processes = new TestProcesses()
    expect(await processes.run(['dev', 'absent.ts'])).toMatchObject({ code: 1, stderr: expect.stringMatching(/^troupe: APP_LOAD_FAILED: .*absent\.ts/) as string })

    processes.write('suffix.ts', `export const suffix = '!'\n`)
    const file = processes.write('app.ts', app('one'))
    const taken = createServer().listen(0, '127.0.0.1')
    await once(taken, 'listening')
    try {
      const { port } = taken.address() as AddressInfo
      const { code, stderr } = await processes.run(['dev', file, '--http-port', String(port), '--grpc-port', 'off'])
      expect(stderr).toMatch(/^troupe: PORT_TAKEN: /)
      expect(code).toBe(1)
    } finally {
      taken.close()
    }
  })

  it('takes its host along when it is killed', async () => {
    await using processes = new TestProcesses()
    processes.write('suffix.ts', `export const suffix = '!'\n`)
    const dev = processes.start('dev', devArgs(processes.write('app.ts', app('one'))))
    const { http } = await readyAgain(dev, 1)
    await dev.stop('SIGKILL')
    // Its output stays open until the host, which inherited it, has ended too; `stop` has waited for that.
    await expect(fetch(`${String(http)}/v1.0/healthz`)).rejects.toThrow()
  })
})
