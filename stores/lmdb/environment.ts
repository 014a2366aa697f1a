/**
 * One LMDB file and how Troupe writes to it. The only importer of lmdb.
 *
 * Promises: a write that resolved is on the disk, and what a reader sees is on the disk. Both come from
 * `overlappingSync: false`: LMDB then syncs data and meta page inside the write lock, before the commit is visible.
 * (With lmdb's default the commit is seen before it is synced, which saves nothing when one flush is in flight.)
 *
 * Nothing of ours ever runs inside a write transaction: conditions are evaluated and rows are written by lmdb's own
 * thread, so that busy or frozen user code never holds the lock that all processes share. A process stopped inside
 * those fractions of a millisecond does block the others; their writes then end by the watchdog here, and until the
 * overdue write has really ended no further one is sent, so that lmdb's few threads are not all spent on waiting.
 */
import { randomBytes } from 'node:crypto'
import { closeSync, existsSync, mkdirSync, openSync, readSync, statSync } from 'node:fs'
import { endianness } from 'node:os'
import { dirname, join, resolve } from 'node:path'
import { open, type Database, type RootDatabase, type RootDatabaseOptionsWithPath } from 'lmdb'
import type { Clock } from '../../core/clock.ts'
import { messageOf, TroupeError } from '../../core/errors.ts'
import { NothingWritten } from '../nothing-written.ts'
import { lockHolder } from './lock-holder.ts'

/** Rows with binary keys and values, in the order of the keys' bytes. */
export type Rows = Database<Buffer, Buffer>

/** A row to write, or to remove (null). */
export interface Put {
  readonly rows: Rows
  readonly key: Buffer
  readonly value: Buffer | null
  /** The version number of a stamped row. */
  readonly stamp?: number
}

export function queuePut({ rows, key, value, stamp }: Put): void {
  if (value === null) void rows.remove(key)
  else void rows.put(key, value, stamp!)
}

/** Near the start of every LMDB file, in the machine's byte order. */
const MAGIC = Buffer.from(endianness() === 'LE' ? 'dec0efbe' : 'beefc0de', 'hex')

export interface LmdbOptions {
  /** Part of the databases' names: clusters that share one directory. '' by default. */
  readonly namespace?: string
  /** After this a write is given up as unknown. 5 s by default. */
  readonly writeTimeoutMs?: number
}

export class LmdbEnvironment {
  readonly name: string
  readonly #directory: string
  readonly #file: string
  readonly #clock: Clock
  readonly #namespace: string
  readonly #timeoutMs: number
  #root: RootDatabase | undefined
  #users = 0
  #overdue = 0

  constructor(directory: string, clock: Clock, options: LmdbOptions = {}) {
    this.#directory = resolve(directory)
    // A path with an extension is taken as a file, so that dots in the directory's name mean nothing.
    this.#file = join(this.#directory, 'troupe.mdb')
    // The whole path: hosts compare their stores by name, from whatever directory they were started.
    this.name = `lmdb:${this.#directory}`
    this.#clock = clock
    this.#namespace = options.namespace ?? ''
    this.#timeoutMs = options.writeTimeoutMs ?? 5_000
  }

