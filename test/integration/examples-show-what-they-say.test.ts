/** Each example runs as the README says, in an empty folder, and shows what its opening comment promises. */
import { execFile } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { expect, it } from 'vitest'
import { exampleApp } from './processes.ts'

const run = promisify(execFile)

async function output(example: string): Promise<string> {
  const folder = mkdtempSync(join(tmpdir(), 'troupe-example-'))
  try {
    const { stdout, stderr } = await run(process.execPath, [exampleApp(`${example}.ts`)], { cwd: folder, timeout: 50_000 })
    expect(stderr).toBe('')
    return stdout
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

it('quick-start: a balance and a typed error', async () => {
  expect(await output('quick-start')).toBe('alice has 500\nafter lunch 380\nnot enough, missing 999620\n')
})

it('stream: the reader leaves, and the stream ends', async () => {
  expect((await output('stream')).trim().split('\n')).toHaveLength(3)
})

it('migrate: state of version 1 is read by version 2', async () => {
  expect(await output('migrate')).toContain('Hello Ada (of the family Lovelace)')
})

it('subscription: billed by cron, dunned, dead and retried, cancelled', async () => {
  const text = await output('subscription')
  expect(text).toMatch(/the third is declined \{ phase: 'past due', paid: 2, owed: \d+ \}/)
  expect(text).toContain('bill: PROVIDER_AWAY {"card":"visa-1"} (3 tries)')
  expect(text).toMatch(/cancelled: no reminder is left \{ phase: 'cancelled', paid: \d+, owed: 0 \}\n$/)
})

it('order-saga: cut off in the middle, each effect once', async () => {
  const text = await output('order-saga')
  expect(text).toMatch(/in the middle: .*picking/)
  expect(text).toContain('at the end: { refused: 5, shipped: 15 }')
  expect(text).toContain('15 parcels for 15 orders, 0 of 15 books left, ada has 200 of 1700 cents\neach effect happened once\n')
})
