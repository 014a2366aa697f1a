/** A chaos run is judged from its file: what was lost, done twice, read stale, or answered in an epoch that was over, is found there. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { readRecording, Recording, type ChaosAudit, type Entry } from '../chaos/recording.ts'
import { judge, type Verdict } from '../chaos/verdict.ts'

const folder = (): string => {
  const made = mkdtempSync(join(tmpdir(), 'troupe-verdict-'))
  onTestFinished(() => rmSync(made, { recursive: true, force: true }))
  return made
}

type Answer = readonly [length: number, last: string, host: string, epoch: number]

const call = (op: string, method: 'add' | 'read', fromMs: number, toMs: number, [length, last, host, epoch]: Answer): Entry => ({
  entry: 'call', op, id: 'a0', method, args: [op], keyed: false, invokedMs: fromMs, settledMs: toMs, tries: [{ kind: 'ok', value: { length, last }, host, epoch }],
})

const audit = (log: readonly string[], more: Partial<ChaosAudit> = {}): Entry =>
  ({ entry: 'audit', id: 'a0', audit: { log, balance: 0, sent: {}, stored: [], violations: [], ...more } })

async function verdictOf(...entries: readonly Entry[]): Promise<Verdict> {
  const path = join(folder(), 'history.jsonl')
  const recording = new Recording(path, { store: 'redis', hosts: 3, network: 'proxies', seed: 1 })
  for (const entry of entries) recording.write(entry)
  await recording.close()
  return judge(readRecording(path))
}

const checkersOf = ({ problems }: Verdict): string[] => problems.map(({ checker }) => checker)

test('a history in which nothing is wrong', async () => {
  const verdict = await verdictOf(
    call('op0', 'add', 0, 10, [1, 'op0', 'h1', 1]), call('op1', 'add', 20, 30, [2, 'op1', 'h2', 5]), call('op2', 'read', 40, 50, [2, 'op1', 'h2', 5]),
    { entry: 'fault', kind: 'kill', target: 'h1', atMs: 11, unavailableMs: 120 }, audit(['op0', 'op1']),
  )
  expect(verdict).toMatchObject({ calls: 3, acknowledged: 3, failed: 0, unknown: 0, lost: 0, duplicated: 0, stale: 0, problems: [], faults: [{ unavailableMs: 120 }] })
})

test('an acknowledged write that is gone is lost', async () => {
  const verdict = await verdictOf(call('op0', 'add', 0, 10, [1, 'op0', 'h1', 1]), audit([]))
  expect(verdict.lost).toBe(1)
})

test('what is in a ledger twice is doubled', async () => {
  const verdict = await verdictOf(call('op0', 'add', 0, 10, [1, 'op0', 'h1', 1]), audit(['op0', 'op0']))
  expect(verdict.duplicated).toBe(1)
})

test('a read that misses what was acknowledged before it is stale', async () => {
  const verdict = await verdictOf(
    call('op0', 'add', 0, 10, [1, 'op0', 'h1', 1]), call('op1', 'add', 20, 30, [2, 'op1', 'h2', 5]), call('op2', 'read', 40, 50, [1, 'op0', 'h1', 1]), audit(['op0', 'op1']),
  )
  expect(verdict.stale).toBe(1)
})

test('a write acknowledged in an epoch that was over is noticed', async () => {
  const verdict = await verdictOf(call('op0', 'add', 0, 10, [1, 'op0', 'h2', 5]), call('op1', 'add', 20, 30, [2, 'op1', 'h1', 1]), audit(['op0', 'op1']))
  expect(checkersOf(verdict)).toEqual(['one-committer'])
})

test('what actors saw, and hosts that ended by themselves, count', async () => {
  const verdict = await verdictOf(audit([], { violations: ['reminder op3 of a0 rang 5 ms early'] }), { entry: 'breakdown', what: 'h1 ended by itself' })
  expect(checkersOf(verdict).sort()).toEqual(['nothing-breaks-down', 'reminders-are-never-early'])
})

test('fenced, failed and unknown outcomes are told apart', async () => {
  const tries = (op: string, ...outcomes: Extract<Entry, { entry: 'call' }>['tries']): Entry =>
    ({ entry: 'call', op, id: 'a0', method: 'add', args: [op], keyed: false, invokedMs: 0, settledMs: 1, tries: outcomes })
  const verdict = await verdictOf(
    tries('op0', { kind: 'lost' }), tries('op1', { kind: 'error', code: 'FENCED', executed: 'no', message: '' }),
    tries('op2', { kind: 'error', code: 'COMMIT_UNKNOWN', executed: 'unknown', message: '' }), audit([]),
  )
  expect(verdict).toMatchObject({ acknowledged: 0, failed: 1, unknown: 2, fenced: 1, problems: [] })
})

test('half a last line says that the run broke off; another file is none', async () => {
  const path = join(folder(), 'history.jsonl')
  writeFileSync(path, '{"entry":"run","store":"lmdb","hosts":3,"network":"proxies","seed":1}\n{"entry":"ca')
  expect(readRecording(path).at(-1)).toEqual({ entry: 'breakdown', what: 'the recording breaks off' })
  writeFileSync(path, '{"a":1}\n{"b":2}\n')
  expect(() => readRecording(path)).toThrow(/no history of a chaos run/)
  writeFileSync(path, '{"entry":"run"\n{"b":2}\n')
  expect(() => readRecording(path)).toThrow(/:1 is no JSON/)
})
