// Which actors an application is told to forget: all that it was asked for, until it is proved that its process has gone (P4: it keeps
// their state in memory, and would take an old one for the present one when the actor comes back).
import { describe, expect, it } from 'vitest'
import type { AppChannel, AppReply } from '../../../../actors/app-channel.ts'
import { SystemClock } from '../../../../core/clock.ts'
import { TroupeError } from '../../../../core/errors.ts'
import { AppLife } from '../../../../gateway/dapr/app-life.ts'
import { unreached } from '../../../../gateway/dapr/channel/app-wire.ts'
import { HttpChannel } from '../../../../gateway/dapr/channel/http-channel.ts'
import { failureOf } from '../../activation/signal.ts'

const signal = new AbortController().signal
const request = (id: string) => ({ type: 'A', id, method: 'm', query: '', headers: [], body: new Uint8Array(0) })

/** Answers all, but for the next call where a failure is set. */
class Stub implements AppChannel {
  readonly name = 'app:stub'
  failure: TroupeError | undefined
  readonly forgotten: string[] = []
  async invoke(): Promise<AppReply> {
    const { failure } = this
    this.failure = undefined
    if (failure !== undefined) throw failure
    return { headers: [], body: new Uint8Array(0) }
  }
  remind = async () => ({ cancel: false })
  tick = async () => ({ cancel: false })
  deactivate = async (_: string, id: string) => { this.forgotten.push(id) }
}

async function forgottenAfter(failure: TroupeError): Promise<string[]> {
  const stub = new Stub()
  const life = new AppLife(stub, () => undefined)
  await life.invoke(request('1'), signal)
  stub.failure = failure
  await failureOf(life.invoke(request('2'), signal))
  await life.invoke(request('3'), signal)
  for (const id of ['1', '2', '3']) await life.deactivate('A', id, signal)
  return stub.forgotten
}

const caused = (code: string): TroupeError => unreached('app', 'PUT', code, Object.assign(new Error(code), { code }))

describe('an actor that the application was asked for', () => {
  it.each([
    ['a stream that it refused because it had too many', caused('ERR_HTTP2_STREAM_ERROR')],
    ['a connection that was not made in time', caused('UND_ERR_CONNECT_TIMEOUT')],
    ['a connection that was reset before it was accepted', caused('ECONNRESET')],
    ['a socket that this machine could not open', caused('EMFILE')],
    ['a port that this machine had not left', caused('EADDRNOTAVAIL')],
    ['a failure without a cause', unreached('app', 'PUT', 'this side is stopping')],
  ])('is told after %s, which proves nothing about its process', async (_, failure) => {
    expect(await forgottenAfter(failure)).toEqual(['1', '2', '3'])
  })

  it.each(['http', 'https', 'h2c'] as const)('of a process whose port refuses %s connections is told no more', async protocol => {
    const channel = new HttpChannel({ protocol, address: '127.0.0.1', port: 1, apiToken: undefined, maxConcurrency: 0, maxBodyBytes: 1000, clock: new SystemClock() })
    const refused = await failureOf(channel.invoke(request('1'), signal)) as TroupeError
    channel.close()
    expect(await forgottenAfter(refused)).toEqual(['3'])
  })
})
