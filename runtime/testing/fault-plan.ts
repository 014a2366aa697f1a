/**
 * The faults of one simulated run: what happens to which machine, when, and for how long. Pure: a function of the seed.
 *
 * Not every run has every kind of fault. A few kinds, often, find what a little of everything hides.
 */
import type { Random } from '../../core/random.ts'
import type { SeamPoint } from '../../core/seams.ts'

/** Whichever machine leads placement when the fault begins. */
export const LEADER = 'leader'

/** Machines by name; `LEADER` stands for one. */
export type Fault =
  /** As `kill -9`; the supervisor starts it again after `forMs`. */
  | { readonly kind: 'kill'; readonly machine: string }
  /** Killed within a step: when it comes to a point of `core/seams.ts` for the `nth` time from then on. */
  | { readonly kind: 'kill-at'; readonly machine: string; readonly point: SeamPoint; readonly nth: number }
  /** SIGTERM, and started again. */
  | { readonly kind: 'stop'; readonly machine: string }
  /** SIGTERM and a new start, as of a rolling restart: only while everything else is up. */
  | { readonly kind: 'restart'; readonly machine: string }
  | { readonly kind: 'freeze'; readonly machine: string; readonly clock: 'goes on' | 'stands' }
  /** Nothing goes from one machine to the other. */
  | { readonly kind: 'cut'; readonly from: string; readonly to: string }
  | { readonly kind: 'cut-off'; readonly machine: string; readonly way: 'both' | 'in' | 'out' }
  | { readonly kind: 'slow-link'; readonly from: string; readonly to: string; readonly mostMs: number }
  | { readonly kind: 'reset'; readonly from: string; readonly to: string }
  | { readonly kind: 'slow-store'; readonly mostMs: number }
  | { readonly kind: 'stalled-store' }
  /** Requests that are not carried out, answers that do not come: 'unknown', applied or not. */
  | { readonly kind: 'lossy-store'; readonly requests: number; readonly answers: number }
  /** Requests that are carried out again, later. */
  | { readonly kind: 'repeating-store'; readonly share: number }
  /** The last writes of actors are gone, once in a run at most. Only where it is asked for: no store that does so keeps what it promised. */
  | { readonly kind: 'rollback'; readonly lostMs: number }
  | { readonly kind: 'wall-jump'; readonly machine: string; readonly byMs: number }
  | { readonly kind: 'clock-rate'; readonly machine: string; readonly rate: number }

export type FaultKind = Fault['kind']
export type PlannedFault = Fault & { readonly atMs: number; readonly forMs: number }

export interface FaultPlanOptions {
  readonly hosts: readonly string[]
  readonly placements: readonly string[]
  readonly store: string
  /** Faults begin between these times. */
  readonly fromMs: number
  readonly untilMs: number
  /** One fault in so many ms, about; 1,500 by default. */
  readonly everyMs?: number
  /** By default chance chooses. */
  readonly kinds?: readonly FaultKind[]
  /**
   * Clocks go as fast as they should, within the margin that leases allow for, and go on while a process is frozen; true: they
   * need not, and what hangs on leases (that no read is stale) is not promised. False by default.
   */
  readonly bentClocks?: boolean
}

export const faultKinds: readonly FaultKind[] = [
  'kill', 'kill-at', 'stop', 'restart', 'freeze', 'cut', 'cut-off', 'slow-link', 'reset', 'slow-store', 'stalled-store', 'lossy-store', 'repeating-store', 'rollback', 'wall-jump', 'clock-rate',
]

/** Leases allow for clocks that differ by one part in fifty: two that are each so far from right. */
const CLOCK_MARGIN = 0.009

const points: readonly SeamPoint[] = [
  'reminder.fire', 'reminder.run', 'reminder.ran', 'commit.begin', 'commit.durable', 'send.deliver', 'send.applied', 'send.acknowledged', 'send.removed',
]

export function planFaults(random: Random, options: FaultPlanOptions): PlannedFault[] {
  const { fromMs, untilMs, everyMs = 1_500 } = options
  const kinds = options.kinds ?? chooseKinds(random)
  const plan: PlannedFault[] = []
  if (kinds.length === 0) return plan
  for (let atMs = fromMs + random.float() * everyMs; atMs < untilMs; atMs += random.float() * 2 * everyMs) {
    const fault = faultOf(pick(random, kinds), random, options)
    // Mostly short, now and then long: what is noticed and what is not both matter.
    const forMs = Math.round(random.float() ** 2 * 8_000) + 20
    plan.push({ ...fault, atMs: Math.round(atMs), forMs })
  }
  return plan
}

function chooseKinds(random: Random): FaultKind[] {
  const share = random.float()
  return faultKinds.filter(kind => random.float() < share && kind !== 'rollback')
}

function faultOf(kind: FaultKind, random: Random, { hosts, placements, store, bentClocks = false }: FaultPlanOptions): Fault {
  const services = [...hosts, ...placements, LEADER, LEADER]
  const machines = [...hosts, ...placements, store, LEADER]
  switch (kind) {
    case 'kill': case 'stop': case 'restart': return { kind, machine: pick(random, services) }
    case 'kill-at': return { kind, machine: pick(random, hosts), point: pick(random, points), nth: 1 + Math.floor(random.float() ** 2 * 10) }
    case 'freeze': return { kind, machine: pick(random, services), clock: bentClocks && random.float() < 0.5 ? 'stands' : 'goes on' }
    case 'cut': case 'reset': return { kind, ...twoOf(random, machines) }
    case 'cut-off': return { kind, machine: pick(random, services), way: pick(random, ['both', 'in', 'out'] as const) }
    case 'slow-link': return { kind, ...twoOf(random, machines), mostMs: Math.round(random.float() ** 2 * 2_000) }
    case 'slow-store': return { kind, mostMs: Math.round(random.float() ** 2 * 2_500) }
    case 'stalled-store': return { kind }
    case 'lossy-store': return { kind, requests: random.float() * 0.2, answers: random.float() * 0.2 }
    case 'repeating-store': return { kind, share: random.float() }
    case 'rollback': return { kind, lostMs: Math.round(random.float() ** 2 * 2_000) }
    case 'wall-jump': return { kind, machine: pick(random, hosts), byMs: Math.round((random.float() - 0.5) * 20_000) }
    case 'clock-rate': return { kind, machine: pick(random, services), rate: 1 + (random.float() * 2 - 1) * (bentClocks ? 0.2 : CLOCK_MARGIN) }
  }
}

const pick = <T>(random: Random, from: readonly T[]): T => from[Math.floor(random.float() * from.length)]!

function twoOf(random: Random, machines: readonly string[]): { from: string; to: string } {
  const from = pick(random, machines)
  return { from, to: pick(random, machines.filter(machine => machine !== from)) }
}

/** One line, as a report shows it. */
export function showFault({ kind, atMs, forMs, ...facts }: PlannedFault): string {
  const shown = Object.entries(facts).map(([name, value]) => `${name} ${typeof value === 'number' ? Math.round(value * 1000) / 1000 : value}`)
  return `${(atMs / 1000).toFixed(3)} s ${kind} ${shown.join(', ')} for ${forMs} ms`
}
