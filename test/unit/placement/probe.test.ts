/** What a connection that fails says of a process. */
import { createServer } from 'node:net'
import { expect, onTestFinished, test } from 'vitest'
import { SystemClock } from '../../../core/clock.ts'
import { isRefusal, tcpProbe } from '../../../placement/probe.ts'

const failed = (code: string): Error => Object.assign(new Error(code), { code })
/** As node does: the error of several addresses has the code of the first. */
const failedAll = (...codes: string[]): Error => Object.assign(new AggregateError(codes.map(failed)), { code: codes[0] })

test('a name with several addresses is refused when all of them are', () => {
  expect(isRefusal(failed('ECONNREFUSED'))).toBe(true)
  expect(isRefusal(failed('EHOSTUNREACH'))).toBe(false)
  expect(isRefusal(failedAll('ECONNREFUSED', 'ECONNREFUSED'))).toBe(true)
  expect(isRefusal(failedAll('ECONNREFUSED', 'ENETUNREACH'))).toBe(false)
  expect(isRefusal(failedAll('ETIMEDOUT', 'ECONNREFUSED'))).toBe(false)
})

test('a port that is open is reached, one that was closed refuses, by number and by name', async () => {
  const server = createServer()
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  onTestFinished(() => void server.close())
  const { port } = server.address() as { port: number }
  const probe = tcpProbe(new SystemClock())
  expect(await probe(`127.0.0.1:${port}`)).toBe('reached')
  expect(await probe(`localhost:${port}`)).toBe('reached')
  await new Promise(resolve => server.close(resolve))
  expect(await probe(`127.0.0.1:${port}`)).toBe('refused')
  expect(await probe(`localhost:${port}`)).toBe('refused')
})
