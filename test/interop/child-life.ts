/** Children of a run: whatever ends the run, also Ctrl-C, ends them. */
import type { ChildProcess } from 'node:child_process'

const running = new Set<ChildProcess>()

/** Remembers a child that was started as the leader of a process group, until it has ended. */
export function alive(child: ChildProcess): ChildProcess {
  running.add(child)
  const forget = (): void => void running.delete(child)
  child.once('exit', forget).once('error', forget)
  return child
}

export function killChildren(): void {
  for (const child of running) {
    try {
      if (child.pid !== undefined) process.kill(-child.pid, 'SIGKILL')
    } catch {
      // It ended just now.
    }
  }
}
