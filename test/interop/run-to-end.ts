/** Runs a tool to its end: its standard output, or an error that shows what it said. Never longer than its deadline. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { alive } from './child-life.ts'

export interface RunOptions {
  readonly cwd: string
  readonly deadlineMs: number
}

/** @throws an error that says which tool, how it ended and its last lines; or that there is no such tool */
export async function runToEnd(command: string, args: readonly string[], options: RunOptions): Promise<string> {
  const child = alive(spawn(command, args, { cwd: options.cwd, stdio: ['ignore', 'pipe', 'pipe'], detached: true }))
  let stdout = ''
  let said = ''
  child.stdout!.setEncoding('utf8').on('data', (text: string) => { stdout += text; said += text })
  child.stderr!.setEncoding('utf8').on('data', (text: string) => { said += text })
  let late = false
  const deadline = setTimeout(() => {
    late = true
    try { process.kill(-child.pid!, 'SIGKILL') } catch { /* It ended just now. */ }
  }, options.deadlineMs)
  try {
    const [code] = await once(child, 'close') as [number | null]
    if (code === 0) return stdout
    throw new Error(`'${[command, ...args].join(' ')}' ${late ? `took longer than ${options.deadlineMs / 1000} s` : `ended with code ${code}`}:\n${said.trim().split('\n').slice(-12).join('\n')}`)
  } catch (error) {
    throw (error as NodeJS.ErrnoException).code === 'ENOENT' ? new Error(`there is no '${command}' on the PATH`) : error
  } finally {
    clearTimeout(deadline)
  }
}
