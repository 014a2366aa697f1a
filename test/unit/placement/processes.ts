/** Child processes of one test: ready when they say so, killed at its end whatever happened. */
import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { onTestFinished } from 'vitest'
import { clock } from './cluster.ts'

export interface Child {
  readonly process: ChildProcess
  /** What followed `ready` in its first line. */
  readonly said: string
  kill(signal: NodeJS.Signals): void
  exited(): Promise<number | null>
}

export async function run(script: 'host-process.ts' | 'service-process.ts', args: readonly string[], timeoutMs = 15_000): Promise<Child> {
  const child = spawn(process.execPath, ['--disable-warning=ExperimentalWarning', fileURLToPath(new URL(script, import.meta.url)), ...args], {
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  const exit = once(child, 'exit')
  onTestFinished(async () => {
    // Also ends a stopped process.
    child.kill('SIGKILL')
    await exit
  })
  let errors = ''
  child.stderr.on('data', chunk => { errors += String(chunk) })
  const said = await new Promise<string>((resolve, reject) => {
    const timer = clock.after(timeoutMs, () => reject(new Error(`${script} was not ready within ${timeoutMs} ms: ${errors}`)), true)
    createInterface(child.stdout).on('line', line => {
      if (!line.startsWith('ready')) return
      timer.cancel()
      resolve(line.slice('ready'.length).trim())
    })
    child.once('exit', code => {
      timer.cancel()
      reject(new Error(`${script} ended with ${code}: ${errors}`))
    })
  })
  return { process: child, said, kill: signal => void child.kill(signal), exited: async () => (await exit)[0] as number | null }
}
