/**
 * A real etcd for tests: one private member on free ports with its data in a temporary folder.
 * `etcd` is taken from the PATH, or installed with apt-get where that is possible.
 */
import { execFileSync, type ChildProcess } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { endProcess, freePort, startProcess } from './processes.ts'

export interface EtcdServer {
  readonly url: string
  readonly port: number
  /** The certificate to trust, with `tls`. */
  readonly certificate: string
  /** Ends the server and removes its folder. */
  stop(): Promise<void>
  /** Kills the server (SIGKILL); `restart` brings it back with what it had stored. */
  kill(): Promise<void>
  restart(): Promise<void>
  /** Freezes the process: connections stay, nothing is answered. */
  freeze(): void
  thaw(): void
}

export async function startEtcd(options: { tls?: boolean } = {}): Promise<EtcdServer> {
  const program = findEtcd()
  const folder = mkdtempSync(join(tmpdir(), 'troupe-etcd-'))
  const data = join(folder, 'data')
  const scheme = options.tls === true ? 'https' : 'http'
  let [port, peerPort] = [0, 0]
  let child: ChildProcess
  const start = async (): Promise<void> => {
    const [client, peer] = [`${scheme}://127.0.0.1:${port}`, `http://127.0.0.1:${peerPort}`]
    child = await startProcess(program, [
      '--name', 'test', '--data-dir', data, '--log-level', 'info', '--logger', 'zap', '--log-outputs', 'stderr',
      '--listen-client-urls', client, '--advertise-client-urls', client,
      '--listen-peer-urls', peer, '--initial-advertise-peer-urls', peer, '--initial-cluster', `test=${peer}`,
      ...(options.tls === true ? ['--auto-tls'] : []),
    ], /ready to serve client requests|serving (?:insecure )?client (?:requests|traffic)/)
  }
  for (let tries = 1; ; tries++) {
    [port, peerPort] = [await freePort(), await freePort()]
    try {
      await start()
      break
    } catch (error) {
      rmSync(folder, { recursive: true, force: true })
      // Somebody may have taken a port meanwhile.
      if (tries === 5) throw error
    }
  }
  return {
    url: `etcd${options.tls === true ? 's' : ''}://127.0.0.1:${port}`,
    port,
    certificate: join(data, 'fixtures', 'client', 'cert.pem'),
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
  }
}

function findEtcd(): string {
  const find = (): string | undefined => {
    try {
      return execFileSync('which', ['etcd'], { encoding: 'utf8' }).trim()
    } catch {
      return undefined
    }
  }
  const found = find()
  if (found !== undefined) return found
  if (process.getuid?.() === 0) {
    try {
      execFileSync('apt-get', ['update'], { stdio: 'ignore', timeout: 120_000 })
      execFileSync('apt-get', ['install', '-y', '--no-install-recommends', 'etcd-server'], {
        stdio: 'ignore', timeout: 180_000, env: { ...process.env, DEBIAN_FRONTEND: 'noninteractive' },
      })
    } catch {
      // Told below.
    }
    const installed = find()
    if (installed !== undefined) return installed
  }
  throw new Error('these tests need etcd: install it with `sudo apt-get install etcd-server` (or your system\'s package manager)')
}
