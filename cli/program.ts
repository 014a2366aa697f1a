/**
 * The command line as a whole: its commands, what is refused, and how a refusal looks. Each command is a file of its own.
 *
 * Refused with exit code 2 and a suggestion: unknown flags and commands, missing or extra arguments, values that do not
 * fit. Everything a user meets on standard error is one line, `troupe: CODE: message`.
 */
import { createRequire } from 'node:module'
import { Command, CommanderError } from 'commander'
import { addCallCommand } from './call.ts'
import { addCertsCommand } from './certs.ts'
import { spelledOut } from './daprd-spelling.ts'
import { addDevCommand } from './dev.ts'
import { EXIT_OK, EXIT_USAGE, reportFailure } from './failure.ts'
import { addHostCommand } from './host.ts'
import { addImportCommand } from './import-dapr.ts'
import { addPlacementCommand } from './placement.ts'
import { addRemindersCommand } from './reminders.ts'
import { addRunCommand } from './run.ts'
import { addSendsCommand } from './sends.ts'
import { addSidecarCommand } from './sidecar.ts'
import { addStatusCommand } from './status.ts'

const examples = `
Examples:
  troupe dev app.ts                               one process, restarts on change
  troupe placement --store lmdb:./data            keeps the cluster's table of who owns what
  troupe host app.ts --placement 127.0.0.1:50005 --store lmdb:./data
  troupe run --app-id shop --app-port 3000 -- python app.py    an application in any language, and its sidecar
  troupe sidecar --app-id shop --app-port 3000    the sidecar alone, with daprd's flags
  troupe call Account/alice deposit 5             from anywhere, to any host
  troupe status                                   hosts, shards, activations
  troupe reminders Account/alice                  what is due, and when
  troupe sends Account --dead                     durable sends that failed for good
  troupe import dapr --from redis://10.0.0.9:6379 --dry-run    what Dapr has stored of actors
  troupe certs                                    certificates for mutual TLS in a development cluster

Flags whose help names an env may also be given as that environment variable: --http-port is TROUPE_HTTP_PORT.
Exit codes: 0 ok, 1 it failed while running, 2 it was called wrongly.`

/** commander says `error: …`, with its suggestion on a second line; ours is one line with a code. */
const usageLine = (text: string): string =>
  `troupe: BAD_OPTION: ${text.replace(/^error: /, '').trim().replace(/\n\(Did you mean ([^)]*)\?\)$/, '; did you mean $1?').replace(/\s*\n\s*/g, ' ')}\n`

export function buildProgram(): Command {
  const { version } = createRequire(import.meta.url)('troupe/package.json') as { version: string }
  const program = new Command('troupe')
    .description('Virtual actors for TypeScript: durable, placed, fenced, fast.')
    .version(version, '-V, --version')
    .exitOverride()
    .configureOutput({ outputError: (text, write) => write(usageLine(text)) })
    .showSuggestionAfterError()
    .addHelpText('after', examples)
  for (const add of [
    addDevCommand, addHostCommand, addSidecarCommand, addRunCommand, addPlacementCommand, addCallCommand, addStatusCommand, addRemindersCommand, addSendsCommand,
    addCertsCommand, addImportCommand,
  ]) add(program)
  return program
}

/** Runs one command line (without node and file name); resolves with the exit code, never rejects. */
export async function run(argv: readonly string[]): Promise<number> {
  // A reader that has seen enough (`troupe status | head`) is no failure.
  process.stdout.on('error', error => { if ((error as NodeJS.ErrnoException).code === 'EPIPE') process.exit(EXIT_OK) })
  try {
    const program = buildProgram()
    await program.parseAsync(asCommanderReads(program, argv), { from: 'user' })
    return Number(process.exitCode ?? EXIT_OK)
  } catch (error) {
    if (error instanceof CommanderError) return error.exitCode === 0 ? EXIT_OK : EXIT_USAGE
    return reportFailure(error, { debug: wantsDebug(argv) })
  }
}

/** Two commands take the command lines of other programs. */
export function asCommanderReads(program: Command, argv: readonly string[]): readonly string[] {
  const [name, ...words] = argv
  const command = name === 'sidecar' || name === 'run' ? program.commands.find(c => c.name() === name) : undefined
  return command === undefined ? argv : [name!, ...spelledOut(words, command.options, { commandFollows: name === 'run' })]
}

/** Read by hand: the failure may come from before the flags were understood. */
function wantsDebug(argv: readonly string[]): boolean {
  const at = argv.indexOf('--log-level')
  const level = at >= 0 ? argv[at + 1] : argv.find(a => a.startsWith('--log-level='))?.slice('--log-level='.length)
  return ['debug', 'trace'].includes(level ?? process.env.TROUPE_LOG_LEVEL ?? '')
}
