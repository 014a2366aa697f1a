/**
 * Real etcd for tests: private members on free ports with their data in temporary folders.
 * `etcd` is taken from the PATH, or installed with apt-get where that is possible.
 */
import { type ChildProcess } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { installedProgram, onPath } from './installed-program.ts'
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

export interface EtcdCluster {
  readonly url: string
  readonly members: readonly EtcdServer[]
  stop(): Promise<void>
}

export async function startEtcd(options: { tls?: boolean } = {}): Promise<EtcdServer> {
  const [member] = await withFreePorts(() => startMembers(1, options.tls === true))
  return member!
}

/** Three members that answer as one; two of them are enough. */
export async function startEtcdCluster(): Promise<EtcdCluster> {
  const members = await withFreePorts(() => startMembers(3, false))
  return {
    url: `etcd://${members.map(member => `127.0.0.1:${member.port}`).join(',')}`,
    members,
    stop: async () => { await Promise.all(members.map(member => member.stop())) },
  }
}

/** Somebody may take a port before it is used. */
async function withFreePorts<T>(start: () => Promise<T>): Promise<T> {
  for (let tries = 1; ; tries++) {
    try {
      return await start()
    } catch (error) {
      if (tries === 5) throw error
    }
  }
}

async function startMembers(count: number, tls: boolean): Promise<EtcdServer[]> {
  const program = findEtcd()
  const places = await Promise.all(Array.from({ length: count }, async (_, i) => ({ name: `m${i}`, port: await freePort(), peer: `http://127.0.0.1:${await freePort()}` })))
  const all = places.map(({ name, peer }) => `${name}=${peer}`).join(',')
  const started = await Promise.allSettled(places.map(place => startMember(program, { ...place, all, tls })))
  const members = started.flatMap(one => one.status === 'fulfilled' ? [one.value] : [])
  if (members.length === count) return members
  await Promise.all(members.map(member => member.stop()))
  throw started.find(one => one.status === 'rejected')!.reason
}

async function startMember(program: string, place: { name: string; port: number; peer: string; all: string; tls: boolean }): Promise<EtcdServer> {
  const { name, port, peer, all, tls } = place
  const folder = mkdtempSync(join(tmpdir(), 'troupe-etcd-'))
  const data = join(folder, 'data')
  const client = `${tls ? 'https' : 'http'}://127.0.0.1:${port}`
  let child: ChildProcess
  const start = async (): Promise<void> => {
    child = await startProcess(program, [
      '--name', name, '--data-dir', data, '--log-level', 'info', '--logger', 'zap', '--log-outputs', 'stderr',
      '--listen-client-urls', client, '--advertise-client-urls', client,
      '--listen-peer-urls', peer, '--initial-advertise-peer-urls', peer, '--initial-cluster', all,
      ...(tls ? ['--auto-tls'] : []),
    ], /ready to serve client requests|serving (?:insecure )?client (?:requests|traffic)/)
  }
  const remove = (): void => rmSync(folder, { recursive: true, force: true })
  try {
    await start()
  } catch (error) {
    remove()
    throw error
  }
  return {
    url: `etcd${tls ? 's' : ''}://127.0.0.1:${port}`,
    port,
    certificate: join(data, 'fixtures', 'client', 'cert.pem'),
    async stop() {
      await endProcess(child)
      remove()
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

const findEtcd = (): string => installedProgram('etcd', 'etcd-server', () => onPath('etcd'))
