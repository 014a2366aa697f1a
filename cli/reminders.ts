/** `troupe reminders`: those of an actor or of a whole type, dead letters, and what can be done to one. */
import { Option, type Command } from 'commander'
import type { ReminderInfo } from '../actors/actor-reminders.ts'
import { TroupeError } from '../core/errors.ts'
import { showKey, type ActorKey } from '../core/ids.ts'
import type { Client } from '../gateway/client.ts'
import { jsonText } from '../actors/json-values.ts'
import { clientSecurityFlags, flag, readNumber, timeoutFlag, toFlag } from './flags.ts'
import { readSetting, type ReminderSetting, type SettingFlags } from './reminder-setting.ts'
import { errorText, instantText, scheduleText } from './schedule-text.ts'
import { needsActor, oneAction, PAGE, pagesOf, print, printPages, withClient, type ClientFlags } from './stored-work.ts'
import type { Row } from './table.ts'
import { readTarget } from './words.ts'

interface ReminderFlags extends ClientFlags, SettingFlags {
  readonly json?: boolean
  readonly dead?: boolean
  readonly retry?: string
  readonly delete?: string
  readonly deleteAll?: true
}

type Listed = ReminderInfo & { readonly id: string }

const examples = `
Examples:
  troupe reminders Account/alice                    of one actor
  troupe reminders Account --dead                   dead letters of a type
  troupe reminders Account/alice --retry interest   a dead letter, again
  troupe reminders Account/alice --set interest --cron '0 3 1 * *' --tz Europe/Berlin --method payInterest
  troupe reminders Account/alice --set ping --every 90s --data '{"n":1}'     calls onReminder('ping', {"n":1}, occurrence)
  troupe reminders Account/alice --set welcome --every P1D --first '2026-03-01T09:00:00Z' --times 7 --missed skip --attempts 1
  troupe reminders Account/alice --delete ping
  troupe reminders Account --delete-all             those of all its actors; asks nothing`

export function addRemindersCommand(program: Command): void {
  const command = program.command('reminders')
    .description('Show the reminders of an actor or of a type; set, delete or retry one.')
    .argument('<target>', 'TYPE/ID, or TYPE for all of a type')
    .addHelpText('after', examples)
    .action((target: string, flags: ReminderFlags) => reminders(target, flags))
  const options = [
    toFlag(),
    timeoutFlag(),
    flag('--dead', 'only dead letters: reminders whose last try failed'),
    flag('--retry <name>', 'run a dead letter, or the dead occurrence of a reminder that goes on, again at once'),
    flag('--delete <name>', 'delete a reminder'),
    // No environment variable: what asks nothing is not done because of something set elsewhere.
    new Option('--delete-all', 'delete all reminders of the type, dead letters included; asks nothing'),
    flag('--set <name>', 'set or replace a reminder, with --cron, --every, --at or --in'),
    flag('--cron <expression>', 'five fields, or six with seconds first'),
    flag('--every <period>', "'90s', 'PT1H', 'P1M', or milliseconds"),
    flag('--at <instant>', "once, such as '2026-03-01T09:00:00+01:00'"),
    flag('--in <period>', 'once, so long from now'),
    flag('--tz <zone>', 'time zone of --cron and --every (default: UTC)'),
    flag('--first <when>', 'with --every: the first run, an instant or so long from now (default: one period from now)'),
    flag('--times <count>', 'with --every and --cron: runs in all (default: no limit)').argParser(readNumber(1, Number.MAX_SAFE_INTEGER, true)),
    flag('--until <when>', 'with --every and --cron: no run after it, an instant or so long from now'),
    flag('--missed <policy>', 'runs that nobody was up for: once, each, or not at all (default: once)').choices(['once', 'all', 'skip']),
    flag('--attempts <count>', 'runs of an occurrence until it is a dead letter (default: 4)').argParser(readNumber(1, 1_000_000, true)),
    flag('--backoff <period>', 'wait before the second attempt, doubled after each (default: 1s)'),
    flag('--no-overwrite', 'refuse when there is one of that name'),
    flag('--method <name>', 'what is called (default: the hook onReminder)'),
    flag('--data <json>', 'what the handler gets'),
    flag('--json', 'print a JSON value a line'),
    ...clientSecurityFlags(),
  ]
  for (const option of options) command.addOption(option)
}

