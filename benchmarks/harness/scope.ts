/**
 * Owns what a case starts (child processes, folders, hosts, servers) and ends it in reverse order, also when the case fails.
 *
 * Folders lie under `benchmarks/results/`, not in the system's temporary folder: that one is often kept in memory, where
 * an fsync costs nothing and a durable figure means nothing.
 */
import { mkdtempSync, mkdirSync, readdirSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { startChild, type Child, type ChildApi } from './child.ts'

export const resultsFolder = fileURLToPath(new URL('../results/', import.meta.url))

export class Scope implements AsyncDisposable {
  readonly #stack = new AsyncDisposableStack()

  /** Runs `end` when the scope ends. */
  defer(end: () => Promise<unknown> | void): void {
    this.#stack.defer(async () => { await end() })
  }
  /** A fresh empty folder on the disk that holds this project. */
  folder(): string {
    mkdirSync(resultsFolder, { recursive: true })
    const folder = mkdtempSync(join(resultsFolder, `tmp-${process.pid}-`))
    this.defer(() => rmSync(folder, { recursive: true, force: true }))
    return folder
  }
  /** A child process that runs `module`, which calls `serveParent`. */
  async child<Api extends ChildApi>(module: URL, nodeFlags: readonly string[] = []): Promise<Child<Api>> {
    const child = await startChild<Api>(module, nodeFlags)
    this.defer(() => child.stop())
    return child
  }
  async [Symbol.asyncDispose](): Promise<void> {
    await this.#stack.disposeAsync()
  }
}

/** Removes the folders of runs that were killed before they could. */
export function sweepAbandonedFolders(): void {
  mkdirSync(resultsFolder, { recursive: true })
  for (const name of readdirSync(resultsFolder)) {
    const pid = /^tmp-(\d+)-/.exec(name)?.[1]
    if (pid !== undefined && !isAlive(Number(pid))) rmSync(join(resultsFolder, name), { recursive: true, force: true })
  }
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch (error) {
    // EPERM: it lives, and belongs to someone else.
    return (error as NodeJS.ErrnoException).code === 'EPERM'
  }
}
