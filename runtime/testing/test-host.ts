/**
 * A host for tests of actors: everything in memory, on virtual time.
 *
 *     await using host = await testHost({ actors: [Account] })
 *     await host.actor(Account, 'alice').deposit(5)
 *     await host.advance('30d')
 *
 * Time stands still until it is advanced. `advance` runs all that falls due (reminders, timers, retries, idle collection),
 * each thing at its own instant and in order, with everything that follows from it, and takes no real time for waiting. Calls
 * and durable sends need no time: they run at once. The same test with the same seed runs the same way each time.
 *
 * What goes by real time (sockets, `setTimeout`, files) is not waited for: an actor under test is given what it talks to.
 */
import type { ActorClass } from '../../actors/actor-type.ts'
import type { ActorRef, CallOptions, RemoteRef } from '../../actors/actor-ref.ts'
import { durationMs, type Duration } from '../../core/duration.ts'
import { TroupeError } from '../../core/errors.ts'
import { openStores, type Stores } from '../../stores/open-store.ts'
import { Host } from '../host.ts'
import type { HostOptions } from '../host-options.ts'
import { SimKernel } from './sim-kernel.ts'
import type { SimProcess } from './sim-process.ts'

export interface TestHostOptions extends Omit<HostOptions, 'store' | 'clusterStore' | 'placement' | 'listen' | 'gateways' | 'clock' | 'random'> {
  /** Wall time at which the test begins: a Date, ms since the epoch, or ISO 8601; 2030-01-01T00:00:00Z by default. */
  startAt?: Date | number | string
  /** Of all chance (jitter of retries, nonces); 1 by default. */
  seed?: number
}

/** More than any stage of starting and stopping waits. */
const LIFE_MS = 600_000

export class TestHost implements AsyncDisposable {
  readonly #options: Omit<HostOptions, 'clock' | 'random'>
  readonly #kernel: SimKernel
  readonly #stores: Stores
  #process!: SimProcess
  #host!: Host
  #lives = 0

  /** Use `testHost`. */
  constructor({ startAt, seed, ...options }: TestHostOptions) {
    this.#kernel = new SimKernel({ seed: seed ?? 1, wallStartMs: instantMs(startAt ?? '2030-01-01T00:00:00Z'), prompt: true })
    this.#stores = openStores('memory:', { clock: this.#kernel.process('store') })
    // Shards of a host alone are not moved: a few are as good as many, and start sooner.
    this.#options = { shardBits: 2, hostId: 'test-host', ...options, store: this.#stores }
  }

  /** The host itself, as `createHost` makes it: `call`, `manage`, `listReminders`, `hostStatus` … Another one after `crash`. */
  get host(): Host {
    return this.#host
  }

  /** The wall time of the test. */
  get now(): Date {
    return new Date(this.#process.wallMs())
  }

  /** A typed reference to an actor; one made before a `crash` is of no use after it. @throws BAD_REQUEST for an illegal id · BAD_OPTION */
  actor<A extends ActorClass>(actorClass: A, id: string, options?: CallOptions): ActorRef<InstanceType<A>>
  actor<A = unknown>(type: string, id: string, options?: CallOptions): RemoteRef<A>
  actor(target: ActorClass | string, id: string, options?: CallOptions): unknown {
    return typeof target === 'string' ? this.#host.actor(target, id, options) : this.#host.actor(target, id, options)
  }

  /** Lets `duration` (`'1h'`, `'30d'`, milliseconds) pass: all that falls due in it has run when this resolves. @throws BAD_OPTION */
  async advance(duration: Duration): Promise<void> {
    await this.#kernel.run(durationMs(duration, 'advance'))
  }

  /** Waits until nothing more happens without time passing: sends are delivered, what is due now has run. */
  settle(): Promise<void> {
    return this.#kernel.run(0)
  }

  /**
   * Kills the host as `kill -9` does and starts another on what it had stored. Calls that were under way get no answer any more.
   */
  async crash(): Promise<void> {
    this.#process.kill()
    await this.start()
  }

  /** Sets the wall clock, as an administrator or NTP does; time goes on from there. Nothing else jumps. */
  setWallClock(to: Date | number | string): void {
    this.#process.jumpWall(instantMs(to) - this.#process.wallMs())
  }

  /** Stops the host, running turns first. `await using` does it. */
  async stop(): Promise<void> {
    if (this.#process.phase !== 'dead') await this.#kernel.settled(this.#host.stop(), LIFE_MS)
    this.#process.kill()
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.stop()
  }

  /** For `testHost`. */
  async start(): Promise<void> {
    this.#process = this.#kernel.process(`host-${++this.#lives}`)
    this.#host = new Host({ ...this.#options, clock: this.#process, random: this.#kernel.random })
    await this.#kernel.settled(this.#host.start(), LIFE_MS)
  }
}

/**
 * Starts a host for tests.
 * @throws BAD_OPTION with every problem · BAD_ACTOR_CLASS
 */
export async function testHost(options: TestHostOptions): Promise<TestHost> {
  const host = new TestHost(options)
  await host.start()
  return host
}

function instantMs(given: Date | number | string): number {
  const ms = new Date(given).getTime()
  if (!Number.isFinite(ms)) throw new TroupeError('BAD_OPTION', `testHost: ${JSON.stringify(given)} is no instant; give a Date, ms since the epoch, or ISO 8601 like '2030-01-01T00:00:00Z'`)
  return ms
}
