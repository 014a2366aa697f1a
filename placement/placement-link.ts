/** The two ends of the stream between a host and a placement service, as ports: gRPC is one adapter, a simulator may be another. */
import type { CandidateStatus } from './leader-seat.ts'
import type { HostSession } from './host-sessions.ts'
import type { HostMessage, PlacementMessage } from './messages.ts'

/** A stream as the host has it. */
export interface PlacementLink {
  /** False when the link is closed or does not keep up: the message was not taken. */
  send(message: HostMessage): boolean
  /** Ends it; `closed` is not called any more. */
  close(): void
  /** False while no connection has come about; absent where that cannot be told. */
  reached?(): boolean
}

export interface LinkListener {
  message(message: PlacementMessage): void
  /** Called once, unless the host closed the link itself. */
  closed(reason: Error): void
}

/** Opens a link; whether anybody is there shows in what the listener hears, never before this returns. */
export type Dial = (address: string, listener: LinkListener) => PlacementLink

/** What answers at the service's end. */
export interface PlacementEndpoint {
  receive(session: HostSession, message: HostMessage): void
  closed(session: HostSession): void
  drained(session: HostSession): void
  status(): CandidateStatus
}
