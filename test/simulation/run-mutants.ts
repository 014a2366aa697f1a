/**
 * `npm run sim -- --mutants`: looks for the first seed with which each mutant is noticed by the checker that is there for it.
 * The same seed must be clean with the mechanism on, or the finding says nothing.
 */
import { checkers, type CheckerName } from './checkers/checkers.ts'
import { mutants, nameOf, type Mutant } from './mutants.ts'
import type { SeedPool, SeedReport } from './seed-pool.ts'

export interface Hunt {
  readonly mutant: Mutant
  /** The seed that gave it away; undefined: none of those that ran. */
  readonly seed: number | undefined
  readonly ran: number
  readonly problem: string
  /** What other checkers found with that seed and those before it. */
  readonly others: ReadonlySet<CheckerName>
  /** What the seed finds with the mechanism on: must be nothing. */
  readonly control: SeedReport | undefined
}

export async function hunt(mutant: Mutant, pool: SeedPool, jobs: number, first: number, most: number): Promise<Hunt> {
  const { by, options, off, behind = [] } = mutant
  const others = new Set<CheckerName>()
  let ran = 0
  let next = first
  let caught: SeedReport | undefined
  let control: SeedReport | undefined
  const look = async (): Promise<void> => {
    while (next < first + most && (caught === undefined || next < caught.seed)) {
      const report = await pool.run(next++, { ...options, off: [...off, ...behind] })
      ran++
      for (const { checker } of report.problems) if (checker !== by) others.add(checker)
      if (!report.problems.some(({ checker }) => checker === by)) continue
      const without = await pool.run(report.seed, { ...options, off: behind })
      // What shows without the defence in front alone says nothing of this one.
      if (behind.length > 0 && without.problems.length > 0) continue
      if (report.seed < (caught?.seed ?? Infinity)) [caught, control] = [report, without]
    }
  }
  await Promise.all(Array.from({ length: jobs }, look))
  return { mutant, seed: caught?.seed, ran, problem: caught?.problems.find(({ checker }) => checker === by)?.problem ?? '', others, control }
}

/** Prints a line a mutant. @returns true when each was caught, and each checker caught one */
export async function runMutants(pool: SeedPool, jobs: number, first: number, most: number, chosen: readonly string[], print: (line: string) => void): Promise<boolean> {
  const all = chosen.length === 0 ? mutants : mutants.filter(mutant => chosen.includes(nameOf(mutant)))
  const failing = new Set<CheckerName>()
  let escaped = 0
  print(`${'mutant'.padEnd(22)} ${'seeds'.padEnd(6)} ${'noticed by'.padEnd(28)} what is off`)
  for (const mutant of all) {
    const found = await hunt(mutant, pool, jobs, first, most)
    const { seed, ran, others, control, problem } = found
    const clean = control !== undefined && control.problems.length === 0
    if (seed === undefined || !clean) escaped++
    else failing.add(mutant.by)
    print(`${nameOf(mutant).padEnd(22)} ${String(seed === undefined ? `>${ran}` : seed - first + 1).padEnd(6)} ${(seed === undefined ? 'NOBODY' : mutant.by).padEnd(28)} ${mutant.says}`)
    if (seed !== undefined) print(`${' '.repeat(29)} seed ${seed}: ${problem.slice(0, 160)}`)
    if (others.size > 0) print(`${' '.repeat(29)} also noticed by ${[...others].join(', ')}`)
    if (control !== undefined && !clean) print(`${' '.repeat(29)} seed ${seed} FAILS with it on: ${control.problems[0]!.checker}: ${control.problems[0]!.problem.slice(0, 200)}`)
  }
  const never = chosen.length > 0 ? [] : (Object.keys(checkers) as CheckerName[]).filter(name => !failing.has(name))
  print(`${all.length - escaped} of ${all.length} mutants caught within ${most} seeds each; checkers that caught none: ${never.length === 0 ? 'none' : never.join(', ')}`)
  return escaped === 0 && never.length === 0
}
