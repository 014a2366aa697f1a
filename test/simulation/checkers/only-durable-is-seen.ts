/** What a ledger told another before its turn was over is still so (P3). */
import type { Checker } from '../history.ts'

export const onlyDurableIsSeen: Checker = ({ audits }) => {
  const problems: string[] = []
  for (const [id, { log }] of audits) {
    for (const entry of log) {
      const match = /^seen (\S+) (\d+) (.*)$/.exec(entry)
      if (match === null) continue
      const [, from, length, last] = match
      const other = audits.get(from!)?.log
      if (other !== undefined && Number(length) > 0 && other[Number(length) - 1] !== last) {
        problems.push(`${id} was told by ${from} that its entry ${length} is "${last}"; it is "${other[Number(length) - 1]}"`)
      }
    }
  }
  return problems
}
