/** `troupe status`: the cluster as one of its hosts sees it, and where an actor lives. */
import type { Command } from 'commander'
import { showKey, type ActorKey } from '../core/ids.ts'
import { connect } from '../gateway/client.ts'
import type { ActorLocation, ClusterStatus, HostStatus } from '../runtime/dispatch/dispatcher.ts'
import { clientSecurity, clientSecurityFlags, flag, toFlag, type ClientSecurityFlags } from './flags.ts'
import { formatTable, type Cell } from './table.ts'
import { readActorKey } from './words.ts'

interface StatusFlags extends ClientSecurityFlags {
  readonly to: string
  readonly json?: boolean
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
  for (const option of [toFlag(), flag('--json', 'print JSON'), ...clientSecurityFlags()]) command.addOption(option)
}

async function status(actor: string | undefined, flags: StatusFlags): Promise<void> {
  const key = actor === undefined ? undefined : readActorKey(actor)
  const client = connect(flags.to, clientSecurity(flags))
  try {
    const cluster = await client.status()
    const location = key === undefined ? undefined : await client.locate(key.type, key.id)
    process.stdout.write(`${flags.json === true ? asJson(cluster, key, location) : asText(cluster, key, location)}\n`)
  } finally {
    await client.close()
  }
}

const asJson = (cluster: ClusterStatus, key?: ActorKey, location?: ActorLocation): string =>
  JSON.stringify(location === undefined ? cluster : { ...cluster, actor: { ...key, ...location } }, null, 2)

const asText = (cluster: ClusterStatus, key?: ActorKey, location?: ActorLocation): string =>
  [headline(cluster), ...cluster.hosts.flatMap(storeTroubles), '', hostTable(cluster.hosts), ...(key === undefined || location === undefined ? [] : ['', placeOf(key, location)])].join('\n')

const headline = (cluster: ClusterStatus): string =>
  [`table version ${cluster.tableVersion}`, `placement ${cluster.placement}${cluster.leader === undefined ? '' : `, led by ${cluster.leader}`}`, `store ${cluster.store}`].join(', ')

/** A row for each type that a host runs; what belongs to the host stands in its first row. */
function hostTable(hosts: readonly HostStatus[]): string {
  const rows = hosts.flatMap(host => {
    const types: readonly (string | undefined)[] = host.types.length > 0 ? host.types : [undefined]
    return types.map((type, i): Cell[] => [
      ...(i === 0 ? [host.id, host.leads === true ? `${host.phase}, leads` : host.phase, leaseOf(host), host.http || '-', host.address || '-', answered(host, host.tableVersion)] : ['', '', '', '', '', '']),
      type ?? '-',
      type === undefined ? '-' : answered(host, host.shards[type] ?? 0),
      type === undefined ? '-' : answered(host, host.activations[type] ?? 0),
    ])
  })
  return formatTable(['HOST', 'PHASE', 'LEASE', 'HTTP', 'PEER', 'TABLE', 'TYPE', 'SHARDS', 'ACTIVATIONS'], rows)
}

/** What only the host itself could tell. */
const answered = (host: HostStatus, value: number): Cell => (host.phase === 'unreachable' ? '-' : value)

/** What a host says of its store, when it is not all well. */
function storeTroubles({ id, storeHealth }: HostStatus): string[] {
  if (storeHealth === undefined) return []
  const { readsAwayMs, writesAwayMs, lostWrites, regresses, lastRegress } = storeHealth
  const awayMs = Math.max(readsAwayMs, writesAwayMs)
  return [
    ...(awayMs > 0 ? [`${id}: its store has been away for ${(awayMs / 1000).toFixed(1)} s`] : []),
    ...(regresses > 0 ? [`${id}: its store lost at least ${lostWrites} acknowledged writes: ${lastRegress ?? 'no more is known'}`] : []),
  ]
}

/** How long the host may serve without another renewal. */
const leaseOf = ({ leaseLeftMs }: HostStatus): string =>
  leaseLeftMs === undefined ? '-' : leaseLeftMs <= 0 ? 'out' : `${(leaseLeftMs / 1000).toFixed(1)} s`

function placeOf(key: ActorKey, { member, shard, epoch }: ActorLocation): string {
  if (member === undefined) return `${showKey(key)} has no host now: none that is up runs ${key.type} (shard ${shard})`
  return `${showKey(key)} lives on ${member.id} (${member.http || member.address || 'this host'}), shard ${shard}, epoch ${epoch ?? '-'}`
}
