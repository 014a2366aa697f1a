/** One end of a stream of the simulated network; the other end is another of these. See sim-network.ts. */
import type { SimNetwork } from './sim-network.ts'
import type { SimProcess } from './sim-process.ts'

export interface SocketEvents<Received> {
  onMessage(message: Received): void
  /** The other side will write no more. */
  onEnd(): void
  /** Over in both directions; called once, last. `refused`: nobody listens there. */
  onClosed(reason: string, refused: boolean): void
}

/** Machine of an address: hosts of a simulation are named by it. */
export const nameOf = (address: string): string => address.slice(0, address.lastIndexOf(':'))

type Arrival<Received> = { readonly message: Received; readonly done: (() => void) | undefined } | 'end'

export class SimSocket<Sent, Received = Sent> {
  readonly remote: string
  readonly process: SimProcess
  /** Name of the process at the other end, as the network sees it. */
  peerName = ''
  readonly #network: SimNetwork
  readonly #silenceMs: number
  #peer: SimSocket<Received, Sent> | undefined
  #events: SocketEvents<Received> | undefined
  /** Arrived at this machine, not yet read. */
  #inbox: Arrival<Received>[] = []
  /** Stuck behind a cut on its way here, in order. */
  #stuck: (() => void)[] = []
  /** When the last of what is on its way here arrives. */
  #arrivesMs = 0
  #heardMs: number
  #reading = true
  #ended = false
  #endHeard = false
  #phase: 'open' | 'closed' = 'open'

