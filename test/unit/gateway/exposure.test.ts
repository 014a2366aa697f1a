import * as os from 'node:os'
import { describe, expect, it, onTestFinished } from 'vitest'
import { SystemClock } from '../../../core/clock.ts'
import { TroupeError } from '../../../core/errors.ts'
import { exposureProblem, isLoopback } from '../../../core/exposure.ts'
import { silentLogger } from '../../../core/logger.ts'
import { grpcGateway } from '../../../gateway/grpc.ts'
import { httpGateway } from '../../../gateway/http.ts'
import { servePlacement } from '../../../placement/placement-grpc.ts'
import { GrpcTransport } from '../../../runtime/transport/grpc-transport.ts'
import { TableDispatcher } from './table-dispatcher.ts'

const exposure = { what: 'the door', host: 'x', addresses: ['127.0.0.1'], secured: false, insecure: false, remedy: 'lock it' }

describe('the addresses of this machine alone', () => {
  it.each(['127.0.0.1', '127.255.1.2', '::1', '::ffff:127.0.0.1'])('%s is one', address => expect(isLoopback(address)).toBe(true))
  it.each(['0.0.0.0', '::', '10.0.0.1', '192.168.1.1', '::ffff:10.0.0.1', 'fe80::1', '128.0.0.1', 'localhost', ''])('%s is none', address =>
    expect(isLoopback(address)).toBe(false))

  it('are the only ones for a port that does not know who calls', () => {
    expect(exposureProblem(exposure)).toBeUndefined()
    const wide = { ...exposure, addresses: ['127.0.0.1', '10.0.0.1'] }
    expect(exposureProblem(wide)).toMatch(/the door would listen on x \(10\.0\.0\.1\).*lock it.*--insecure/)
    expect(exposureProblem({ ...wide, secured: true })).toBeUndefined()
    expect(exposureProblem({ ...wide, insecure: true })).toBeUndefined()
    // What nobody can resolve is for `listen` to refuse.
    expect(exposureProblem({ ...exposure, addresses: [] })).toBeUndefined()
  })
})

const clock = new SystemClock()
const refused = async (opening: Promise<unknown>): Promise<TroupeError> => {
  const error = await opening.then(() => { throw new Error('it was opened') }, (thrown: unknown) => thrown)
  expect(TroupeError.is(error, 'BAD_OPTION'), String(error)).toBe(true)
  return error as TroupeError
}

describe.each(['0.0.0.0', '::'])('a port on %s', host => {
  const http = (more: object) => httpGateway({ port: 0, host, ...more }).start(new TableDispatcher({}), silentLogger)
  const grpc = (more: object) => grpcGateway({ port: 0, host, ...more }).start(new TableDispatcher({}), silentLogger)
  const peers = (more: object) => new GrpcTransport({
    hostId: 'a', incarnation: 'i', bind: { host, port: 0 }, handler: { onMessage: () => {}, onClosed: () => {} }, clock, log: silentLogger,
    limits: { maxMessageBytes: 1 << 20, maxQueuedBytes: 1 << 20 }, tableVersion: () => 1, ...more,
  })
  const endpoint = { receive: () => {}, closed: () => {}, drained: () => {}, status: () => ({ version: 0, term: 0, members: [], leading: false }) }

  it('is not opened when anybody could come in', async () => {
    expect((await refused(http({}))).message).toContain('--api-token')
    expect((await refused(grpc({}))).message).toContain('--api-token')
    expect((await refused(peers({}).listen())).message).toContain('--tls-ca')
    expect((await refused(servePlacement(host, 0, endpoint as never, clock))).message).toContain('--tls-ca')
  })

  it('is opened with a token, or when its owner says so', async () => {
    if (host === '::' && !hasIpv6()) return
    for (const more of [{ apiToken: 't' }, { insecure: true }]) {
      const door = httpGateway({ port: 0, host, ...more })
      onTestFinished(() => door.stop(0))
      expect((await door.start(new TableDispatcher({}), silentLogger)).address).toMatch(/^http:/)
      const other = grpcGateway({ port: 0, host, ...more })
      onTestFinished(() => other.stop(0))
      await other.start(new TableDispatcher({}), silentLogger)
    }
    const transport = peers({ insecure: true })
    onTestFinished(() => transport.close())
    await transport.listen()
    const placement = await servePlacement(host, 0, endpoint as never, clock, { insecure: true })
    await placement.close()
  })
})

it('a name is as wide as what it stands for', async () => {
  const local = httpGateway({ port: 0, host: 'localhost' })
  onTestFinished(() => local.stop(0))
  await local.start(new TableDispatcher({}), silentLogger)
})

function hasIpv6(): boolean {
  return Object.values(os.networkInterfaces()).flat().some(address => address?.family === 'IPv6')
}
