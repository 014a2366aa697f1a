/** Each send of a turn that was stored is applied once, those of a pair in their order; and money is neither made nor lost. */
import type { Checker } from '../history.ts'

export const sendsArriveOnceInOrder: Checker = ({ audits, revived }) => {
  const problems: string[] = []
  const received = new Map<string, number[]>()
  for (const [id, { log }] of audits) {
    for (const entry of log) {
      const match = /^credit (\S+) (\d+)$/.exec(entry)
      if (match === null) continue
      const key = `${match[1]}→${id}`
      received.set(key, [...received.get(key) ?? [], Number(match[2])])
    }
  }
  const sent = new Map<string, number>([...audits].flatMap(([id, audit]) => Object.entries(audit.sent).map(([to, count]) => [`${id}→${to}`, count] as const)))
  for (const pair of new Set<string>([...received.keys(), ...sent.keys()])) {
    const got = revived?.has(pair) === true ? (received.get(pair) ?? []).toSorted((a, b) => a - b) : received.get(pair) ?? []
    const count = sent.get(pair) ?? 0
    if (got.length !== count) problems.push(`sends ${pair}: ${count} were stored, ${got.length} applied`)
    const wrong = got.findIndex((number, i) => number !== i + 1)
    if (wrong >= 0) problems.push(`sends ${pair}: the ${wrong + 1}. applied is number ${got[wrong]}`)
  }
  return problems
}

export const bankTotalIsConstant: Checker = ({ audits }) => {
  const total = [...audits.values()].reduce((sum, { balance }) => sum + balance, 0)
  return total === 0 ? [] : [`the bank holds ${total} in all, it began with 0`]
}
