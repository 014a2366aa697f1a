/** `troupe call` and `troupe status`: arguments, results, streams, errors, and what a cluster looks like. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { exampleApp, TestProcesses, type RunningHost } from './processes.ts'

const echoApp = `
import { Actor, ActorError } from 'troupe'
class Refused extends ActorError<{ why: string }> { static readonly code = 'REFUSED' }
export class Echo extends Actor {
  show(...args: unknown[]) { return args }
  whoAmI() { return this.ctx.id }
  rich() { return { when: new Date(0), map: new Map([['a', 1n]]) } }
  nothing() {}
  refuse() { throw new Refused({ why: 'because' }) }
  async hang() { await new Promise(resolve => setTimeout(resolve, 60_000)) }
  async *count(to: number) { for (let i = 1; i <= to; i++) yield { i } }
}
`

let processes: TestProcesses
let host: RunningHost
const troupe = (...args: string[]) => processes.run([...args, '--to', host.http])

beforeAll(async () => {
  processes = new TestProcesses()
  host = await processes.host('solo', { apps: [processes.write('echo.ts', echoApp), exampleApp('counter.ts')] })
})
afterAll(() => processes[Symbol.asyncDispose]())

describe('troupe call', () => {
  it('prints the result as JSON', async () => {
    expect(await troupe('call', 'Counter/one', 'increment', '5')).toMatchObject({ code: 0, stdout: '5\n', stderr: '' })
  })

  it('reads arguments as JSON, and a word that is none as a string', async () => {
    const { stdout } = await troupe('call', 'Echo/x', 'show', '5', '-1.5', 'word', '"5"', 'true', 'null', '{"a":[1]}', 'two words', '')
    expect(JSON.parse(stdout)).toEqual([5, -1.5, 'word', '5', true, null, { a: [1] }, 'two words', ''])
  })

  it('takes words that begin with a dash after --', async () => {
    const { stdout } = await processes.run(['call', '--to', host.http, 'Echo/x', 'show', '--', '--verbose'])
    expect(JSON.parse(stdout)).toEqual(['--verbose'])
  })

  it.each(['cats and dogs', 'A||B', '100%', 'ünï😀', '{x}', '__proto__'])('reaches the id %s', async id => {
    expect(await troupe('call', `Echo/${id}`, 'whoAmI')).toMatchObject({ code: 0, stdout: `${JSON.stringify(id)}\n` })
  })

  it('prints what JSON has no word for in its documented form, and nothing for nothing', async () => {
    expect(JSON.parse((await troupe('call', 'Echo/x', 'rich')).stdout)).toEqual({ when: '1970-01-01T00:00:00.000Z', map: { a: 1 } })
    expect(await troupe('call', 'Echo/x', 'nothing')).toMatchObject({ code: 0, stdout: '', stderr: '' })
  })

  it('prints a stream as a value a line', async () => {
    expect(await troupe('call', 'Echo/x', 'count', '3')).toMatchObject({ code: 0, stdout: '{"i":1}\n{"i":2}\n{"i":3}\n', stderr: '' })
  })

  it("shows an actor's error with its code, and what is proved", async () => {
    expect(await troupe('call', 'Echo/x', 'refuse')).toMatchObject({
      code: 1, stdout: '', stderr: 'troupe: REFUSED: {"why":"because"} (executed: yes, retryable: no)\n',
    })
  })

  it.each([
    ['Nobody/x', 'show', /^troupe: UNKNOWN_TYPE: .*Nobody.* \(executed: no, retryable: no\)\n$/],
    ['Echo/x', 'absent', /^troupe: UNKNOWN_METHOD: .*"absent".* \(executed: no, retryable: no\)\n$/],
    ['Echo/x', 'constructor', /^troupe: UNKNOWN_METHOD: /],
  ])('shows the error of %s %s', async (actor, method, says) => {
    const { code, stderr } = await troupe('call', actor, method)
    expect(stderr).toMatch(says)
    expect(code).toBe(1)
  })

  it('gives up after --timeout', async () => {
    const since = performance.now()
    const { code, stderr } = await troupe('call', 'Echo/hanging', 'hang', '--timeout', '300ms')
    expect(stderr).toMatch(/^troupe: CALL_TIMEOUT: .*\(executed: unknown, retryable: yes\)\n$/)
    expect(code).toBe(1)
    expect(performance.now() - since).toBeLessThan(10_000)
  })

  it('says when nobody listens there', async () => {
    const { code, stderr } = await processes.run(['call', 'Counter/x', 'get', '--to', 'http://127.0.0.1:1'])
    expect(stderr).toMatch(/^troupe: PEER_UNREACHABLE: .*127\.0\.0\.1:1.*\(executed: no, retryable: yes\)\n$/)
    expect(code).toBe(1)
  })
})

describe('troupe status', () => {
  it('shows hosts with shards and activations by type', async () => {
    await troupe('call', 'Counter/one', 'get')
    const { code, stdout } = await troupe('status')
    expect(code).toBe(0)
    expect(stdout).toMatch(/table version \d+, placement connected, led by 127\.0\.0\.1:\d+, store lmdb:/)
    expect(stdout).toMatch(/^HOST +PHASE +LEASE +HTTP +PEER +TABLE +TYPE +SHARDS +ACTIVATIONS$/m)
    expect(stdout).toMatch(/^solo +serving, leads +\d\.\d s +http:\/\/127\.0\.0\.1:\d+ .*1,024/m)
    expect(stdout).toMatch(/Counter +1,024 +\d+/)
  })

  it('shows where an actor lives', async () => {
    const { code, stdout } = await troupe('status', 'Counter/one')
    expect(code).toBe(0)
    expect(stdout).toMatch(/Counter\/one lives on solo \(http:\/\/127\.0\.0\.1:\d+\), shard \d+, epoch \d+/)
  })

  it('prints JSON for programs', async () => {
    const { code, stdout } = await troupe('status', 'Counter/one', '--json')
    expect(code).toBe(0)
    expect(JSON.parse(stdout)).toMatchObject({
      placement: 'connected',
      hosts: [{ id: 'solo', phase: 'serving', shards: { Counter: 1024 } }],
      actor: { type: 'Counter', id: 'one', member: { id: 'solo' } },
    })
  })

  it('says when a type is unknown, and when nobody listens', async () => {
    expect(await troupe('status', 'Nobody/x')).toMatchObject({ code: 1, stderr: expect.stringMatching(/^troupe: UNKNOWN_TYPE: /) as string })
    expect(await processes.run(['status', '--to', 'http://127.0.0.1:1'])).toMatchObject({
      code: 1, stderr: expect.stringMatching(/^troupe: PEER_UNREACHABLE: status: no host can be reached .*127\.0\.0\.1:1.*ECONNREFUSED/) as string,
    })
  })
})
