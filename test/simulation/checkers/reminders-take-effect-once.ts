/** Each occurrence of a stored reminder took effect once, in order; none of one that was not stored. Early ones the actors see themselves. */
import type { Checker } from '../history.ts'

export const remindersTakeEffectOnce: Checker = ({ operations, audits }) => {
  const problems: string[] = []
  for (const { op, id, method, args } of operations) {
    if (method !== 'remind' && method !== 'remindEvery' && method !== 'fail') continue
    const log = audits.get(id)?.log
    if (log === undefined) continue
    const rung = log.filter(entry => entry.startsWith(`ring ${op} `)).map(entry => Number(entry.slice(entry.lastIndexOf(' ') + 1)))
    const times = !log.includes(op) ? 0 : method === 'remind' ? 1 : Number(args[2])
    const wanted = Array.from({ length: times }, (_, i) => i + 1)
    if (rung.join() !== wanted.join()) problems.push(`reminder ${op} of ${id} rang as ${rung.join() || 'nothing'}, expected ${wanted.join() || 'nothing'}`)
  }
  return problems
}
