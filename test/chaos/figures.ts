/**
 * `npm run chaos -- --figures`: how long what fails is away, and what callers notice of what does not: each figure measured over
 * many trials on real processes, beside its target.
 */
import type { Mechanism } from '../../core/mechanisms.ts'
import { figureOutages } from './figure-outages.ts'
import { figureLeader } from './figure-leader.ts'
import { figurePlacementAway } from './figure-placement-away.ts'
import { figureRolling } from './figure-rolling.ts'
import { figureZombies } from './figure-zombies.ts'
import type { StoreKind } from './chaos-store.ts'
import { textTable } from './text-table.ts'

/** What was to be reached, and was. */
export interface Figure {
  readonly what: string
  readonly target: string
  readonly reached: string
  readonly ok: boolean
}

export interface FigureOptions {
  readonly trials: number
  readonly hosts: number
  /** Placement services alone; 0: the hosts are candidates themselves. */
  readonly placements: number
  /** Those that the figure asks for, or those given. */
  readonly stores: readonly StoreKind[] | undefined
  readonly network: 'namespaces' | 'proxies' | undefined
  readonly without?: readonly Mechanism[] | undefined
  readonly say: (line: string) => void
}

const figures = {
  kill: options => figureOutages('kill', options),
  freeze: options => figureOutages('freeze', options),
  cut: options => figureOutages('cut', options),
  'leader-kill': options => figureLeader('kill', options),
  'leader-freeze': options => figureLeader('freeze', options),
  rolling: figureRolling,
  zombies: figureZombies,
  'placement-away': figurePlacementAway,
} satisfies Record<string, (options: FigureOptions) => Promise<Figure[]>>

export type FigureName = keyof typeof figures
export const figureNames = Object.keys(figures) as FigureName[]

/** Measures and prints them; whether all were reached. */
export async function runFigures(options: FigureOptions & { readonly only: readonly FigureName[] | undefined }): Promise<boolean> {
  const reached: Figure[] = []
  for (const name of options.only ?? figureNames) {
    options.say(`${name} …`)
    try {
      const measured = await figures[name](options)
      for (const { what, reached, ok } of measured) options.say(`  ${what}: ${reached}${ok ? '' : '  NOT REACHED'}`)
      reached.push(...measured)
    } catch (error) {
      reached.push({ what: name, target: '', reached: `not measured: ${(error instanceof Error ? error.message : String(error)).split('\n')[0]}`, ok: false })
      options.say(`  not measured: ${error instanceof Error ? error.stack ?? error.message : String(error)}`)
    }
  }
  options.say(`\n${textTable([['figure', 'target', 'reached', ''], ...reached.map(({ what, target, reached, ok }) => [what, target, reached, ok ? 'ok' : 'NOT REACHED'])])}`)
  return reached.every(({ ok }) => ok)
}
