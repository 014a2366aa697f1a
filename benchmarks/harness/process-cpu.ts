/**
 * The CPU of processes that are not ours, from `/proc/PID/stat`: all threads of those that are named, user and system. Their
 * children are processes of their own and count only when they are named too.
 */
import { readFileSync } from 'node:fs'
import type { Clocked } from './cpu.ts'

/** What Linux shows there is in hundredths of a second, whatever the kernel counts in. */
const TICKS_PER_SECOND = 100

/** The process's name stands in brackets and may hold anything, brackets too: fields are counted from the last one. */
export function cpuSecondsInStat(stat: string): number {
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
  // `utime` and `stime`, fields 14 and 15 of proc(5); the first here is field 3.
  return (Number(fields[11]) + Number(fields[12])) / TICKS_PER_SECOND
}

/** @throws Error when one of them is gone */
export const processCpu = (pids: readonly number[]): Clocked => ({
  cpuSeconds: async () => pids.reduce((sum, pid) => sum + cpuSecondsInStat(statOf(pid)), 0),
})

function statOf(pid: number): string {
  try {
    return readFileSync(`/proc/${pid}/stat`, 'utf8')
  } catch (error) {
    throw new Error(`the CPU of process ${pid} cannot be read; is it running, and is this Linux?`, { cause: error })
  }
}
