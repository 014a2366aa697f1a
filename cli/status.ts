/** `troupe status`: the cluster as one of its hosts sees it, and where an actor lives. */
import type { Command } from 'commander'
import { TroupeError, messageOf } from '../core/errors.ts'
import { showKey, type ActorKey } from '../core/ids.ts'
import { errorOf } from '../gateway/error-body.ts'
import type { ActorLocation, ClusterStatus, HostStatus } from '../runtime/dispatch/dispatcher.ts'
import { flag, readDuration, toFlag } from './flags.ts'
import { formatTable, type Cell } from './table.ts'
import { readActorKey } from './words.ts'

interface StatusFlags {
  readonly to: string
  readonly json?: boolean
  readonly timeout: number
}

const examples = `
Examples:
  troupe status
  troupe status Account/alice --to http://10.0.0.4:3500
  troupe status --json`

export function addStatusCommand(program: Command): void {
  const command = program.command('status')
    .description('Show hosts, shards and activations, or where one actor lives.')
    .argument('[actor]', 'TYPE/ID; the first / splits them')
    .addHelpText('after', examples)
    .action((actor: string | undefined, flags: StatusFlags) => status(actor, flags))
  const options = [
    toFlag(),
    flag('--json', 'print JSON'),
    flag('--timeout <duration>', 'how long to wait for the answer').default(10_000, '10s').argParser(readDuration),
  ]
  for (const option of options) command.addOption(option)
}

async function status(actor: string | undefined, flags: StatusFlags): Promise<void> {
  const key = actor === undefined ? undefined : readActorKey(actor)
  const cluster = await ask<ClusterStatus>(flags, '/troupe/v1/status')
  const location = key === undefined ? undefined
    : await ask<ActorLocation>(flags, `/troupe/v1/actors/${encodeURIComponent(key.type)}/${encodeURIComponent(key.id)}`)
  const shown = key === undefined || location === undefined ? cluster : { ...cluster, actor: { ...key, ...location } }
  const lines = flags.json === true ? [JSON.stringify(shown, null, 2)]
    : [headline(cluster), '', hostTable(cluster.hosts), ...(key === undefined || location === undefined ? [] : ['', placeOf(key, location)])]
  process.stdout.write(`${lines.join('\n')}\n`)
}

async function ask<T>(flags: StatusFlags, path: string): Promise<T> {
  let response: Response
  let body: unknown
  try {
    response = await fetch(flags.to + path, { signal: AbortSignal.timeout(flags.timeout) })
    body = await response.json().catch(() => undefined)
  } catch (error) {
    const cause = error instanceof Error && error.cause !== undefined ? error.cause : error
    throw new TroupeError('PEER_UNREACHABLE', `no host answers at ${flags.to}: ${reasonOf(cause)}; start one, or name another with --to`, { cause: error })
  }
  if (!response.ok || body === undefined) throw errorOf(body, response.status)
  return body as T
}

/** Connecting to a name with several addresses fails with an AggregateError that has only a code. */
const reasonOf = (cause: unknown): string => messageOf(cause) || String((cause as { code?: unknown }).code ?? 'no reason given')

const headline = (cluster: ClusterStatus): string =>
  `table version ${cluster.tableVersion}, placement ${cluster.placement}, store ${cluster.store}`

/** A row for each type that a host runs; what belongs to the host stands in its first row. */
function hostTable(hosts: readonly HostStatus[]): string {
  const rows = hosts.flatMap(host => {
    const types: readonly (string | undefined)[] = host.types.length > 0 ? host.types : [undefined]
    return types.map((type, i): Cell[] => [
      ...(i === 0 ? [host.id, host.phase, host.http || '-', host.address || '-', String(host.tableVersion)] : ['', '', '', '', '']),
      type ?? '-',
      type === undefined ? '-' : host.shards[type] ?? 0,
      type === undefined ? '-' : host.activations[type] ?? 0,
    ])
  })
  return formatTable(['HOST', 'PHASE', 'HTTP', 'PEER', 'TABLE', 'TYPE', 'SHARDS', 'ACTIVATIONS'], rows)
}

function placeOf(key: ActorKey, { member, shard, epoch }: ActorLocation): string {
  if (member === undefined) return `${showKey(key)} has no host now: none that is up runs ${key.type} (shard ${shard})`
  return `${showKey(key)} lives on ${member.id} (${member.http || member.address || 'this host'}), shard ${shard}, epoch ${epoch ?? '-'}`
}
