/**
 * The history of a run as a file of JSON lines: written while it goes on, so that it is there whatever happens, and read again
 * by the checkers (verdict.ts), at once or days later.
 */
import { createWriteStream, readFileSync, type WriteStream } from 'node:fs'
import { once } from 'node:events'
import type { Operation } from '../simulation/history.ts'
import type { LedgerAudit } from '../simulation/ledger.ts'

/** What one ledger holds in the end. */
export interface ChaosAudit extends LedgerAudit {
  readonly violations: readonly string[]
}

export interface RunFacts {
  readonly store: string
  readonly hosts: number
  readonly network: string
  readonly seed: number
}

export interface FaultFacts {
  readonly kind: string
  readonly target: string
  /** Since the run began. */
  readonly atMs: number
  /** From the fault until each actor that was asked had answered a call begun after it; absent: nobody was asked; null (Infinity before it is written): not in time. */
  readonly unavailableMs?: number | null | undefined
}

export type Entry =
  | { readonly entry: 'run' } & RunFacts
  | { readonly entry: 'call' } & Operation
  | { readonly entry: 'fault' } & FaultFacts
  | { readonly entry: 'audit'; readonly id: string; readonly audit: ChaosAudit }
  | { readonly entry: 'breakdown'; readonly what: string }

export class Recording {
  readonly path: string
  readonly #out: WriteStream

  constructor(path: string, facts: RunFacts) {
    this.path = path
    this.#out = createWriteStream(path)
    this.write({ entry: 'run', ...facts })
  }

  write(entry: Entry): void {
    this.#out.write(`${JSON.stringify(entry)}\n`)
  }

  async close(): Promise<void> {
    this.#out.end()
    await once(this.#out, 'close')
  }
}

/** @throws Error when the file is none of a run, with its line */
export function readRecording(path: string): Entry[] {
  const lines = readFileSync(path, 'utf8').split('\n').filter(line => line !== '')
  const entries = lines.map((line, i) => {
    try {
      return JSON.parse(line) as Entry
    } catch {
      // A run that was killed may have left half a line, at the end.
      if (i === lines.length - 1) return { entry: 'breakdown', what: 'the recording breaks off' } as const
      throw new Error(`${path}:${i + 1} is no JSON`)
    }
  })
  if (entries[0]?.entry !== 'run') throw new Error(`${path} is no history of a chaos run: its first line must say "entry":"run"`)
  return entries
}
