/**
 * `troupe dev`: one host in one process, on LMDB in `./.troupe`, started again whenever one of its files is saved.
 *
 * This process only watches (dev-supervisor.ts); the host is a child, `troupe host` with the same flags and no cluster,
 * so that each start begins with empty module caches and a syntax error ends nothing but that start.
 */
import { stat } from 'node:fs/promises'
import { resolve } from 'node:path'
import type { Command } from 'commander'
import { TroupeError } from '../core/errors.ts'
import { servingFlags } from './host.ts'
import { superviseDev } from './dev-supervisor.ts'

const examples = `
Examples:
  troupe dev app.ts
  troupe dev account.ts counter.ts --http-port 8080 --store memory:
  curl -X POST http://127.0.0.1:3500/v1.0/actors/Counter/one/method/increment -d 1`

export function addDevCommand(program: Command): void {
  const command = program.command('dev')
    .description('Run actors in one process on an embedded store, and start again on each change.')
    .argument('<app...>', 'files whose exported classes that extend Actor are hosted')
    .addHelpText('after', examples)
    .action(dev)
  for (const option of servingFlags('--http-port')) command.addOption(option)
}

async function dev(apps: string[], _flags: unknown, command: Command): Promise<void> {
  for (const file of apps) {
    const found = await stat(resolve(file)).catch(() => undefined)
    if (found?.isFile() !== true) {
      throw new TroupeError('APP_LOAD_FAILED', `app file ${file} does not exist (looked for ${resolve(file)}); check the path`)
    }
  }
  process.exitCode = await superviseDev({ apps, hostArguments: ['host', ...apps, ...asArguments(command), '--host-id', 'dev'] })
}

/** Every flag as it was resolved (flag, environment, default), spelled out for the child; tokens are inherited with the environment. */
const asArguments = (command: Command): string[] =>
  command.options.flatMap(option => {
    const value: unknown = command.getOptionValue(option.attributeName())
    if (option.long === undefined || value === undefined || value === false) return []
    return value === true ? [option.long] : [option.long, String(value)]
  })
