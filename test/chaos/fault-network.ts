/**
 * The network between hosts, their store and their clients, in which each way between two ends can be cut by itself.
 *
 * Two kinds. *namespaces*: each host is a machine of its own to the kernel; needs root and `ip`. *proxies*: all on loopback,
 * connections go through proxies; needs nothing. With proxies, what goes straight to a placement candidate inside a host is not
 * cut: hosts learn its address from the cluster store.
 *
 * Ends are called by their host's name, `store` or `clients` (which is also where placement services alone run).
 */
export const STORE = 'store'
export const CLIENTS = 'clients'

/** Where a host runs and how it is reached. */
export interface HostPlace {
  /** The command under which its process starts. */
  readonly under: readonly string[]
  readonly flags: readonly string[]
  /** Its HTTP door, for clients. */
  readonly url: string
}

export interface FaultNetwork {
  readonly kind: 'namespaces' | 'proxies'
  /** Address at which hosts reach what runs beside the clients. */
  readonly clientsHost: string
  place(name: string): Promise<HostPlace>
  /** Its process has started, or is gone. */
  up(name: string, pid: number): Promise<void>
  down(name: string): Promise<void>
  /** HOST:PORT at which hosts reach a server on loopback. */
  storeAt(port: number): Promise<string>
  /** The server behind `storeAt` is gone, or back: connections are refused meanwhile. */
  storeDown(): Promise<void>
  storeUp(): Promise<void>
  /** What the store and a host send each other takes so much longer. 0: no longer. */
  slowStore(name: string, delayMs: number): void
  /** Every connection between a host and the store is reset: what was under way has no known outcome. */
  resetStore(name: string): void
  /** Nothing goes from one to the other. */
  cut(from: string, to: string): void
  heal(from: string, to: string): void
  close(): Promise<void>
}
