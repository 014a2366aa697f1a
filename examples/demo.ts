/**
 * `npm run demo`: a real cluster on this machine, in half a minute.
 *
 * Starts a placement service and three hosts as processes of their own on one LMDB store, loads them over HTTP from
 * outside, lets a fourth host join and another leave under that load without a failed call, kills one with -9, and
 * checks at the end that no acknowledged increment is missing and that the bank's total is what it was. Exits with 0
 * only if all of that holds. Processes and files are gone afterwards, whatever happens.
 */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { formatTable } from '../cli/table.ts'
import { HostList, HttpLane } from './demo/http-lane.ts'
import { Progress } from './demo/progress.ts'
import { TroupeProcess } from './demo/troupe-process.ts'
import { errorsOf, Workload } from './demo/workload.ts'

const LANES = 16
const PHASE_MS = 4_000
const apps = ['account.ts', 'counter.ts'].map(name => fileURLToPath(new URL(name, import.meta.url)))

const folder = mkdtempSync(join(tmpdir(), 'troupe-demo-'))
const store = `lmdb:${join(folder, 'store')}`
const hosts = new HostList()
const processes: TroupeProcess[] = []
const workload = new Workload(hosts, LANES)
const startedAt = performance.now()
let phase = 'start'
const progress = new Progress(() =>
  `${seconds(performance.now() - startedAt)} s  ${phase}: ${workload.calls.toLocaleString('en-US')} calls, ${workload.errors} errors`)

process.on('exit', () => {
  for (const each of processes) each.signal('SIGKILL')
  // A killed process may write a last file while its folder is emptied.
  rmSync(folder, { recursive: true, force: true, maxRetries: 5 })
})
for (const signal of ['SIGINT', 'SIGTERM'] as const) {
  process.on(signal, () => {
    progress.stop()
    process.exit(130)
  })
}

try {
  await demo()
} catch (error) {
  progress.stop()
  console.error(`\nThe demo failed: ${error instanceof Error ? error.stack : String(error)}`)
  process.exitCode = 1
} finally {
  progress.stop()
  workload.close()
}
process.exit()

async function demo(): Promise<void> {
  const placement = start('placement', ['placement', '--port', '0', '--store', store])
  const { address } = await placement.ready()
  progress.say(`placement at ${address}, store ${store}`)
  const cluster = new Map<string, TroupeProcess>()
  const addHost = async (name: string): Promise<void> => {
    const host = start(name, ['host', ...apps, '--host-id', name, '--placement', String(address), '--store', store, '--http-port', '0', '--grpc-port', 'off'])
    const { http } = await host.ready()
    cluster.set(name, host)
    hosts.add(String(http))
    progress.say(`host ${name} ready at ${http}`)
  }
  await Promise.all(['a', 'b', 'c'].map(addHost))

  await enter('three hosts')
  await workload.openAccounts()
  workload.start()
  await pause(PHASE_MS)

  await enter('a host joins')
  await addHost('d')
  await pause(PHASE_MS)

  await enter('a host leaves')
  const { code } = await cluster.get('b')!.stop('SIGTERM')
  progress.say(`host b left and ended with code ${code}`)
  await pause(PHASE_MS)

  await enter('kill -9')
  const lost = workload.countersOn('c', 10)
  cluster.get('c')!.signal('SIGKILL')
  const outage = await answeredAgain(lost)
  progress.say(`host c killed with -9: ${outage.checked} of its counters answered again, the last after ${outage.ms.toFixed(0)} ms`)
  await pause(PHASE_MS)

  await enter('at rest')
  await workload.stop()
  await report({ left: code, outageMs: outage.ms, checked: outage.checked })
}

function start(name: string, args: readonly string[]): TroupeProcess {
  const started = new TroupeProcess(name, args)
  processes.push(started)
  return started
}

async function enter(name: string): Promise<void> {
  await workload.enter(name)
  phase = name
}

/** Calls each of these counters until it answers; the time until the last one did. */
async function answeredAgain(counters: readonly string[]): Promise<{ checked: number; ms: number }> {
  const since = performance.now()
  await Promise.all(counters.map(async (id, i) => {
    const lane = new HttpLane(hosts, i)
    try {
      while (!await lane.call('Counter', id, 'get', []).then(() => true, () => false)) await pause(10)
    } finally {
      lane.close()
    }
  }))
  return { checked: counters.length, ms: performance.now() - since }
}

async function report(facts: { left: number | null; outageMs: number; checked: number }): Promise<void> {
  const elapsed = (performance.now() - startedAt) / 1000
  const total = await workload.bankTotal()
  const wrong = await workload.wrongCounters()
  const status = await clusterStatus()
  progress.stop()

  const rows = [...workload.phases].map(([name, tally]) =>
    [name, tally.calls, errorsOf(tally), [...tally.errors].map(([code, n]) => `${code} × ${n}`).join(', ')])
  console.log(`\n${formatTable(['PHASE', 'CALLS', 'ERRORS', 'WHICH'], rows)}`)
  console.log(`\n${formatTable(['HOST', 'PHASE', 'SHARDS', 'ACTIVATIONS'], status.map(h => [h.id, h.phase, sum(h.shards), sum(h.activations)]))}`)

  const planned = [...workload.phases].filter(([name]) => name !== 'kill -9').reduce((n, [, tally]) => n + errorsOf(tally), 0)
  const checks: [string, boolean, string][] = [
    ['join and leave without a failed call', planned === 0, `${planned} errors`],
    ['the leaving host ended in order', facts.left === 0, `exit code ${facts.left}`],
    ['actors of the killed host came back', facts.checked > 0, `${facts.checked} asked, ${facts.outageMs.toFixed(0)} ms`],
    ['every acknowledged increment is there', wrong.length === 0, wrong.slice(0, 3).join('; ') || `${workload.counters.size} counters`],
    ['bank total unchanged', total === workload.openingCents, `${euros(workload.openingCents)} before, ${euros(total)} after`],
  ]
  console.log(`\n${formatTable(['CHECK', '', 'FOUND'], checks.map(([what, holds, found]) => [what, holds ? 'ok' : 'FAILED', found]))}`)
  console.log(`\n${workload.calls.toLocaleString('en-US')} calls from outside in ${elapsed.toFixed(0)} s (${workload.transfers.toLocaleString('en-US')} transfers), `
    + `${Math.round(workload.calls / elapsed).toLocaleString('en-US')} a second with all processes on this machine`)
  if (checks.some(([, holds]) => !holds)) process.exitCode = 1
}

interface HostRow {
  readonly id: string
  readonly phase: string
  readonly shards: Readonly<Record<string, number>>
  readonly activations: Readonly<Record<string, number>>
}

/** Asked from the outside, as anybody would: `troupe status --json`. */
async function clusterStatus(): Promise<readonly HostRow[]> {
  const status = start('status', ['status', '--json', '--to', hosts.pick(0) ?? ''])
  const { code } = await status.ended()
  if (code !== 0) throw new Error(`troupe status ended with ${code}: ${status.stderr}`)
  return (JSON.parse(status.stdout) as { hosts: HostRow[] }).hosts
}

function sum(byType: Readonly<Record<string, number>>): number {
  return Object.values(byType).reduce((a, b) => a + b, 0)
}
function euros(cents: number): string {
  return (cents / 100).toLocaleString('en-US', { minimumFractionDigits: 2 })
}
function seconds(ms: number): string {
  return (ms / 1000).toFixed(0).padStart(2)
}
function pause(ms: number): Promise<void> {
  return new Promise(resolve => { setTimeout(resolve, ms) })
}
