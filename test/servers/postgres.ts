/**
 * Real PostgreSQL servers for tests: private ones on free ports with their data in temporary folders.
 * The programs are those of the newest version installed, or installed with apt-get where that is possible. A server
 * refuses to run as root: there it runs as the system's user `postgres` (or `nobody`).
 */
import { execFileSync, type ChildProcess } from 'node:child_process'
import { chownSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { delimiter, join } from 'node:path'
import { Client } from 'pg'
import { installedProgram } from './installed-program.ts'
import { endProcess, freePort, startProcess } from './processes.ts'

export interface PostgresServer {
  /** With user and password. */
  readonly url: string
  readonly port: number
  readonly password: string
  /** Where its Unix socket is. */
  readonly folder: string
  /** Ends the server and removes its folder. */
  stop(): Promise<void>
  /** Kills the server at once, as a crash does; `restart` brings it back with what its log holds. */
  kill(): Promise<void>
  restart(): Promise<void>
  /** Freezes all its processes: connections stay, nothing is answered. */
  freeze(): void
  thaw(): void
  /** A connection of its own, as superuser; the caller ends it. */
  connect(database?: string): Promise<Client>
  /** One statement on such a connection; its rows. */
  sql<T extends object = Record<string, unknown>>(text: string, values?: unknown[]): Promise<T[]>
}

/** @param settings more lines of postgresql.conf, as `'fsync=off'` */
export async function startPostgres(...settings: string[]): Promise<PostgresServer> {
  const programs = findPrograms()
  const user = serverUser()
  const folder = mkdtempSync(join(tmpdir(), 'troupe-postgres-'))
  const data = join(folder, 'data')
  const password = 'hush: 50% of /it@'
  const passwordFile = join(folder, 'password')
  let port = 0
  let child: ChildProcess
  const start = async (): Promise<void> => {
    const options = [
      `port=${port}`, 'listen_addresses=127.0.0.1', `unix_socket_directories=${folder}`, 'max_connections=100', 'shared_buffers=32MB',
      'logging_collector=off', 'log_destination=stderr', 'autovacuum_naptime=5s', ...settings,
    ]
    const [program, ...args] = [...user.prefix, join(programs, 'postgres'), '-D', data, ...options.flatMap(option => ['-c', option])]
    child = await startProcess(program!, args, /database system is ready to accept connections/, 20_000)
  }
  const connect = async (database = 'postgres'): Promise<Client> => {
    const client = new Client({ host: '127.0.0.1', port, user: 'troupe', password, database, connectionTimeoutMillis: 5_000 })
    client.on('error', () => undefined)
    await client.connect()
    return client
  }
  const remove = (): void => rmSync(folder, { recursive: true, force: true, maxRetries: 5 })
  try {
    writeFileSync(passwordFile, password)
    for (const path of [folder, passwordFile]) user.own(path)
    const [program, ...args] = [
      ...user.prefix, join(programs, 'initdb'), '-D', data, '-U', 'troupe', '--pwfile', passwordFile, '--auth', 'scram-sha-256',
      '-E', 'UTF8', '--locale', 'C', '--no-sync', '--no-instructions',
    ]
    execFileSync(program!, args, { stdio: 'pipe', timeout: 60_000, cwd: folder })
    for (let tries = 1; ; tries++) {
      port = await freePort()
      try {
        await start()
        break
      } catch (error) {
        // Somebody may have taken the port meanwhile.
        if (tries === 5) throw error
      }
    }
  } catch (error) {
    remove()
    throw error
  }
  const signalAll = (signal: NodeJS.Signals): void => {
    if (child.exitCode !== null || child.signalCode !== null) return
    for (const pid of [child.pid!, ...childrenOf(child.pid!)]) sendSignal(pid, signal)
  }
  return {
    url: `postgres://troupe:${encodeURIComponent(password)}@127.0.0.1:${port}/postgres`,
    port,
    password,
    folder,
    async stop() {
      signalAll('SIGCONT')
      // Immediate shutdown: the postmaster ends all its processes, without a checkpoint.
      await endProcess(child, 'SIGQUIT')
      remove()
    },
    async kill() {
      const backends = childrenOf(child.pid!)
      await endProcess(child)
      await gone(backends)
    },
    async restart() {
      await endProcess(child, 'SIGINT', 10_000)
      await start()
    },
    freeze: () => signalAll('SIGSTOP'),
    thaw: () => signalAll('SIGCONT'),
    connect,
    async sql<T extends object>(text: string, values: unknown[] = []) {
      const client = await connect()
      try {
        return (await client.query<T>(text, values)).rows
      } finally {
        await client.end()
      }
    },
  }
}

function sendSignal(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(pid, signal)
  } catch {
    // A backend that has just ended.
  }
}

/** Backends notice the death of their postmaster by themselves; until then the data directory is theirs. */
async function gone(pids: readonly number[]): Promise<void> {
  for (const deadline = Date.now() + 10_000; pids.some(isRunning);) {
    if (Date.now() > deadline) throw new Error(`processes ${pids.filter(isRunning).join(', ')} outlive their server`)
    await new Promise(resolve => setTimeout(resolve, 10))
  }
}

function isRunning(pid: number): boolean {
  try {
    // A zombie is gone, although signals find it.
    return !/^State:\s+Z/m.test(readFileSync(`/proc/${pid}/status`, 'utf8'))
  } catch {
    return false
  }
}

function childrenOf(parent: number): number[] {
  return readdirSync('/proc').filter(name => /^\d+$/.test(name)).map(Number).filter(pid => {
    try {
      return new RegExp(`^PPid:\\s+${parent}$`, 'm').test(readFileSync(`/proc/${pid}/status`, 'utf8'))
    } catch {
      return false
    }
  })
}

/** As whom to run a server: `prefix` before its command, `own` gives a path to that user. */
function serverUser(): { prefix: readonly string[]; own: (path: string) => void } {
  if (process.getuid?.() !== 0) return { prefix: [], own: () => undefined }
  const users = readFileSync('/etc/passwd', 'utf8')
  const [, uid, gid] = /^postgres:[^:]*:(\d+):(\d+):/m.exec(users) ?? /^nobody:[^:]*:(\d+):(\d+):/m.exec(users) ?? []
  if (uid === undefined || gid === undefined) throw new Error('these tests run as root and find no user "postgres" or "nobody" to run PostgreSQL as: run them as another user')
  return { prefix: ['setpriv', `--reuid=${uid}`, `--regid=${gid}`, '--clear-groups', '--'], own: path => chownSync(path, Number(uid), Number(gid)) }
}

/** The folder with `initdb` and `postgres`. */
const findPrograms = (): string => installedProgram('PostgreSQL', 'postgresql', () => {
  const root = '/usr/lib/postgresql'
  const versions = listOf(root).filter(name => /^\d+$/.test(name)).sort((a, b) => Number(b) - Number(a))
  const folders = [...versions.map(version => join(root, version, 'bin')), ...(process.env.PATH ?? '').split(delimiter)]
  return folders.find(folder => ['initdb', 'postgres'].every(program => listOf(folder).includes(program)))
})

function listOf(folder: string): string[] {
  try {
    return readdirSync(folder)
  } catch {
    return []
  }
}
