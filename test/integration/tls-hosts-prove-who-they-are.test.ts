import { once } from 'node:events'
import { readFileSync, rmSync, writeFileSync } from 'node:fs'
import { connect as connectTcp } from 'node:net'
import { connect as connectTls, type ConnectionOptions, type TLSSocket } from 'node:tls'
import { describe, expect, it, onTestFinished } from 'vitest'
import { SystemClock } from '../../core/clock.ts'
import { TroupeError } from '../../core/errors.ts'
import { TlsIdentity } from '../../core/tls-identity.ts'
import { checkOwnGrants, type ClusterTls } from '../../placement/grpc-tls.ts'
import { tcpProbe } from '../../placement/probe.ts'
import { grpcKit, type Peer } from '../unit/transport/peers.ts'
import { Certificates } from './certificates.ts'

async function host(id: string, tls: ClusterTls | undefined): Promise<Peer> {
  const kit = grpcKit()
  onTestFinished(() => kit.closeAll())
  return kit.start(id, { tls })
}

async function refusal(from: Peer, to: Peer): Promise<TroupeError> {
  const error = await from.transport.connect(to.id, to.address, 3000).then(() => { throw new Error('it was connected') }, (thrown: unknown) => thrown)
  expect(TroupeError.is(error, 'PEER_UNREACHABLE'), String(error)).toBe(true)
  expect(to.heard).toEqual([])
  return error as TroupeError
}