  constructor(network: SimNetwork, process: SimProcess, remote: string, silenceMs: number) {
    this.#network = network
    this.process = process
    this.remote = remote
    this.#silenceMs = silenceMs
    this.#heardMs = process.monotonicMs()
    network.opened(this as never)
    process.onDeath(() => this.#died())
  }

  /** For the network: asks the address to accept. `far` is the name it had when it was dialled. */
  connect(far: string): void {
    this.peerName = far.includes(':') ? nameOf(far) : far
    const { kernel } = this.#network
    const arrive = (): void => {
      // Cut off: asked again until it heals, or whoever dialled gives up.
      if (this.#phase === 'closed') return
      if (this.#network.isCut(this.process.name, this.peerName)) return void kernel.after(100, arrive)
      const listener = this.#network.listenerAt(this.remote)
      if (listener === undefined) {
        kernel.after(this.#network.latency(this.peerName, this.process.name), () => {
          if (!this.#network.isCut(this.peerName, this.process.name)) kernel.act(this.process, () => this.#close('connection refused', true))
        })
        return
      }
      this.peerName = listener.process.name
      const other = new SimSocket<Received, Sent>(this.#network, listener.process, `from-${this.process.name}`, this.#silenceMs)
      other.peerName = this.process.name
      other.#peer = this
      this.#peer = other
      other.#sayAlive()
      kernel.act(listener.process, () => listener.accept(other as never))
      for (const send of this.#unsent.splice(0)) send()
    }
    kernel.after(this.#network.latency(this.process.name, this.peerName), arrive)
    this.#sayAlive()
  }

  /** Written before the other end existed. */
  readonly #unsent: (() => void)[] = []

  listen(events: SocketEvents<Received>): void {
    this.#events = events
    this.process.soon(() => this.#read())
  }

  /** `done` when the other end has read it. */
  write(message: Sent, done?: () => void): void {
    if (this.#phase === 'closed' || this.#ended || this.process.phase === 'dead') return
    this.#send(peer => peer.#arrived({ message, done: done && (() => void this.#network.kernel.after(0, done, this.process)) }))
  }

  /** Writes no more; closes when the other side has ended too. */
  end(): void {
    if (this.#ended || this.#phase === 'closed' || this.process.phase === 'dead') return
    this.#ended = true
    this.#send(peer => peer.#arrived('end'))
    this.#closeIfBothEnded()
  }

  /** Over at once, in both directions; this end hears no more of it. */
  destroy(): void {
    if (this.#phase === 'closed') return
    this.#events = undefined
    this.#tell('the connection to the peer ended')
    this.#close('destroyed', false)
  }

  pause(): void {
    this.#reading = false
  }
  resume(): void {
    this.#reading = true
    this.process.soon(() => this.#read())
  }

  /** A fault: both ends hear of it, each in its own time. */
  break(reason: string): void {
    if (this.#peer !== undefined) this.#peer.#breakHere(reason)
    this.#breakHere(reason)
  }

  #breakHere(reason: string): void {
    this.#network.kernel.after(0, () => this.#close(reason, false), this.process)
  }

  /** The direction to this end is whole again. */
  healed(): void {
    const stuck = this.#stuck
    if (stuck.length === 0 || this.#network.isCut(this.peerName, this.process.name)) return
    this.#stuck = []
    const { kernel } = this.#network
    this.#arrivesMs = Math.max(this.#arrivesMs, kernel.nowMs + this.#network.resendDelay())
    // As one: what is sent from now on comes after them.
    kernel.after(this.#arrivesMs - kernel.nowMs, () => {
      for (const arrive of stuck) this.#cross(arrive)
    })
  }

  // ---- on the way -------------------------------------------------------------------------------------------------

  #send(arrive: (peer: SimSocket<Received, Sent>) => void): void {
    const peer = this.#peer
    if (peer === undefined) {
      this.#unsent.push(() => this.#send(arrive))
      return
    }
    const { kernel } = this.#network
    peer.#arrivesMs = Math.max(peer.#arrivesMs, kernel.nowMs + this.#network.latency(this.process.name, peer.process.name))
    kernel.after(peer.#arrivesMs - kernel.nowMs, () => peer.#cross(() => arrive(peer)))
  }

  /** At this end of the way: stuck when the way is cut, or something before it is stuck. */
  #cross(arrive: () => void): void {
    if (this.#phase === 'closed') return
    if (this.#stuck.length > 0 || this.#network.isCut(this.peerName, this.process.name)) this.#stuck.push(arrive)
    else arrive()
  }

  #arrived(what: Arrival<Received>): void {
    this.#network.kernel.act(this.process, () => {
      this.#heardMs = this.process.monotonicMs()
      this.#inbox.push(what)
      this.#read()
    })
  }

  #read(): void {
    while (this.#events !== undefined && this.#reading && this.#phase === 'open') {
      const next = this.#inbox.shift()
      if (next === undefined) return
      if (next === 'end') {
        this.#endHeard = true
        this.#events.onEnd()
        this.#closeIfBothEnded()
      } else {
        next.done?.()
        this.#events.onMessage(next.message)
      }
    }
  }

  #closeIfBothEnded(): void {
    if (this.#ended && this.#endHeard) this.#close('the peer ended the stream', false)
  }

  #close(reason: string, refused: boolean): void {
    if (this.#phase === 'closed') return
    this.#phase = 'closed'
    this.#inbox = []
    this.#stuck = []
    this.#network.closed(this as never)
    this.#events?.onClosed(reason, refused)
  }

  #tell(reason: string): void {
    this.#send(peer => this.#network.kernel.act(peer.process, () => peer.#close(reason, false)))
  }

  /** The system closes the sockets of a dead process. What it had sent arrives before, or is lost with the reset. */
  #died(): void {
    if (this.#phase === 'closed') return
    this.#phase = 'closed'
    this.#network.closed(this as never)
    const peer = this.#peer
    if (peer === undefined) return
    if (this.#network.kernel.random.float() < 0.5) this.#tell('connection reset by peer')
    else this.#network.kernel.after(this.#network.latency(this.process.name, peer.process.name), () => peer.#cross(() => peer.#breakHere('connection reset by peer')))
  }

  // ---- signs of life ----------------------------------------------------------------------------------------------

  #sayAlive(): void {
    this.process.after(this.#silenceMs / 3, () => {
      if (this.#phase === 'closed') return
      if (this.process.monotonicMs() - this.#heardMs > this.#silenceMs) {
        this.#tell('no sign of life')
        return this.#close('no sign of life from the peer', false)
      }
      this.#send(peer => this.#network.kernel.act(peer.process, () => { peer.#heardMs = peer.process.monotonicMs() }))
      this.#sayAlive()
    })
  }
}