  /** Pairs with `close`; the file is open while anybody uses it. @throws STORE_OPEN_FAILED */
  open(): void {
    try {
      makeFolder(this.#directory)
      checkFile(this.#file)
      this.#root ??= open(optionsFor(this.#file))
    } catch (error) {
      const remedy = 'name a directory that this user may create and write, on a local disk'
      throw new TroupeError('STORE_OPEN_FAILED', `cannot open ${this.name}: ${messageOf(error)}; ${remedy}`, { cause: error })
    }
    this.#users++
  }

  async close(): Promise<void> {
    if (this.#users === 0 || --this.#users > 0) return
    const root = this.#root
    this.#root = undefined
    await root?.close()
  }

  /** A table of this namespace. `stamped` rows have a version number, for conditions. */
  rows(name: string, stamped: boolean): Rows {
    return this.#open().openDB<Buffer, Buffer>({
      name: `${this.#namespace}/${name}`, encoding: 'binary', keyEncoding: 'binary', useVersions: stamped,
    })
  }

  /** Reads from here on see all that was committed before, by any process. @throws STORE_UNAVAILABLE */
  snapshot(): void {
    this.#open().resetReadTxn()
  }

  /**
   * Sends what `queue` puts, all of it synchronously and under one condition; resolves with whether it was applied.
   * @throws STORE_UNAVAILABLE when the disk refused, or there was no answer in time: the write may still be applied;
   * NothingWritten when it was not sent
   */
  write(queue: () => Promise<boolean>): Promise<boolean> {
    return new Promise((done, failed) => {
      if (this.#overdue > 0) {
        failed(new NothingWritten(`${this.name}: a former write has had no answer: ${this.#blamed()}`))
        return
      }
      let late = false
      const timer = this.#clock.after(this.#timeoutMs, () => {
        late = true
        this.#overdue++
        failed(this.#unavailable(`no answer within ${this.#timeoutMs} ms: ${this.#blamed()}`))
      })
      const end = (settle: () => void): void => {
        if (late) this.#overdue--
        else timer.cancel()
        settle()
      }
      try {
        this.#open()
        queue().then(applied => end(() => done(applied)), error => end(() => failed(this.#writeFailed(error))))
      } catch (error) {
        end(() => failed(this.#unavailable(messageOf(error), error)))
      }
    })
  }

  /** Runs a synchronous read. @throws STORE_UNAVAILABLE */
  read<T>(run: () => T): T {
    try {
      this.#open()
      return run()
    } catch (error) {
      throw TroupeError.is(error) ? error : this.#unavailable(messageOf(error), error)
    }
  }

  /** Why a write takes so long, and what to do about it. */
  #blamed(): string {
    const holder = lockHolder(`${this.#file}-lock`)
    if (holder === undefined) return 'is a process that uses it frozen, or the disk full?'
    if (holder.pid === process.pid) return 'this process itself is writing; is the disk slow or full?'
    return `${holder.shown} holds its write lock; let it go on, or end it`
  }

  #open(): RootDatabase {
    if (this.#root === undefined) throw this.#unavailable('it is not open')
    return this.#root
  }

  #writeFailed(error: unknown): TroupeError {
    // lmdb hides the cause in a promise of its own, which would be an unhandled rejection if nobody listened.
    const cause = (error as { commitError?: Promise<never> }).commitError
    cause?.catch(() => undefined)
    return this.#unavailable(messageOf(error), error)
  }

  #unavailable(why: string, cause?: unknown): TroupeError {
    return new TroupeError('STORE_UNAVAILABLE', `${this.name}: ${why}`, { cause })
  }
}

/** The version of a stamped row: a positive safe integer that was never used before. */
export const freshStamp = (): number => randomBytes(6).readUIntBE(0, 6) + 1

/** lmdb takes the whole process down when it is given a file that is none of its own. */
function checkFile(file: string): void {
  const lock = `${file}-lock`
  if (existsSync(lock) && !statSync(lock).isFile()) throw new Error(`${lock} is no file`)
  if (!existsSync(file) || statSync(file).size === 0) return
  const opened = openSync(file, 'r')
  try {
    const start = Buffer.alloc(64)
    readSync(opened, start)
    if (!start.includes(MAGIC)) throw new Error(`${file} is no LMDB file`)
  } finally {
    closeSync(opened)
  }
}

/** `mkdirSync(…, { recursive: true })` never returns where a folder exists in which none can be made (/proc, Node 24). */
function makeFolder(directory: string): void {
  if (existsSync(directory)) return
  if (dirname(directory) !== directory) makeFolder(dirname(directory))
  try {
    mkdirSync(directory)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error
  }
}

const optionsFor = (path: string): RootDatabaseOptionsWithPath & { batchStartThreshold: number } => ({
  path,
  maxDbs: 64,
  overlappingSync: false,
  // The write transaction begins only when the last row of a flush is queued (lmdb would begin after the first 1,000).
  batchStartThreshold: Number.MAX_SAFE_INTEGER,
})
