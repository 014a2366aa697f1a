/**
 * What a link needs below it: whole byte messages in order, both ways, with an end. One real adapter (gRPC) and one in memory.
 */
export interface WireEvents {
  onBytes(bytes: Uint8Array): void
  /** The other side will write no more; what we write may still arrive. */
  onEnd(): void
  /** Over in both directions; called once, last. */
  onClosed(reason: Error): void
}

export interface Wire {
  /** For messages: the remote address as far as it is known. */
  readonly remote: string
  /** Why the other end may not be host `hostId`, by what it has proved; undefined when it may. Asked once it has spoken. */
  identityProblem?(hostId: string): string | undefined
  /** Starts reading, or hands what follows to another listener. */
  listen(events: WireEvents): void
  /** `done` when the bytes were handed to the network, which flow control may delay; not called when the wire closes first. */
  write(bytes: Uint8Array, done: () => void): void
  pause(): void
  resume(): void
  /** Writes no more; closes once what was written is out and the other side has ended too. */
  end(): void
  /** Over at once, in both directions. */
  destroy(): void
}

/** Opens a wire to an address, at once or later: failures come as `onClosed`. */
export type Dial = (address: string) => Wire

/** What `onClosed` gets when nobody listens at the address: proof that the process is gone. */
export class ConnectionRefused extends Error {}
