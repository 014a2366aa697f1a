/**
 * Real Redis servers for tests: private ones on free ports with their data in temporary folders.
 * `redis-server` is taken from the PATH, or installed with apt-get where that is possible.
 */
import { execFileSync, type ChildProcess } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { installedProgram, onPath } from './installed-program.ts'
import { endProcess, freePort, startProcess } from './processes.ts'

export interface RedisServer {
  readonly url: string
  readonly port: number
  /** Ends the server and removes its folder. */
  stop(): Promise<void>
  /** Kills the server (SIGKILL); `restart` brings it back with what its append-only file holds. */
  kill(): Promise<void>
  restart(): Promise<void>
  /** Freezes the process: connections stay, nothing is answered. */
  freeze(): void
  thaw(): void
  /** One command through redis-cli; its output. */
  cli(...args: string[]): string
}

export interface RedisCluster {
  readonly url: string
  readonly nodes: readonly RedisServer[]
  stop(): Promise<void>
}

/** @param settings more lines of redis.conf as arguments, as `'--maxmemory', '1mb'` */
export async function startRedis(...settings: string[]): Promise<RedisServer> {
  const program = findRedis()
  const folder = mkdtempSync(join(tmpdir(), 'troupe-redis-'))
  let port = 0
  let child: ChildProcess
  const start = async (): Promise<void> => {
    const args = [
      '--port', String(port), '--bind', '127.0.0.1', '--dir', folder, '--save', '', '--appendonly', 'yes', '--appendfsync', 'always',
      ...settings,
    ]
    child = await startProcess(program, args, /Ready to accept connections/)
  }
  for (let tries = 1; ; tries++) {
    port = await freePort(55_000)
    try {
      await start()
      break
    } catch (error) {
      // Somebody may have taken the port meanwhile.
      if (tries === 5) {
        rmSync(folder, { recursive: true, force: true })
        throw error
      }
    }
  }
  return {
    url: `redis://127.0.0.1:${port}`,
    port,
    async stop() {
      await endProcess(child)
      rmSync(folder, { recursive: true, force: true })
    },
    kill: () => endProcess(child),
    async restart() {
      await endProcess(child)
      await start()
    },
    freeze: () => { child.kill('SIGSTOP') },
    thaw: () => { child.kill('SIGCONT') },
    cli: (...args) => cli(port, args),
  }
}

/** Three masters without replicas, all slots served. */
export async function startRedisCluster(): Promise<RedisCluster> {
  const nodes: RedisServer[] = []
  const stop = async (): Promise<void> => { await Promise.all(nodes.map(node => node.stop())) }
  try {
    for (let i = 0; i < 3; i++) nodes.push(await startRedis('--cluster-enabled', 'yes', '--cluster-node-timeout', '2000'))
    const addresses = nodes.map(node => `127.0.0.1:${node.port}`)
    execFileSync('redis-cli', ['--cluster', 'create', ...addresses, '--cluster-yes'], { stdio: 'pipe', timeout: 30_000 })
    const deadline = Date.now() + 20_000
    while (!nodes.every(node => node.cli('cluster', 'info').includes('cluster_state:ok'))) {
      if (Date.now() > deadline) throw new Error(`the cluster is not ready: ${nodes[0]!.cli('cluster', 'info')}`)
      await new Promise(resolve => setTimeout(resolve, 50))
    }
    return { url: `redis+cluster://${addresses.join(',')}`, nodes, stop }
  } catch (error) {
    await stop()
    throw error
  }
}

const cli = (port: number, args: readonly string[]): string =>
  execFileSync('redis-cli', ['-p', String(port), ...args], { encoding: 'utf8', timeout: 10_000 }).trim()

const findRedis = (): string => installedProgram('redis-server', 'redis-server', () => onPath('redis-server'))
