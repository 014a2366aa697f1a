/** Collects outcomes and prints them: failures as they happen, tables at the end, and `N passed, N failed` as the last line. */
import type { Pair } from './pair.ts'

export interface Table {
  readonly title: string
  readonly rows: readonly string[]
  readonly columns: readonly string[]
}

type Outcome = 'ok' | 'FAILED' | '-'

export class Results {
  readonly #outcomes = new Map<string, Outcome>()
  readonly #notes = new Set<string>()
  readonly #shown = new Set<string>()
  #passed = 0
  #failed = 0
  #interrupted = false

  get failed(): number {
    return this.#failed
  }

  /** What fails from now on fails because everything is being ended. */
  interrupt(): void {
    this.#interrupted = true
  }

  impossible(table: string, row: string, column: string, why: string): void {
    this.#outcomes.set(`${table}|${row}|${column}`, '-')
    this.#notes.add(`${row}: no ${column}, ${why}`)
  }

  /** Runs one check. A failure is printed with what the application and its sidecar said last. */
  async check(table: string, row: string, column: string, pair: Pair | undefined, run: () => Promise<void>): Promise<void> {
    try {
      await run()
      this.#outcomes.set(`${table}|${row}|${column}`, 'ok')
      this.#passed++
    } catch (error) {
      if (this.#interrupted) return
      this.#outcomes.set(`${table}|${row}|${column}`, 'FAILED')
      this.#failed++
      console.log(`\nFAILED ${table}: ${row} · ${column}\n  ${(error as Error).message.replaceAll('\n', '\n  ')}`)
      if (pair !== undefined) this.#show(pair)
    }
  }

  /** Something outside the checks went wrong. */
  fail(problem: string, pairs: readonly Pair[]): void {
    this.#failed++
    console.log(`\nFAILED ${problem}`)
    for (const pair of pairs) this.#show(pair)
  }

  #show(pair: Pair): void {
    for (const [who, lines] of pair.lastLines()) {
      const text = lines.map(line => `    ${line.slice(0, 400)}`).join('\n')
      // Many checks fail for one reason: the same lines once are enough.
      if (this.#shown.has(text)) continue
      this.#shown.add(text)
      console.log(`  last lines of the ${who}:\n${text}`)
    }
  }

  print(tables: readonly Table[]): void {
    if (this.#interrupted) return
    for (const { title, rows, columns } of tables) {
      const width = Math.max(...rows.map(row => row.length)) + 2
      const widths = columns.map(column => Math.max(column.length, 6) + 2)
      console.log(`\n${title}`)
      console.log(`  ${''.padEnd(width)}${columns.map((column, i) => column.padEnd(widths[i]!)).join('')}`.trimEnd())
      for (const row of rows) {
        console.log(`  ${row.padEnd(width)}${columns.map((column, i) => (this.#outcomes.get(`${title}|${row}|${column}`) ?? '').padEnd(widths[i]!)).join('')}`.trimEnd())
      }
    }
    if (this.#notes.size > 0) console.log(`\n${[...this.#notes].map(note => `  - ${note}`).join('\n')}`)
  }

  conclude(): void {
    console.log(`\n${this.#passed} passed, ${this.#failed} failed`)
  }
}
