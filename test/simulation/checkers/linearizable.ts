/**
 * The calls of each register have an order that agrees with time and explains every answer (linearizability).
 *
 * Wing and Gong's search with Lowe's memory of what was tried: take any call that no unfinished one precedes, see whether the
 * register could have answered so, go on from there. A call whose outcome nobody knows may stand anywhere after it began, or
 * nowhere. Histories are short windows of one register each, so the search is.
 */
import type { RegisterCall } from '../register.ts'
import type { Checker } from '../history.ts'

export const linearizable: Checker = ({ registers, bentClocks }) => [...Map.groupBy(registers.filter(({ method }) => !bentClocks || method !== 'read'), call => call.id)]
  .filter(([, calls]) => !hasOrder(calls))
  .map(([id, calls]) => `${id}: no order of its calls explains their answers: ${calls.toSorted((a, b) => a.invokedMs - b.invokedMs).map(show).join(', ')}`)

/** `calls` of one register, which began with 0. */
export function hasOrder(calls: readonly RegisterCall[]): boolean {
  const tried = new Set<string>()
  const needed = calls.reduce((bits, { settledMs }, i) => settledMs === Infinity ? bits : bits | 1n << BigInt(i), 0n)
  const search = (done: bigint, value: number): boolean => {
    if ((done & needed) === needed) return true
    const place = `${done} ${value}`
    if (tried.has(place)) return false
    tried.add(place)
    const open = calls.map((call, i) => ({ call, bit: 1n << BigInt(i) })).filter(({ bit }) => (done & bit) === 0n)
    const firstEnd = Math.min(...open.map(({ call }) => call.settledMs))
    return open.some(({ call, bit }) => call.invokedMs <= firstEnd && fits(call, value) && search(done | bit, call.method === 'read' ? value : call.value))
  }
  return search(0n, 0)
}

const fits = ({ method, result, settledMs }: RegisterCall, value: number): boolean =>
  method === 'write' || settledMs === Infinity || result === value

const show = ({ method, value, invokedMs, settledMs, result }: RegisterCall): string =>
  `${method}${method === 'read' ? '' : ` ${value}`}${settledMs === Infinity ? ' ?' : method === 'write' ? '' : ` → ${result}`} (${invokedMs.toFixed(0)}–${settledMs === Infinity ? '…' : settledMs.toFixed(0)})`
