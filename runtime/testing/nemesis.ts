/** Does to a simulated cluster what a fault plan says, and in the end makes everything whole. */
import { seams, type SeamPoint } from '../../core/seams.ts'
import type { Fault, PlannedFault } from './fault-plan.ts'
import { LEADER, showFault } from './fault-plan.ts'
import type { SimCluster } from './sim-cluster.ts'
import type { SimProcess } from './sim-process.ts'
import type { SimService } from './sim-service.ts'

/** Between one restart of a rolling restart and the next, at least: the next one waits until this one is ready. */
const CALM_MS = 500

export class Nemesis {
  readonly #cluster: SimCluster
  /** How far wall clocks are from right. */
  readonly #bent = new Map<SimProcess, number>()
  /** Kills that wait for their points. */
  readonly #armed: { readonly fault: Extract<Fault, { kind: 'kill-at' }>; left: number; readonly forMs: number }[] = []
  #rolledBack: { readonly fromMs: number; readonly atMs: number } | undefined
  #over = false

  constructor(cluster: SimCluster, plan: readonly PlannedFault[]) {
    this.#cluster = cluster
    seams.at = point => this.#reached(point)
    for (const fault of plan) {
      cluster.kernel.after(fault.atMs, () => {
        if (this.#over) return
        const aimed = this.#aim(fault)
        cluster.kernel.note(`fault ${showFault(aimed)}`)
        const undo = this.#do(aimed, fault.forMs)
        if (undo !== undefined) cluster.kernel.after(fault.forMs, () => { if (!this.#over) undo() })
      })
    }
  }

  /** When the store lost writes, and since when those are gone. */
  get rolledBack(): { readonly fromMs: number; readonly atMs: number } | undefined {
    return this.#rolledBack
  }

  /** The end of all faults: processes run, links and stores are whole, clocks are right. What is down is started by its supervisor. */
  heal(): void {
    this.#over = true
    seams.at = undefined
    const { kernel, network, store, hosts, placements } = this.#cluster
    kernel.note('everything heals')
    network.healAll()
    store.heal()
    for (const { process } of [...hosts, ...placements]) {
      process?.thaw()
      process?.setRate(1)
    }
    for (const [process, byMs] of this.#bent) process.jumpWall(-byMs)
    this.#bent.clear()
  }

  #reached(point: SeamPoint): void {
    const { kernel } = this.#cluster
    const { running } = kernel
    const armed = this.#armed.find(({ fault }) => fault.machine === running?.name && fault.point === point)
    if (armed === undefined || --armed.left > 0) return
    this.#armed.splice(this.#armed.indexOf(armed), 1)
    kernel.note(`killed at ${point}`)
    const service = this.#service(armed.fault.machine)
    // What a dead process still does to the end of its jobs is none of its successor's.
    if (service?.process === running) service?.kill(armed.forMs)
  }

  /** Names the machine that leads now. */
  #aim(fault: PlannedFault): PlannedFault {
    const { leader, placements, hosts } = this.#cluster
    const name = leader ?? (placements[0] ?? hosts[0])!.name
    if ('machine' in fault) return fault.machine === LEADER ? { ...fault, machine: name } : fault
    if ('from' in fault) return { ...fault, from: fault.from === LEADER ? name : fault.from, to: fault.to === LEADER ? name : fault.to }
    return fault
  }

  #service(machine: string): SimService<unknown> | undefined {
    return [...this.#cluster.hosts, ...this.#cluster.placements].find(service => service.name === machine)
  }

  #do(fault: Fault, forMs: number): (() => void) | undefined {
    const { network, store } = this.#cluster
    switch (fault.kind) {
      case 'kill': {
        this.#service(fault.machine)?.kill(forMs)
        return undefined
      }
      case 'kill-at': {
        const armed = { fault, left: fault.nth, forMs }
        this.#armed.push(armed)
        // Also long after: what it waits for may be rare.
        return undefined
      }
      case 'stop': {
        this.#service(fault.machine)?.stop(forMs)
        return undefined
      }
      case 'restart': {
        const all = [...this.#cluster.hosts, ...this.#cluster.placements]
        if (all.every(({ upMs }) => upMs >= CALM_MS)) this.#service(fault.machine)?.stop(forMs)
        return undefined
      }
      case 'freeze': {
        const process = this.#service(fault.machine)?.process
        process?.freeze(fault.clock)
        return () => process?.thaw()
      }
      case 'cut': {
        network.cut(fault.from, fault.to)
        return () => network.heal(fault.from, fault.to)
      }
      case 'cut-off': return this.#cutOff(fault.machine, fault.way)
      case 'slow-link': {
        network.slow(fault.from, fault.to, fault.mostMs)
        return () => network.slow(fault.from, fault.to, 0)
      }
      case 'reset': {
        network.reset(fault.from, fault.to)
        return undefined
      }
      case 'slow-store': {
        store.faults.slowMs = fault.mostMs
        return () => { store.faults.slowMs = 0 }
      }
      case 'stalled-store': {
        store.faults.stalled = true
        return () => store.resume()
      }
      case 'lossy-store': {
        Object.assign(store.faults, { loseRequest: fault.requests, loseAnswer: fault.answers })
        return () => { Object.assign(store.faults, { loseRequest: 0, loseAnswer: 0 }) }
      }
      case 'repeating-store': {
        store.faults.repeat = fault.share
        return () => { store.faults.repeat = 0 }
      }
      case 'rollback': {
        if (this.#rolledBack !== undefined) return undefined
        const { nowMs } = this.#cluster.kernel
        this.#rolledBack = { fromMs: nowMs - fault.lostMs, atMs: nowMs }
        store.rollBack(fault.lostMs)
        return undefined
      }
      case 'wall-jump': {
        const process = this.#service(fault.machine)?.process
        if (process === undefined) return undefined
        // To so far from right, wherever an earlier jump left it: jumps do not add up.
        process.jumpWall(fault.byMs - (this.#bent.get(process) ?? 0))
        this.#bent.set(process, fault.byMs)
        return undefined
      }
      case 'clock-rate': {
        const process = this.#service(fault.machine)?.process
        if (process?.phase === 'up') process.setRate(fault.rate)
        return () => { if (process?.phase === 'up') process.setRate(1) }
      }
    }
  }

  #cutOff(machine: string, way: 'both' | 'in' | 'out'): () => void {
    const { network, machines } = this.#cluster
    const others = machines.filter(other => other !== machine)
    for (const other of others) {
      if (way !== 'in') network.cut(machine, other)
      if (way !== 'out') network.cut(other, machine)
    }
    return () => {
      for (const other of others) {
        network.heal(machine, other)
        network.heal(other, machine)
      }
    }
  }
}
