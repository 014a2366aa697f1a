/**
 * Hosts in network namespaces of their own, joined by a bridge on which clients and store have addresses.
 *
 * A way is cut by giving its sender a wrong hardware address of the receiver: frames leave and reach nobody, without an error to
 * anyone, as behind a broken switch. Everything is removed at the end of the process, also after Ctrl-C; what a killed one left
 * is removed by the next.
 */
import { execFileSync } from 'node:child_process'
import { FaultProxy, WireRules } from './fault-proxy.ts'
import { CLIENTS, STORE, type FaultNetwork, type HostPlace } from './fault-network.ts'

const HTTP_PORT = 3500
const PEER_PORT = 7000
const NOBODY = '02:00:00:00:00:01'
const FIRST_HOST = 10

const ip = (...args: string[]): string => execFileSync('ip', args, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] })

export class NamespaceNetwork implements FaultNetwork {
  readonly kind = 'namespaces'
  readonly clientsHost: string
  readonly #net: string
  readonly #mark: string
  readonly #bridge: string
  readonly #hosts = new Map<string, { readonly namespace: string; readonly device: string; readonly address: string }>()
  readonly #rules = new WireRules()
  readonly #onExit = (): void => this.#remove()
  #store: FaultProxy | undefined

  static open(): NamespaceNetwork {
    removeLeftOvers()
    const taken = ip('-4', '-o', 'addr')
    for (let tries = 0; tries < 200; tries++) {
      const net = `10.${200 + Math.floor(Math.random() * 55)}.${Math.floor(Math.random() * 256)}`
      if (!taken.includes(` ${net}.`)) return new NamespaceNetwork(net)
    }
    throw new Error('no private network is free for namespaces')
  }

  private constructor(net: string) {
    this.#net = net
    this.#mark = `tch${process.pid.toString(36)}`
    this.#bridge = `${this.#mark}.br`
    this.clientsHost = `${net}.1`
    process.once('exit', this.#onExit)
    ip('link', 'add', this.#bridge, 'type', 'bridge')
    for (const last of [1, 2]) ip('addr', 'add', `${net}.${last}/24`, 'dev', this.#bridge)
    ip('link', 'set', this.#bridge, 'up')
  }

  async place(name: string): Promise<HostPlace> {
    const number = this.#hosts.size
    const namespace = `${this.#mark}.${number}`
    const [outside, inside] = [`${this.#mark}.o${number}`, `${this.#mark}.i${number}`]
    const address = `${this.#net}.${FIRST_HOST + number}`
    ip('netns', 'add', namespace)
    this.#hosts.set(name, { namespace, device: outside, address })
    ip('link', 'add', outside, 'type', 'veth', 'peer', 'name', inside)
    ip('link', 'set', inside, 'netns', namespace)
    ip('-n', namespace, 'link', 'set', inside, 'name', 'eth0')
    ip('link', 'set', outside, 'master', this.#bridge)
    ip('link', 'set', outside, 'up')
    ip('-n', namespace, 'addr', 'add', `${address}/24`, 'dev', 'eth0')
    for (const device of ['lo', 'eth0']) ip('-n', namespace, 'link', 'set', device, 'up')
    return {
      under: ['ip', 'netns', 'exec', namespace],
      flags: ['--listen', address, '--port', String(PEER_PORT), '--http-port', String(HTTP_PORT)],
      url: `http://${address}:${HTTP_PORT}`,
    }
  }

  async up(): Promise<void> {}
  async down(): Promise<void> {}

  async storeAt(port: number): Promise<string> {
    this.#store = new FaultProxy({
      to: STORE, target: { host: '127.0.0.1', port }, rules: this.#rules, whoIs: address => this.#nameAt(address),
    })
    return `${this.#net}.2:${await this.#store.listen(`${this.#net}.2`)}`
  }

  async storeDown(): Promise<void> {
    await this.#store?.refuse()
  }

  async storeUp(): Promise<void> {
    await this.#store?.listen(`${this.#net}.2`)
  }

  slowStore(name: string, delayMs: number): void {
    this.#rules.set(name, STORE, { delayMs })
    this.#rules.set(STORE, name, { delayMs })
  }

  resetStore(name: string): void {
    this.#store?.reset(name)
  }

  cut(from: string, to: string): void {
    // Clients and store share a sender: what the store sends a host is cut at the host's way to the store, which no connection survives.
    if (from === STORE) return this.cut(to, STORE)
    ip(...this.#in(from), 'neigh', 'replace', this.#addressOf(to), 'lladdr', NOBODY, 'dev', this.#deviceOf(from), 'nud', 'permanent')
  }

  heal(from: string, to: string): void {
    if (from === STORE) return this.heal(to, STORE)
    try {
      ip(...this.#in(from), 'neigh', 'del', this.#addressOf(to), 'dev', this.#deviceOf(from))
    } catch {
      // It was not cut.
    }
  }

  async close(): Promise<void> {
    await this.#store?.close()
    process.off('exit', this.#onExit)
    this.#remove()
  }

  #remove(): void {
    for (const { namespace, device } of this.#hosts.values()) {
      // The kernel takes its time to end a namespace, and with it its devices.
      quietly('link', 'del', device)
      quietly('netns', 'del', namespace)
    }
    quietly('link', 'del', this.#bridge)
  }

  #in(name: string): string[] {
    return name === CLIENTS ? [] : ['-n', this.#hosts.get(name)!.namespace]
  }

  #deviceOf(name: string): string {
    return name === CLIENTS ? this.#bridge : 'eth0'
  }

  #addressOf(name: string): string {
    return name === CLIENTS ? this.clientsHost : name === STORE ? `${this.#net}.2` : this.#hosts.get(name)!.address
  }

  #nameAt(address: string): string {
    return [...this.#hosts].find(([, host]) => address.endsWith(host.address))?.[0] ?? CLIENTS
  }
}

function quietly(...args: string[]): void {
  try {
    ip(...args)
  } catch {
    // It is gone already.
  }
}

/** Namespaces and devices whose process is gone: their names say whose they are. */
function removeLeftOvers(): void {
  const ownerOf = (name: string): number => Number.parseInt(/^tch([0-9a-z]+)\.\w+$/.exec(name)?.[1] ?? '', 36)
  const gone = (name: string): boolean => {
    const pid = ownerOf(name)
    if (!(pid > 0)) return false
    try {
      process.kill(pid, 0)
      return false
    } catch {
      return true
    }
  }
  for (const line of ip('netns', 'list').split('\n')) {
    const name = line.split(' ')[0] ?? ''
    if (gone(name)) quietly('netns', 'del', name)
  }
  for (const [, name] of ip('-o', 'link').matchAll(/^\d+: ([^:@]+)/gm)) if (gone(name!)) quietly('link', 'del', name!)
}
