/**
 * Hosts on loopback, each behind proxies: one before its port for peers, one before its HTTP door, one before the store.
 *
 * Who has made a connection is found by its port in /proc, which works where hosts are children of this process on Linux.
 */
import { readdirSync, readFileSync, readlinkSync } from 'node:fs'
import { createServer } from 'node:net'
import { once } from 'node:events'
import { CLIENTS, STORE, type FaultNetwork, type HostPlace } from './fault-network.ts'
import { FaultProxy, WireRules } from './fault-proxy.ts'

const LOOPBACK = '127.0.0.1'

export class ProxyNetwork implements FaultNetwork {
  readonly kind = 'proxies'
  readonly clientsHost = LOOPBACK
  readonly #rules = new WireRules()
  readonly #hosts = new Map<string, { pid: number; up: boolean; readonly proxies: readonly FaultProxy[] }>()
  #store: FaultProxy | undefined

  async place(name: string): Promise<HostPlace> {
    const [peer, http] = [await unusedPort(), await unusedPort()]
    const proxies = [peer, http].map(port => this.#proxy(name, port))
    const [peerAt, httpAt] = [await proxies[0]!.listen(LOOPBACK, await unusedPort()), await proxies[1]!.listen(LOOPBACK, await unusedPort())]
    this.#hosts.set(name, { pid: 0, up: true, proxies })
    return {
      under: [],
      flags: ['--port', String(peer), '--advertise', `${LOOPBACK}:${peerAt}`, '--http-port', String(http)],
      url: `http://${LOOPBACK}:${httpAt}`,
    }
  }

  async up(name: string, pid: number): Promise<void> {
    const host = this.#hosts.get(name)!
    host.pid = pid
    if (host.up) return
    host.up = true
    for (const proxy of host.proxies) await proxy.listen(LOOPBACK)
  }

  async down(name: string): Promise<void> {
    const host = this.#hosts.get(name)!
    if (!host.up) return
    host.up = false
    for (const proxy of host.proxies) await proxy.refuse()
  }

  async storeAt(port: number): Promise<string> {
    this.#store = this.#proxy(STORE, port)
    return `${LOOPBACK}:${await this.#store.listen(LOOPBACK, await unusedPort())}`
  }

  async storeDown(): Promise<void> {
    await this.#store?.refuse()
  }

  async storeUp(): Promise<void> {
    await this.#store?.listen(LOOPBACK)
  }

  slowStore(name: string, delayMs: number): void {
    this.#rules.set(name, STORE, { delayMs })
    this.#rules.set(STORE, name, { delayMs })
  }

  resetStore(name: string): void {
    this.#store?.reset(name)
  }

  cut(from: string, to: string): void {
    this.#rules.set(from, to, { cut: true })
  }

  heal(from: string, to: string): void {
    this.#rules.set(from, to, {})
  }

  async close(): Promise<void> {
    for (const { proxies } of this.#hosts.values()) for (const proxy of proxies) await proxy.close()
    await this.#store?.close()
  }

  #proxy(to: string, port: number): FaultProxy {
    return new FaultProxy({ to, target: { host: LOOPBACK, port }, rules: this.#rules, whoIs: (_address, from) => this.#ownerOf(from) })
  }

  #ownerOf(port: number): string {
    const inode = socketOf(port)
    if (inode === undefined) return CLIENTS
    return [...this.#hosts].find(([, { pid, up }]) => up && pid > 0 && holds(pid, inode))?.[0] ?? CLIENTS
  }
}

/** Below the ports that the system gives to connections: it stays free while its host is down. */
async function unusedPort(): Promise<number> {
  for (let tries = 0; tries < 100; tries++) {
    const server = createServer()
    try {
      server.listen(10_000 + Math.floor(Math.random() * 20_000), LOOPBACK)
      await once(server, 'listening')
      const { port } = server.address() as { port: number }
      server.close()
      await once(server, 'close')
      return port
    } catch {
      // Taken.
    }
  }
  throw new Error('no port between 10000 and 30000 is free')
}

/** The inode of the socket that connects from this port of loopback. */
function socketOf(port: number): string | undefined {
  const local = `0100007F:${port.toString(16).toUpperCase().padStart(4, '0')}`
  try {
    const line = readFileSync('/proc/net/tcp', 'utf8').split('\n').find(each => each.trim().split(/\s+/)[1] === local)
    return line?.trim().split(/\s+/)[9]
  } catch {
    return undefined
  }
}

function holds(pid: number, inode: string): boolean {
  const folder = `/proc/${pid}/fd`
  try {
    return readdirSync(folder).some(fd => {
      try {
        return readlinkSync(`${folder}/${fd}`) === `socket:[${inode}]`
      } catch {
        return false
      }
    })
  } catch {
    return false
  }
}
