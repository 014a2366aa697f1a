/**
 * The port between hosts: ordered, batched messages over one stream a pair of hosts.
 *
 * A message is a small array whose first element is its kind (see `messages.ts`); what `send` is given must already be
 * encodable (primitives, arrays, Uint8Array payloads), so that one bad value can never spoil a frame. Every frame
 * carries the sender's table version. Delivery is in order and at most once; a link that breaks loses what was on its
 * way, and says so once through `closed`. Nothing here resends: only the router may, and only what did not run (P6).
 */

export type Message = readonly unknown[]

export interface PeerLink {
  /** Id of the host at the other end. */
  readonly peerId: string
  /**
   * Puts `message` into the frame of this tick. False when the link is closed, or its queue is over its bound: the
   * message was not taken and nothing of it will arrive. A message that was taken must not be changed any more.
   * @throws PAYLOAD_TOO_LARGE · NOT_ENCODABLE for a message that no link could carry
   */
  send(message: Message): boolean
}

export interface PeerHandler {
  /** `tableVersion` is the sender's. @throws PROTOCOL for what no sound peer sends: the link is closed; nothing else */
  onMessage(link: PeerLink, message: Message, tableVersion: number): void
  /** The link is gone; called once a link. */
  onClosed(link: PeerLink, reason: Error): void
}

export interface TransportLimits {
  /** Largest message; a larger frame closes the link. */
  readonly maxMessageBytes: number
  /** Bytes that may wait in one link's queue. */
  readonly maxQueuedBytes: number
}

export interface Transport {
  /** Starts listening. @throws PORT_TAKEN · BAD_OPTION */
  listen(): Promise<{ address: string }>
  /**
   * The link to a host, opened if there is none; concurrent calls share one attempt.
   * @throws PEER_UNREACHABLE within `timeoutMs`; `data.refused` is true when the address refused the connection (the process is gone)
   */
  connect(peerId: string, address: string, timeoutMs: number): Promise<PeerLink>
  /** The open link to a host, or undefined: the hot path asks this first. */
  link(peerId: string): PeerLink | undefined
  /** That life of a host is over: a link to it is closed at once, so that nobody waits for its answers. */
  drop(peerId: string, incarnation: string, reason: Error): void
  /** Sends what is queued, then closes all links and the port. Never throws. */
  close(): Promise<void>
}
