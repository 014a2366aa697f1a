/**
 * Hosts that come and go: how long one that died again and again rests before it gets shards. Pure: time is an argument.
 *
 * Each of its coming and going moves shards twice, and each death costs the calls that ran there; a host that crashes at every
 * start would do so for ever. The first few times are free, then the rest doubles with each death, up to a minute. What is
 * older than the window is forgotten. A planned restart counts a quarter: only one in quick succession is damped.
 */

export interface FlapTimes {
  /** How long a death is remembered; 5 min by default. */
  readonly windowMs: number
  /** Deaths in it that cost no rest; 2 by default. */
  readonly free: number
  /** Rest after one more; doubles with each; 1 s by default. */
  readonly restMs: number
  /** The longest rest; 1 min by default. */
  readonly mostRestMs: number
}

export const defaultFlapTimes: FlapTimes = { windowMs: 5 * 60_000, free: 2, restMs: 1_000, mostRestMs: 60_000 }

const LEAVE_WEIGHT = 0.25
/** A host id with more deaths than these rests for the longest time anyway. */
const MAX_EVENTS = 64
/** Host ids that are remembered; beyond them the oldest are forgotten. */
const MAX_IDS = 10_000

interface Past {
  events: { readonly atMs: number; readonly weight: number }[]
  restsUntilMs: number
}

export class Flapping {
  readonly #times: FlapTimes
  readonly #pasts = new Map<string, Past>()

  constructor(times: FlapTimes = defaultFlapTimes) {
    this.#times = times
  }

  died(id: string, nowMs: number): void {
    this.#add(id, 1, nowMs)
  }

  left(id: string, nowMs: number): void {
    this.#add(id, LEAVE_WEIGHT, nowMs)
  }

  /** A host of this id joined, as a new incarnation: its rest begins. Gives its length, 0 for most. */
  joined(id: string, nowMs: number): number {
    const past = this.#pasts.get(id)
    if (past === undefined) return 0
    const { windowMs, free, restMs, mostRestMs } = this.#times
    past.events = past.events.filter(event => event.atMs > nowMs - windowMs)
    if (past.events.length === 0) this.#pasts.delete(id)
    const over = Math.floor(past.events.reduce((sum, event) => sum + event.weight, 0)) - free
    const rest = over <= 0 ? 0 : Math.min(mostRestMs, restMs * 2 ** (over - 1))
    past.restsUntilMs = nowMs + rest
    return rest
  }

  /** What is left of its rest; 0: it may have shards. */
  restMs(id: string, nowMs: number): number {
    return Math.max(0, (this.#pasts.get(id)?.restsUntilMs ?? 0) - nowMs)
  }

  #add(id: string, weight: number, atMs: number): void {
    const past = this.#pasts.get(id) ?? { events: [], restsUntilMs: 0 }
    past.events = [...past.events.slice(-MAX_EVENTS + 1), { atMs, weight }]
    past.restsUntilMs = 0
    // Deleted first: the map's order is that of the latest event.
    this.#pasts.delete(id)
    this.#pasts.set(id, past)
    if (this.#pasts.size > MAX_IDS) this.#pasts.delete(this.#pasts.keys().next().value!)
  }
}
