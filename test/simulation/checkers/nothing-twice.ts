/** No call, send or occurrence took effect twice, and none that nobody asked for. */
import type { Checker } from '../history.ts'

export const nothingTwice: Checker = ({ operations, audits }) => {
  const problems: string[] = []
  const asked = new Map(operations.map(({ op, id }) => [op, id]))
  for (const [id, { log }] of audits) {
    const seen = new Set<string>()
    for (const entry of log) {
      if (entry.startsWith('seen ')) continue
      if (seen.has(entry)) problems.push(`twice: "${entry}" on ${id}`)
      seen.add(entry)
      if (/^op\d+$/.test(entry) && asked.get(entry) !== id) problems.push(`${entry} is on ${id}, it was asked of ${asked.get(entry) ?? 'nobody'}`)
    }
  }
  return problems
}
