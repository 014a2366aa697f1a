/**
 * `troupe import dapr`: takes the state of actors, and reminders of old versions, from a store that Dapr has written into one of
 * Troupe's. What is read is gateway/dapr/dapr-import.ts; this is its command line, and the host that writes.
 */
import { Option, type Command } from 'commander'
import type { StateChange } from '../actors/management.ts'
import { SystemClock } from '../core/clock.ts'
import { TroupeError } from '../core/errors.ts'
import { openLogger, type Logger } from '../core/logger.ts'
import { importDapr, surveyDapr, type ImportPlan, type ImportTarget } from '../gateway/dapr/import/dapr-import.ts'
import type { ImportReport } from '../gateway/dapr/import/import-report.ts'
import { openDaprRows } from '../stores/open-dapr-rows.ts'
import { clusterStoreFlag, flag, logFlags, namespaceFlag, shardBitsFlag, type LogFlags } from './flags.ts'
import { importHost } from './import-host.ts'
import { formatTable } from './table.ts'

interface ImportFlags extends LogFlags {
  readonly from: string
  readonly appId?: string
  readonly type?: string[]
  readonly table: string
  readonly store?: string
  readonly clusterStore?: string
  readonly namespace: string
  readonly shardBits: number
  readonly dryRun?: boolean
  readonly json?: boolean
}

const examples = `
Examples:
  troupe import dapr --from redis://10.0.0.9:6379 --dry-run                          what there is; writes nothing
  troupe import dapr --from redis://10.0.0.9:6379 --store lmdb:./.troupe
  troupe import dapr --from postgres://me:secret@10.0.0.8/dapr --table state --app-id shop --type Account Cart --store redis://10.0.0.7:6379
  troupe import dapr --from sqlite:./data.db --store lmdb:./.troupe
Stop the application and its sidecars before, and start them after it: what they write meanwhile is not taken along.
Running it again is safe: keys are set again, none is deleted, and nothing is changed where it reads. Reminders that have run since are set again too.`

export function addImportCommand(program: Command): void {
  const command = program.command('import').description('Take over what another runtime has stored.')
  const dapr = command.command('dapr')
    .description("Import actors' state, and reminders of versions that kept them there, from a state store of Dapr.")
    .addHelpText('after', examples)
    .action((flags: ImportFlags) => importFromDapr(flags))
  const options = [
    flag('--from <url>', 'the state store that Dapr wrote: redis://…, rediss://…, redis+cluster://…, postgres://… or sqlite:PATH').makeOptionMandatory(),
    flag('--app-id <id>', 'the application whose state it is (default: the only one there is)'),
    flag('--type <names...>', 'actor types to import (default: all)'),
    flag('--table <name>', 'table of PostgreSQL or SQLite, NAME or SCHEMA.NAME').default('state'),
    flag('--store <url>', "Troupe's store: lmdb:DIR, redis://…, rediss://…, redis+cluster://… or postgres://…"),
    clusterStoreFlag(),
    namespaceFlag(),
    shardBitsFlag(),
    // No environment variable: whether something is written is said each time.
    new Option('--dry-run', 'read everything, write nothing'),
    flag('--json', 'print the summary as JSON'),
    ...logFlags().map(option => option.attributeName() === 'logLevel' ? option.default('warn') : option),
  ]
  for (const option of options) dapr.addOption(option)
}

const nowhere: ImportTarget = { state: async (_type: string, _id: string, _changes: readonly StateChange[]) => undefined, reminder: async () => undefined }

async function importFromDapr(flags: ImportFlags): Promise<void> {
  if (flags.dryRun !== true && flags.store === undefined) throw new TroupeError('BAD_OPTION', '--store is missing: where is it imported to? Or give --dry-run')
  if (flags.store === 'memory:') throw new TroupeError('BAD_OPTION', '--store memory: is gone with this process; use lmdb:DIR, redis://… or postgres://…')
  const rows = openDaprRows(flags.from, flags.table)
  const clock = new SystemClock()
  await rows.open()
  try {
    const plan = await surveyDapr(rows, { appId: flags.appId, types: flags.type ?? [] })
    const host = flags.dryRun === true || plan.types.length === 0 ? undefined : await importHost(plan.types, flags.store!, flags, loggerOf(flags))
    try {
      print(flags, rows.name, plan, await importDapr(rows, host?.target ?? nowhere, plan, clock))
    } finally {
      await host?.stop()
    }
  } finally {
    await rows.close()
  }
}

const loggerOf = ({ logLevel, logFormat }: LogFlags): Logger => openLogger(logLevel, logFormat)

function print({ json, dryRun = false }: ImportFlags, from: string, { appId, types }: ImportPlan, report: ImportReport): void {
  process.stdout.write(json === true ? `${JSON.stringify({ from, appId, types, dryRun, ...report })}\n` : summaryText(from, appId, types, dryRun, report))
}

/** For people. */
function summaryText(from: string, appId: string | undefined, types: readonly string[], dryRun: boolean, report: ImportReport): string {
  const { actors, actorsExact, keys, bytes, reminders, skipped } = report
  const counts = `${actorsExact ? '' : 'about '}${countText(actors, 'actor')}, ${countText(keys, 'key')} (${sizeText(bytes)}), ${countText(reminders, 'reminder')}`
  return [
    `${dryRun ? 'would import' : 'imported'} from ${from}${appId === undefined ? '' : `, application ${appId}`}: ${counts}`,
    `types: ${types.length === 0 ? 'none' : types.join(', ')}`,
    ...skipped.length === 0 ? [] : ['', formatTable(['SKIPPED', 'WHY', 'THE FIRST'], skipped.map(({ count, reason, example }) => [count, shown(reason), shown(example)]))],
  ].join('\n') + '\n'
}

const countText = (count: number, what: string): string => `${count.toLocaleString('en-US')} ${what}${count === 1 ? '' : 's'}`
const sizeText = (bytes: number): string => bytes < 1024 ? `${bytes} bytes` : bytes < 2 ** 20 ? `${(bytes / 1024).toFixed(1)} KiB` : `${(bytes / 2 ** 20).toFixed(1)} MiB`

/** One line of a terminal: keys hold anything. */
// eslint-disable-next-line no-control-regex
const shown = (text: string): string => text.slice(0, 160).replace(/[\u0000-\u001f\u007f]/g, '?')
