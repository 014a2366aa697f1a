/** `troupe certs`: an authority and the certificates of a small cluster, as files; they are made in make-certs.ts. */
import { join } from 'node:path'
import { InvalidArgumentError, Option, type Command } from 'commander'
import { TroupeError } from '../core/errors.ts'
import { nameProblem } from '../core/ids.ts'
import { flag, namespaceFlag, readNumber } from './flags.ts'

interface CertsFlags {
  readonly hosts: string[]
  readonly namespace: string
  readonly types?: string[]
  readonly days: number
  readonly lead: boolean
  readonly add?: true
  readonly replace?: true
}

const examples = `
Examples:
  troupe certs ./certs --hosts a,b
  troupe certs ./certs --hosts c --types Account,Counter --add      one more host, that may run only these
  troupe host app.ts --host-id a --tls-ca certs/ca.crt --tls-cert certs/host-a.crt --tls-key certs/host-a.key
Running processes use renewed files for their next connections; nothing is restarted.`

export function addCertsCommand(program: Command): void {
  const command = program.command('certs')
    .description('Make certificates for mutual TLS in a development cluster.')
    .argument('[folder]', 'where they are written', './certs')
    .addHelpText('after', examples)
    .action((folder: string, flags: CertsFlags) => certs(folder, flags))
  const options = [
    flag('--hosts <names>', 'host ids, with commas; *: any host').default(['*'], '*').argParser(readNames('host id', ['*'])),
    namespaceFlag(),
    flag('--types <names>', 'actor types that these hosts may run, with commas (default: any)').argParser(readNames('actor type')),
    flag('--days <count>', 'how long they are good').default(365).argParser(readNumber(1, 3650, true)),
    new Option('--no-lead', 'these hosts may not lead placement: for clusters with `troupe placement` processes'),
    new Option('--add', 'sign with the authority that is in the folder; the certificates of placement and the client are made anew'),
    new Option('--replace', 'replace the authority that is in the folder').conflicts('add'),
  ]
  for (const option of options) command.addOption(option)
}

const readNames = (what: string, also: readonly string[] = []) => (text: string): string[] => {
  const names = text.split(',').map(name => name.trim())
  for (const name of names) {
    const problem = also.includes(name) ? undefined : nameProblem(name, 128)
    if (problem !== undefined) throw new InvalidArgumentError(`A ${what} that ${problem} cannot be used.`)
  }
  return [...new Set(names)]
}

async function certs(folder: string, { hosts, namespace, types, days, lead, add, replace }: CertsFlags): Promise<void> {
  if (!/^[a-zA-Z0-9_.-]{1,64}$/.test(namespace)) {
    throw new TroupeError('BAD_OPTION', `--namespace ${JSON.stringify(namespace)} must be 1 to 64 letters, digits, dots, dashes or underscores`)
  }
  const { makeCerts } = await import('./make-certs.ts')
  const authority = add === true ? 'add' : replace === true ? 'replace' : undefined
  const written = await makeCerts({ folder, namespace, hosts, types, days, lead, authority })
  process.stdout.write(`${written.map(name => join(folder, name)).join('\n')}\n`)
}