async function reminders(target: string, flags: ReminderFlags): Promise<void> {
  const { type, id } = readTarget(target)
  const action = oneAction({ set: flags.set, delete: flags.delete, retry: flags.retry, deleteAll: flags.deleteAll }, flags.dead)
  const setting = readSetting(flags)
  if (action === undefined) return withClient(flags, client => list(client, type, id, flags))
  if (action === 'deleteAll') {
    if (id !== undefined) throw new TroupeError('BAD_OPTION', `--delete-all is about a type and ${JSON.stringify(target)} is an actor; write ${type}, or --delete NAME for one reminder`)
    return withClient(flags, client => deleteAll(client, type))
  }
  if (id === undefined) needsActor(action, target)
  await withClient(flags, client => act(client, { type, id }, action, flags, setting))
}

/** Says how many are gone even when it fails on the way. */
async function deleteAll(client: Client, type: string): Promise<void> {
  let deleted = 0
  try {
    let cursor: string | undefined
    do {
      const page = await client.deleteReminders(type, { limit: PAGE, cursor })
      deleted += page.deleted
      ;({ cursor } = page)
    } while (cursor !== undefined)
  } catch (error) {
    if (deleted > 0) print(`${reminderCount(deleted)} of ${type} deleted before it failed`)
    throw error
  }
  print(`${reminderCount(deleted)} of ${type} deleted`)
}

const reminderCount = (count: number): string => `${count} reminder${count === 1 ? '' : 's'}`

async function act(
  client: Client, actor: ActorKey, action: 'set' | 'delete' | 'retry', flags: ReminderFlags, setting: ReminderSetting | undefined,
): Promise<void> {
  const { reminders } = client.actor(actor.type, actor.id).manage
  const name = flags[action]!
  const what = `reminder ${name} of ${showKey(actor)}`
  if (action === 'delete') {
    if (!await reminders.delete(name)) throw new TroupeError('REMINDER_NOT_FOUND', `there is no ${what}`)
    return print(`${what} is deleted`)
  }
  if (action === 'retry') await reminders.retry(name)
  else await reminders.set(name, ...setting!)
  const info = await reminders.get(name)
  if (flags.json === true) return info === undefined ? undefined : print(jsonText({ id: actor.id, ...info }))
  // It may have run and be gone by now.
  if (action === 'set') return print(info?.due === undefined ? `${what} is set` : `${what} is due ${instantText(info.due)}`)
  // What is dead of a reminder that goes on is a row of its own, and due once.
  const goesOn = info?.due !== undefined && !('at' in info.schedule)
  print(goesOn ? `${what}: its dead occurrence is tried again; the reminder itself is due ${instantText(info.due)}` : `${what} is tried again`)
}

async function list(client: Client, type: string, id: string | undefined, { dead = false, json = false }: ReminderFlags): Promise<void> {
  const pages = id === undefined
    ? pagesOf<Listed, string>(async cursor => {
      const page = await client.reminders(type, { dead, cursor, limit: PAGE })
      return { entries: page.reminders, cursor: page.cursor }
    })
    : pagesOf<Listed, string>(async after => {
      const page = await client.actor(type, id).manage.reminders.list({ limit: PAGE, ...(after === undefined ? {} : { after }) })
      const entries = page.filter(info => !dead || info.dead !== undefined).map(info => ({ id, ...info }))
      return { entries, cursor: page.length < PAGE ? undefined : page.at(-1)!.name }
    })
  const last = dead ? ['FAILED', 'COUNT', 'FAILURES', 'ERROR'] : ['DUE', 'COUNT', 'FAILURES']
  await printPages(pages, [...(id === undefined ? ['ID'] : []), 'NAME', 'SCHEDULE', ...last], info => rowOf(info, id === undefined, dead), json)
}

const rowOf = (info: Listed, withId: boolean, dead: boolean): Row => [
  ...(withId ? [info.id] : []), info.name, scheduleText(info.schedule),
  info.dead !== undefined && dead ? instantText(info.dead.at) : info.due === undefined ? 'dead' : instantText(info.due),
  info.count, info.failures,
  ...(dead ? [errorText(info.dead?.error ?? '')] : []),
]