describe('a stream between hosts', () => {
  it('is opened when both ends show certificates of hosts, each under its own name', async () => {
    const certificates = await Certificates.make({ hosts: ['a', '*'] })
    const a = await host('a', certificates.tls('host-a'))
    const b = await host('b', certificates.tls('host-any'))
    const link = await a.transport.connect('b', b.address, 3000)
    link.send([1, 'hello'])
    await b.until('a message', () => b.heard.length === 1)
    expect(b.heard[0]).toMatchObject({ from: 'a', message: [1, 'hello'] })
  })

  it.each([['client', 'c'], ['placement', 'p']])('is not opened by a %s certificate, from either side', async (role, id) => {
    const certificates = await Certificates.make()
    const a = await host('a', certificates.tls('host-a'))
    const other = await host(id, certificates.tls(role))
    expect((await refusal(other, a)).message).toMatch(/FORBIDDEN.*does not name it troupe:\/\/default\/host\//)
    // In the handshake, before a word of ours is said to it.
    expect((await refusal(a, other)).message).toMatch(/FORBIDDEN: the other end may not be.*does not name it troupe:\/\/default\/host\//)
  })

  it('is not opened under the name of another host', async () => {
    const certificates = await Certificates.make()
    const b = await host('b', certificates.tls('host-b'))
    const impostor = await host('c', certificates.tls('host-a'))
    expect((await refusal(impostor, b)).message).toContain('FORBIDDEN: c may not open a stream')
    // And nobody believes a host that answers under a name that is not its own.
    expect((await refusal(b, impostor)).message).toMatch(/FORBIDDEN.*host\/c/)
  })

  it('is not opened with a host of another namespace, by the same authority', async () => {
    const certificates = await Certificates.make()
    const a = await host('a', certificates.tls('host-a'))
    const b = await host('b', { ...certificates.tls('host-b'), namespace: 'other' })
    expect((await refusal(a, b)).message).toContain('FORBIDDEN')
    expect((await refusal(b, a)).message).toContain('FORBIDDEN')
  })

  it('is not opened with a certificate of another authority, from either side, nor with none', async () => {
    const ours = await Certificates.make()
    const theirs = await Certificates.make()
    const a = await host('a', ours.tls('host-a'))
    const stranger = await host('b', theirs.tls('host-b'))
    const plain = await host('c', undefined)
    expect((await refusal(stranger, a)).message).toContain('UNAUTHENTICATED')
    expect((await refusal(a, stranger)).message).toContain('UNAUTHENTICATED')
    expect((await refusal(a, plain)).message).toContain('UNAUTHENTICATED')
    await refusal(plain, a)
  })

  it('is not opened with a certificate whose time is over', async () => {
    const certificates = await Certificates.make()
    await certificates.add({ hosts: ['old'], days: -1 })
    const a = await host('a', certificates.tls('host-a'))
    const old = await host('old', certificates.tls('host-old'))
    expect((await refusal(a, old)).message).toMatch(/UNAUTHENTICATED.*expired/)
    await refusal(old, a)
  })
})

describe('the port for other hosts', () => {
  /** What comes of a TLS client that trusts anybody: it learns in a moment whether it is let in. */
  function knock(to: Peer, options: ConnectionOptions): Promise<string> {
    const [address, port] = to.address.split(':')
    const socket: TLSSocket = connectTls({ host: address!, port: Number(port), rejectUnauthorized: false, ALPNProtocols: ['h2'], ...options })
    onTestFinished(() => { socket.destroy() })
    return new Promise(resolve => {
      socket.on('error', () => {}).on('close', () => resolve('closed'))
      // An HTTP/2 server says its settings first, as soon as it has let the client in.
      socket.on('data', () => resolve(String(socket.getProtocol())))
    })
  }

  it('rejects in the handshake whoever has no certificate of the authority, and speaks TLS 1.3 only', async () => {
    const ours = await Certificates.make()
    const theirs = await Certificates.make()
    const a = await host('a', ours.tls('host-a'))
    const shown = (from: Certificates): ConnectionOptions => ({ cert: readFileSync(from.files('host-b').cert), key: readFileSync(from.files('host-b').key) })
    expect(await knock(a, shown(ours))).toBe('TLSv1.3')
    expect(await knock(a, {})).toBe('closed')
    expect(await knock(a, shown(theirs))).toBe('closed')
    expect(await knock(a, { ...shown(ours), maxVersion: 'TLSv1.2' })).toBe('closed')
  })

  it('is still found by the probe, which speaks no TLS', async () => {
    const certificates = await Certificates.make()
    const a = await host('a', certificates.tls('host-a'))
    const probe = tcpProbe(new SystemClock())
    expect(await probe(a.address)).toBe('reached')
    await a.transport.close()
    expect(await probe(a.address)).toBe('refused')
  })

  it('serves with changed files, without a restart; streams that are open go on', async () => {
    const certificates = await Certificates.make()
    const a = await host('a', certificates.tls('host-a', { debug() {}, info() {}, warn() {}, error() {}, child() { return this } }))
    const b = await host('b', certificates.tls('host-b'))
    const link = await b.transport.connect('a', a.address, 3000)
    // A new authority: what the old one has signed is worth nothing to new connections.
    await certificates.add({ authority: 'replace' })
    const late = await host('b', certificates.tls('host-b'))
    const deadline = Date.now() + 10_000
    for (;;) {
      const opened = await late.transport.connect('a', a.address, 1000).then(() => true, () => false)
      if (opened) break
      expect(Date.now(), 'the changed files are not in force').toBeLessThan(deadline)
    }
    expect(a.closed.map(c => c.reason.message)).toEqual(['host b connected anew'])
    expect(link.peerId).toBe('a')
  })

  it('goes on with the files it had when changed ones cannot be used, and says so once', async () => {
    const certificates = await Certificates.make()
    const said: string[] = []
    const log = { debug() {}, info() {}, warn() {}, error: (_: object, text: string) => { said.push(text) }, child() { return this } }
    const { identity } = certificates.tls('host-a', log)
    const before = identity.current()
    const { cert, key } = certificates.files('host-a')
    const good = readFileSync(key)
    writeFileSync(key, readFileSync(certificates.files('host-b').key))
    expect(identity.current()).toBe(before)
    expect(identity.current()).toBe(before)
    expect(said).toEqual([expect.stringContaining('cannot be used')])
    writeFileSync(key, good)
    expect(identity.current().grants).toEqual(before.grants)
    rmSync(cert)
    expect(identity.current().grants).toEqual(before.grants)
    expect(said).toHaveLength(2)
  })
})

describe('files that cannot be used', () => {
  const clock = new SystemClock()
  const log = { debug() {}, info() {}, warn() {}, error() {}, child() { return this } }

  it('are refused by name, with what to do', async () => {
    const one = await Certificates.make()
    const other = await Certificates.make()
    const files = one.files('host-a')
    const garbage = `${one.folder}/garbage.pem`
    writeFileSync(garbage, '-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n')
    const wrong: [object, RegExp][] = [
      [{ ca: '/nowhere/ca.crt' }, /--tls-ca \/nowhere\/ca\.crt cannot be read \(ENOENT\)/],
      [{ cert: `${one.folder}/none.crt` }, /--tls-cert .*none\.crt cannot be read/],
      [{ key: files.cert }, /--tls-key .* holds no private key/],
      [{ key: one.files('host-b').key }, /--tls-key .* is not the key of the certificate/],
      [{ ca: other.files('host-a').ca }, /--tls-cert .* is signed by none of the authorities/],
      [{ ca: garbage }, /--tls-ca .* holds a certificate that cannot be read/],
      [{ ca: files.key }, /--tls-ca .* holds no certificate in PEM/],
      [{ cert: files.ca, key: `${one.folder}/ca.key` }, /--tls-cert .* has no URI troupe:/],
    ]
    for (const [change, text] of wrong) {
      let error: unknown
      try {
        new TlsIdentity({ ...files, ...change }, { clock, log })
      } catch (thrown) {
        error = thrown
      }
      expect(TroupeError.is(error, 'BAD_OPTION'), String(text)).toBe(true)
      expect((error as Error).message).toMatch(text)
      expect((error as Error).message).toContain('troupe certs')
    }
  })

  it('include a certificate that does not let this host be what it wants to be', async () => {
    const certificates = await Certificates.make({ types: ['A'], lead: false })
    const tls = certificates.tls('host-a')
    checkOwnGrants(tls, 'a', ['A'], false)
    expect(() => checkOwnGrants(tls, 'b', ['A'], false)).toThrow(/host b.*host\/b/)
    expect(() => checkOwnGrants(tls, 'a', ['A', 'B'], false)).toThrow(/not B/)
    expect(() => checkOwnGrants(tls, 'a', ['A'], true)).toThrow(/placement/)
  })
})

it('a plain connection to a TLS port ends, and the port goes on', async () => {
  const certificates = await Certificates.make()
  const a = await host('a', certificates.tls('host-a'))
  const b = await host('b', certificates.tls('host-b'))
  const [address, port] = a.address.split(':')
  for (let i = 0; i < 20; i++) {
    const socket = connectTcp({ host: address!, port: Number(port) })
    socket.on('error', () => {})
    socket.write(i % 2 === 0 ? 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n' : 'GET / HTTP/1.1\r\n\r\n')
    await once(socket, 'close', { signal: AbortSignal.timeout(5000) })
  }
  await b.transport.connect('a', a.address, 3000)
})
