// Which words of a command line are the program's, which are a command's, and which are those of the application that it starts.
import { describe, expect, it } from 'vitest'
import { asCommanderReads, buildProgram } from '../../../cli/program.ts'

async function understood(...argv: string[]): Promise<{ operands: readonly string[]; flags: Record<string, unknown> }> {
  const program = buildProgram()
  const command = program.commands.find(c => c.name() === argv[0])!
  const seen = Promise.withResolvers<{ operands: readonly string[]; flags: Record<string, unknown> }>()
  command.action(() => seen.resolve({ operands: command.args, flags: command.opts() }))
  await program.parseAsync(asCommanderReads(program, argv), { from: 'user' })
  return await seen.promise
}

describe('troupe run', () => {
  it('leaves the words of the application alone', async () => {
    const words = ['node', 'app.js', '--version', '-V', '--help', '--app-id', 'y', '--', '-x']
    for (const before of [['--'], []]) {
      expect(await understood('run', ...before, ...words)).toMatchObject({ operands: words })
      expect(await understood('run', '-a', 'x', '--enable-api-logging', ...before, ...words)).toMatchObject({ operands: words, flags: { appId: 'x', enableApiLogging: true } })
    }
  })
})

describe('troupe sidecar', () => {
  it('reads what is written for daprd', async () => {
    expect((await understood('sidecar', '-app-id', 'x', '-daprHTTPPort=1', '--enable-mtls=false', '--placement-host-address', 'p:1', '--app-max-concurrency', '-1')).flags)
      .toMatchObject({ appId: 'x', daprHttpPort: 1, enableMtls: false, placementHostAddress: 'p:1', appMaxConcurrency: 0 })
  })
})

describe('other commands', () => {
  it('are read as before', async () => {
    expect(await understood('call', 'Account/a', 'deposit', '-5')).toMatchObject({ operands: ['Account/a', 'deposit', '-5'] })
  })
})
