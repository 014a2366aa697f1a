/**
 * Notices that another Redis server answers than before, or the same one with another history. Looked at after each reconnect, and
 * from time to time, since a server may become a replica and a master again without any connection breaking.
 *
 * A server has a run id, new with each start, and its history a replication id, new with each start and each promotion
 * (`INFO server`, `INFO replication`). Neither proves that anything is lost: that is found out by stores/regress-check.ts.
 */
import type { Clock, Timer } from '../../core/clock.ts'
import { messageOf } from '../../core/errors.ts'
import type { Logger } from '../../core/logger.ts'

/** Sees to it that changes are told until it is closed. */
export interface Watch {
  /** The server takes no writes, and what it holds may be old: nothing is to be read from it. */
  readonly isReplica: boolean
  close(): void
}

interface Identity {
  readonly runId: string
  readonly history: string
  /** The history that this one goes on from, of a promoted replica. */
  readonly before: string
  readonly isMaster: boolean
}

/** A server that is expected to change. */
const AGAIN_MS = 250
/** Any other. */
const REGULAR_MS = 5_000

export interface ServerWatchOptions {
  readonly name: string
  readonly clock: Clock
  readonly log: Logger
  readonly info: () => Promise<string>
  readonly changed: (why: string) => void
}

export class ServerWatch implements Watch {
  readonly #options: ServerWatchOptions
  /** Of the last master. */
  #known: Identity | undefined
  isReplica = false
  #timer: Timer | undefined
  #phase: 'idle' | 'looking' | 'closed' = 'idle'

  /** @param first what `info` said when the connection was made; '' when it may not be asked */
  constructor(options: ServerWatchOptions, first: string) {
    this.#options = options
    if (first !== '') this.#seen(identityIn(first))
  }

  look(): void {
    if (this.#phase !== 'idle') return
    this.#phase = 'looking'
    this.#timer?.cancel()
    this.#options.info().then(info => this.#seen(identityIn(info)), error => this.#unseen(error)).finally(() => {
      if (this.#phase === 'looking') this.#phase = 'idle'
    })
  }

  close(): void {
    this.#phase = 'closed'
    this.#timer?.cancel()
  }

  #seen(now: Identity): void {
    const { name, log, changed } = this.#options
    if (this.#phase === 'closed') return
    if (!now.isMaster) {
      if (!this.isReplica) log.warn({ store: name }, 'this Redis is a replica: nothing is read from it or written to it until it is a master')
      this.isReplica = true
      return this.#again(AGAIN_MS)
    }
    this.#again(REGULAR_MS)
    const known = this.#known
    this.#known = now
    this.isReplica = false
    if (known !== undefined && (known.runId !== now.runId || known.history !== now.history)) changed(whyOf(known, now))
  }

  /** The connection may be gone, which leads to another look; or this user may not ask, and then nothing is known of changes. */
  #unseen(error: unknown): void {
    const { name, log, changed } = this.#options
    if (this.#phase === 'closed') return
    if (!/^NOPERM/.test(messageOf(error))) return this.#again(AGAIN_MS)
    log.debug({ store: name }, 'this user may not ask Redis for INFO: each reconnect counts as a change of the server')
    changed('reconnected')
  }

  #again(ms: number): void {
    this.#timer?.cancel()
    this.#timer = this.#options.clock.after(ms, () => this.look())
  }
}

function identityIn(info: string): Identity {
  const field = (name: string): string => new RegExp(`^${name}:(.*?)\\r?$`, 'm').exec(info)?.[1] ?? ''
  return { runId: field('run_id'), history: field('master_replid'), before: field('master_replid2'), isMaster: field('role') !== 'slave' }
}

function whyOf(known: Identity, now: Identity): string {
  const ids = `(replication id ${short(known.history)} before, ${short(now.history)} now)`
  if (known.runId === now.runId) return `this Redis was a replica for a while ${ids}`
  return known.history === now.before ? `a replica has taken over ${ids}` : `Redis was started anew, or replaced ${ids}`
}

const short = (id: string): string => id.slice(0, 8)

/** The nodes of a Redis Cluster: a change is another set of masters, or a node that was lost for a moment. */
export class ClusterWatch implements Watch {
  /** A cluster's client asks masters alone. */
  readonly isReplica = false
  readonly #clock: Clock
  readonly #masters: () => readonly string[]
  readonly #changed: (why: string) => void
  #known: string
  #timer: Timer | undefined
  #lost = false

  constructor(clock: Clock, masters: () => readonly string[], changed: (why: string) => void) {
    this.#clock = clock
    this.#masters = masters
    this.#changed = changed
    this.#known = this.#shown()
  }

  /** Something may have changed: looked at when things have settled. `lost`: a connection to a node failed. */
  look(lost: boolean): void {
    this.#lost ||= lost
    this.#timer ??= this.#clock.after(AGAIN_MS, () => {
      this.#timer = undefined
      const now = this.#shown()
      if (now === this.#known && !this.#lost) return
      const why = now === this.#known ? 'a node of this Redis Cluster was away' : `the masters of this Redis Cluster were ${this.#known} and are ${now}`
      this.#known = now
      this.#lost = false
      this.#changed(why)
    })
  }

  close(): void {
    this.#timer?.cancel()
  }

  #shown(): string {
    return [...this.#masters()].sort().join(' ')
  }
}
