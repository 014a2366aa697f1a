/** `troupe sends`: durable sends that are not delivered yet, dead letters among them, and what can be done to those. */
import type { Command } from 'commander'
import type { SendInfo } from '../actors/management.ts'
import { showKey, type ActorKey } from '../core/ids.ts'
import type { Client } from '../gateway/client.ts'
import { clientSecurityFlags, flag, readNumber, timeoutFlag, toFlag } from './flags.ts'
import { errorText, instantText } from './schedule-text.ts'
import { needsActor, oneAction, PAGE, pagesOf, print, printPages, withClient, type ClientFlags } from './stored-work.ts'
import type { Row } from './table.ts'
import { readTarget } from './words.ts'

interface SendFlags extends ClientFlags {
  readonly json?: boolean
  readonly dead?: boolean
  readonly retry?: number
  readonly delete?: number
}

type Listed = SendInfo & { readonly from: string }

const examples = `
Examples:
  troupe sends Account/alice             what alice sent and nobody has yet
  troupe sends Account --dead            dead letters of a type
  troupe sends Account/alice --retry 7   send a dead letter again, under a new number
  troupe sends Account/alice --delete 7  drop it`

export function addSendsCommand(program: Command): void {
  const command = program.command('sends')
    .description('Show the durable sends of an actor or of a type that are not delivered; retry or drop a dead letter.')
    .argument('<target>', 'TYPE/ID, or TYPE for all of a type')
    .addHelpText('after', examples)
    .action((target: string, flags: SendFlags) => sends(target, flags))
  const number = readNumber(1, Number.MAX_SAFE_INTEGER, true)
  const options = [
    toFlag(),
    timeoutFlag(),
    flag('--dead', 'only dead letters: sends whose last delivery failed'),
    flag('--retry <number>', 'send a dead letter again').argParser(number),
    flag('--delete <number>', 'drop a dead letter').argParser(number),
    flag('--json', 'print a JSON value a line'),
    ...clientSecurityFlags(),
  ]
  for (const option of options) command.addOption(option)
}

async function sends(target: string, flags: SendFlags): Promise<void> {
  const { type, id } = readTarget(target)
  const action = oneAction({ retry: flags.retry, delete: flags.delete }, flags.dead)
  if (action === undefined) return withClient(flags, client => list(client, type, id, flags))
  if (id === undefined) needsActor(action, target)
  await withClient(flags, client => act(client, { type, id }, action, flags[action]!))
}

async function act(client: Client, actor: ActorKey, action: 'retry' | 'delete', number: number): Promise<void> {
  await client.actor(actor.type, actor.id).manage.sends[action](number)
  print(`send ${number} of ${showKey(actor)} is ${action === 'retry' ? 'sent again' : 'dropped'}`)
}

async function list(client: Client, type: string, id: string | undefined, { dead = false, json = false }: SendFlags): Promise<void> {
  const pages = id === undefined
    ? pagesOf<Listed, string>(async cursor => {
      const page = await client.sends(type, { dead, cursor, limit: PAGE })
      return { entries: page.sends, cursor: page.cursor }
    })
    : pagesOf<Listed, number>(async after => {
      const page = await client.actor(type, id).manage.sends.list({ dead, limit: PAGE, ...(after === undefined ? {} : { after }) })
      return { entries: page.map(info => ({ from: id, ...info })), cursor: page.length < PAGE ? undefined : page.at(-1)!.number }
    })
  const last = dead ? ['FAILED', 'ERROR'] : ['STATE', 'FAILURES', 'LAST ERROR']
  await printPages(pages, [...(id === undefined ? ['FROM'] : []), 'NUMBER', 'TO', 'METHOD', ...last], info => rowOf(info, id === undefined, dead), json)
}

const rowOf = (info: Listed, withSender: boolean, dead: boolean): Row => [
  ...(withSender ? [info.from] : []), String(info.number), showKey(info), info.method,
  ...(dead ? [info.dead === undefined ? '' : instantText(info.dead.at), errorText(info.dead?.error ?? '')] : [info.dead === undefined ? 'waits' : 'dead', String(info.failures), errorText(info.problem ?? '')]),
]
