import { describe, expect, it, onTestFinished } from 'vitest'
import { SystemClock } from '../../core/clock.ts'
import { TroupeError } from '../../core/errors.ts'
import type { ClusterTls } from '../../placement/grpc-tls.ts'
import type { HostSession } from '../../placement/host-sessions.ts'
import type { HostMessage, PlacementMessage } from '../../placement/messages.ts'
import { grpcDial, servePlacement } from '../../placement/placement-grpc.ts'
import { tcpProbe } from '../../placement/probe.ts'
import { Certificates } from './certificates.ts'

const clock = new SystemClock()

/** A placement port that takes in whoever gets through to it. */
async function serve(tls: ClusterTls | undefined): Promise<{ address: string; joined: string[] }> {
  const joined: string[] = []
  const server = await servePlacement('127.0.0.1', 0, {
    receive: (session: HostSession, message: HostMessage) => {
      if (message.kind !== 'join') return
      joined.push(message.join.id)
      session.send({ version: 1, term: 1, kind: 'heartbeat', heartbeat: {} })
    },
    closed: () => {}, drained: () => {}, status: () => ({ version: 1, term: 1, members: [], leading: true }),
  } as never, clock, { tls })
  onTestFinished(() => server.close())
  return { address: server.address, joined }
}

/** What a process hears that asks to join: the first message, or why the stream closed. */
function join(address: string, tls: ClusterTls | undefined, id: string, types: readonly string[] = ['A']): Promise<PlacementMessage | Error> {
  return new Promise(resolve => {
    const link = grpcDial(tls)(address, { message: resolve, closed: resolve })
    onTestFinished(() => link.close())
    link.send({ version: 0, kind: 'join', join: { id, incarnation: 'i', address: '127.0.0.1:1', http: '', types, weight: 1, fingerprint: {}, leaving: false } as never })
  })
}

const forbidden = (text: string): object => ({ kind: 'refused', refused: { code: 'FORBIDDEN', retry: false, message: expect.stringContaining(text) } })

describe('a join', () => {
  it('is under the name and with the types of the certificate', async () => {
    const certificates = await Certificates.make({ types: ['A', 'B'] })
    const { address, joined } = await serve(certificates.tls('placement'))
    expect(await join(address, certificates.tls('host-a'), 'a', ['A', 'B'])).toMatchObject({ kind: 'heartbeat' })
    expect(await join(address, certificates.tls('host-a'), 'b')).toMatchObject(forbidden('host/b'))
    expect(await join(address, certificates.tls('host-a'), 'a', ['A', 'Vault'])).toMatchObject(forbidden('not Vault'))
    expect(joined).toEqual(['a'])
  })

  it('is under any name with a certificate for any', async () => {
    const certificates = await Certificates.make({ hosts: ['*'] })
    const { address, joined } = await serve(certificates.tls('placement'))
    await join(address, certificates.tls('host-any'), 'x', ['Whatever'])
    expect(joined).toEqual(['x'])
  })

  it('is not for clients, nor for placement', async () => {
    const certificates = await Certificates.make()
    const { address, joined } = await serve(certificates.tls('placement'))
    expect(await join(address, certificates.tls('client'), 'client')).toMatchObject(forbidden('client/client'))
    expect(await join(address, certificates.tls('placement'), 'placement')).toMatchObject(forbidden('placement/placement'))
    expect(joined).toEqual([])
  })

  it('is not for those of another authority, and not for those without a certificate', async () => {
    const ours = await Certificates.make()
    const theirs = await Certificates.make()
    const { address, joined } = await serve(ours.tls('placement'))
    const stranger = await join(address, theirs.tls('host-a'), 'a')
    expect(TroupeError.is(stranger, 'UNAUTHENTICATED'), String(stranger)).toBe(true)
    expect(await join(address, undefined, 'a')).toBeInstanceOf(Error)
    expect(joined).toEqual([])
  })

  it('is asked of nobody who may not lead: a client, or a host that may only run actors', async () => {
    const certificates = await Certificates.make({ lead: false })
    for (const name of ['client', 'host-b']) {
      const { address, joined } = await serve(certificates.tls(name))
      const refused = await join(address, certificates.tls('host-a'), 'a')
      expect(TroupeError.is(refused, 'FORBIDDEN'), String(refused)).toBe(true)
      expect(joined).toEqual([])
    }
    const leading = await Certificates.make()
    const { address, joined } = await serve(leading.tls('host-b'))
    await join(address, leading.tls('host-a'), 'a')
    expect(joined).toEqual(['a'])
  })

  it('finds a port that the probe still finds', async () => {
    const certificates = await Certificates.make()
    const { address } = await serve(certificates.tls('placement'))
    expect(await tcpProbe(clock)(address)).toBe('reached')
  })
})
