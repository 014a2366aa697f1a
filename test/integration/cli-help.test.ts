/** Help everywhere, with defaults, environment variables and examples; flags win over the environment. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { callHttp, exampleApp, TestProcesses } from './processes.ts'

let processes: TestProcesses
beforeAll(() => { processes = new TestProcesses() })
afterAll(() => processes[Symbol.asyncDispose]())

describe('help', () => {
  it('of the whole names every command', async () => {
    const { code, stdout } = await processes.run(['--help'])
    expect(code).toBe(0)
    for (const word of ['dev', 'host', 'sidecar', 'run', 'placement', 'call', 'status', 'reminders', 'sends', 'import', 'TROUPE_HTTP_PORT', 'Examples:']) expect(stdout).toContain(word)
  })

  it.each(['dev', 'host', 'sidecar', 'run', 'placement', 'call', 'status', 'reminders', 'sends'])('of %s has examples, defaults and environment variables', async command => {
    const { code, stdout } = await processes.run([command, '--help'])
    expect(code).toBe(0)
    expect(stdout).toMatch(new RegExp(`Usage: troupe ${command}`))
    expect(stdout).toContain('Examples:')
    expect(stdout).toContain('default')
    expect(stdout).toContain('env: TROUPE_')
    // Every flag but --help has its variable, and no variable deletes everything.
    expect(stdout).not.toContain('TROUPE_DELETE_ALL')
    const flags = [...stdout.matchAll(/^ {2}(?:-\w, )?(--[a-z-]+)/gm)].map(m => m[1]!).filter(f => f !== '--help' && f !== '--delete-all')
    for (const flag of flags) expect(stdout.replace(/\s+/g, ' ')).toContain(`env: TROUPE_${flag.slice(2).toUpperCase().replaceAll('-', '_')}`)
  })

  it('of an import says what it reads and that it can be tried', async () => {
    const { code, stdout } = await processes.run(['import', 'dapr', '--help'])
    expect(code).toBe(0)
    for (const word of ['Usage: troupe import dapr', '--from <url>', '--dry-run', 'Running it again is safe', 'env: TROUPE_APP_ID']) expect(stdout).toContain(word)
  })

  it('without a command is shown on standard error, with exit code 2', async () => {
    const { code, stdout, stderr } = await processes.run([])
    expect(code).toBe(2)
    expect(stdout).toBe('')
    expect(stderr).toContain('Usage: troupe')
  })

  it('has the version of the package', async () => {
    const { code, stdout } = await processes.run(['--version'])
    expect(code).toBe(0)
    expect(stdout).toMatch(/^\d+\.\d+\.\d+\n$/)
  })
})

describe('environment variables', () => {
  it('set flags, and a flag wins over them', async () => {
    await using cluster = new TestProcesses()
    const host = cluster.start('host', ['host', exampleApp('counter.ts'), '--host-id', 'from-flag'], {
      env: { TROUPE_HTTP_PORT: '0', TROUPE_GRPC_PORT: 'off', TROUPE_STORE: 'memory:', TROUPE_HOST_ID: 'from-environment', TROUPE_LOG_FORMAT: 'json' },
    })
    const ready = await host.ready()
    expect(ready.hostId).toBe('from-flag')
    expect(ready.grpc).toBeUndefined()
    expect(await callHttp(String(ready.http), 'Counter', 'x', 'increment')).toMatchObject({ status: 200, body: 1, host: 'from-flag' })
    expect(await host.stop()).toEqual({ code: 0, signal: null })
  })
})
