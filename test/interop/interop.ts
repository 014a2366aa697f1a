/**
 * `npm run test:interop -- [--only python,go] [--require js,go] [--strict] [--keep]`: applications on the official SDKs, as they come
 * from their registries, host actors and call each other on one cluster of sidecars.
 *
 * A language whose toolchain or packages are missing is left out, said so, and a failure only when it is required: with `--require`,
 * or all with CI=1. Exit code 1 when a check failed or a required language did not run.
 */
import { parseArgs } from 'node:util'
import { actorsOf, calleesOf, clientsOf, meets, type Caller } from './call-matrix.ts'
import { killChildren } from './child-life.ts'
import { hostChecks } from './host-checks.ts'
import { InteropCluster } from './interop-cluster.ts'
import { languages, type Language } from './languages.ts'
import { Results } from './results.ts'
import { prepared, versionOf, type ToolchainName } from './toolchains.ts'

const HOSTS = 'As hosts'
const CLIENTS = 'Clients (rows) that call actors (columns)'
const ACTORS = 'Actors (rows) that call actors (columns)'

const { values } = parseArgs({ options: { only: { type: 'string' }, require: { type: 'string' }, strict: { type: 'boolean', default: false }, keep: { type: 'boolean', default: false } } })

function named(flag: string, text: string): Language[] {
  return text.split(',').filter(each => each !== '').map(name => {
    const found = languages.find(each => each.name === name)
    if (found !== undefined) return found
    console.error(`interop: --${flag} must name some of ${languages.map(each => each.name).join(', ')}, not ${JSON.stringify(name)}`)
    process.exit(2)
  })
}

const seconds = (): string => `${Math.round(performance.now() / 1000)} s`
const say = (text: string): void => console.log(`[${seconds().padStart(5)}] ${text}`)

async function inParallel<T>(atOnce: number, items: Iterable<T>, run: (item: T) => Promise<void>): Promise<void> {
  const queue = [...items]
  await Promise.all(Array.from({ length: atOnce }, async () => {
    for (let item = queue.shift(); item !== undefined; item = queue.shift()) await run(item)
  }))
}

/** Folders of builds by toolchain; says which languages are left out and why. */
async function prepareAll(wanted: readonly Language[]): Promise<Map<ToolchainName, string>> {
  const folders = new Map<ToolchainName, string>()
  const names = new Set(wanted.map(each => each.toolchain))
  const prepareOne = async (name: ToolchainName): Promise<void> => {
    try {
      say(`${name}: ${await versionOf(name)}`)
      folders.set(name, await prepared(name))
      say(`${name}: packages and build are there`)
    } catch (error) {
      say(`NOT RUN: ${wanted.filter(each => each.toolchain === name).map(each => each.name).join(', ')}: ${(error as Error).message}`)
    }
  }
  // Builds keep the machine busy, downloads the network.
  await inParallel(2, names, prepareOne)
  return folders
}

/** Each row in turn, rows beside each other. */
async function matrix(results: Results, cluster: InteropCluster, title: string, callers: readonly Caller[]): Promise<void> {
  await Promise.all(callers.map(async caller => {
    for (const callee of calleesOf(cluster)) {
      await results.check(title, caller.name, callee.name, caller.pair, async () => await meets(title === ACTORS ? 'turn' : 'client', caller, callee))
    }
  }))
}

async function runChecks(results: Results, cluster: InteropCluster): Promise<void> {
  const check = async (checks: typeof hostChecks, atOnce = cluster.pairs.length): Promise<void> => await inParallel(atOnce, cluster.pairs, async pair => {
    for (const each of checks) {
      const why = each.impossible?.(pair)
      if (why !== undefined) results.impossible(HOSTS, pair.language.name, each.name, why)
      else await results.check(HOSTS, pair.language.name, each.name, pair, async () => await each.run(pair, cluster))
    }
  })
  await check(hostChecks.slice(0, -3))
  say('hosts are checked')
  await matrix(results, cluster, CLIENTS, clientsOf(cluster))
  say('clients have called')
  await matrix(results, cluster, ACTORS, actorsOf(cluster))
  say('actors have called')
  // Starts as much again: all at once a small machine would be late with everything else.
  await check(hostChecks.slice(-3, -1), 2)
  say('actors have moved, applications were started again')
  await check(hostChecks.slice(-1))
  say('sidecars have stopped')
  const callees = calleesOf(cluster).map(each => each.name)
  results.print([
    { title: HOSTS, rows: cluster.allPairs.map(pair => pair.language.name), columns: ['start', ...hostChecks.map(each => each.name)] },
    { title: CLIENTS, rows: clientsOf(cluster).map(each => each.name), columns: callees },
    { title: ACTORS, rows: actorsOf(cluster).map(each => each.name), columns: callees },
  ])
}

const wanted = values.only === undefined ? languages : named('only', values.only)
const required = values.require === undefined ? process.env.CI === undefined ? [] : wanted : named('require', values.require)
const results = new Results()
const cluster = new InteropCluster(values.strict ? ['--dapr-strict'] : [])

for (const signal of ['SIGINT', 'SIGTERM'] as const) {
  process.once(signal, () => {
    say('interrupted')
    results.interrupt()
    killChildren()
    void cluster.stop(values.keep).finally(() => process.exit(130))
  })
}

try {
  const folders = await prepareAll(wanted)
  const running = wanted.filter(each => folders.has(each.toolchain))
  const missing = required.filter(each => !running.includes(each))
  if (missing.length > 0) results.fail(`required, but did not run: ${missing.map(each => each.name).join(', ')}`, [])
  if (running.length === 0) {
    say('no language can run here')
  } else {
    say(`starting ${running.map(each => each.name).join(', ')}, ts`)
    await cluster.open(running, language => folders.get(language.toolchain)!)
    await Promise.all(cluster.allPairs.map(async pair => await results.check(HOSTS, pair.language.name, 'start', pair, async () => await pair.start())))
    say(`${cluster.pairs.length} applications answer`)
    await runChecks(results, cluster)
  }
} catch (error) {
  results.fail((error as Error).message, cluster.allPairs)
} finally {
  await cluster.stop(values.keep)
  killChildren()
  if (values.keep) say(`logs are in ${cluster.folder}`)
}
results.conclude()
process.exit(results.failed > 0 ? 1 : 0)
