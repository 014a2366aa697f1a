/**
 * Who holds LMDB's write lock, for people who look for the process that blocks all others. Linux alone, and only a process that
 * this one can see; nothing hangs on the answer.
 *
 * The lock is a robust mutex of the C library, in the lock file that all processes map: a header of one cache line, then the
 * mutex, in which the C library keeps the number of the thread that has it, twice.
 */
import { closeSync, openSync, readFileSync, readlinkSync, readSync } from 'node:fs'
import { basename } from 'node:path'

const MUTEX_AT = 64
const OWNER_AT = MUTEX_AT + 8
/** The other bits say that somebody waits, or that the owner died. */
const THREAD_BITS = 0x3fffffff

const states: Readonly<Record<string, string>> = { T: 'stopped', t: 'stopped by a debugger', D: 'waiting for its disk', R: 'running', S: 'sleeping' }

export interface LockHolder {
  readonly pid: number
  /** For people: `process 4711 (node, stopped)`. */
  readonly shown: string
}

/** Undefined when nobody holds it, or it cannot be known. */
export function lockHolder(lockFile: string): LockHolder | undefined {
  try {
    const thread = ownerIn(lockFile)
    if (thread === undefined) return undefined
    const status = readFileSync(`/proc/${thread}/status`, 'utf8')
    const field = (name: string): string => new RegExp(`^${name}:\\s+(\\S+)`, 'm').exec(status)?.[1] ?? ''
    const pid = Number(field('Tgid'))
    // In another namespace the same number is somebody else's.
    if (!readFileSync(`/proc/${pid}/maps`, 'utf8').includes(lockFile)) return undefined
    const state = states[field('State')] ?? field('State')
    return { pid, shown: `process ${pid} (${basename(readlinkSync(`/proc/${pid}/exe`))}, ${state})` }
  } catch {
    return undefined
  }
}

function ownerIn(lockFile: string): number | undefined {
  const file = openSync(lockFile, 'r')
  try {
    const bytes = Buffer.alloc(OWNER_AT + 4)
    if (readSync(file, bytes) < bytes.length) return undefined
    const owner = bytes.readInt32LE(OWNER_AT)
    return owner > 0 && (bytes.readInt32LE(MUTEX_AT) & THREAD_BITS) === owner ? owner : undefined
  } finally {
    closeSync(file)
  }
}
