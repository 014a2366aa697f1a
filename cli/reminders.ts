/** `troupe reminders`: those of an actor or of a whole type, dead letters, and what can be done to one. */
import type { Command } from 'commander'
import type { ReminderInfo, ReminderSchedule } from '../actors/actor-reminders.ts'
import { TroupeError } from '../core/errors.ts'
import { showKey, type ActorKey } from '../core/ids.ts'
import type { Client } from '../gateway/client.ts'
import { jsonText } from '../gateway/json-values.ts'
import { readSchedule } from '../reminders/schedule.ts'
import { flag, toFlag } from './flags.ts'
import { errorText, instantText, scheduleText } from './schedule-text.ts'
import { needsActor, oneAction, PAGE, pagesOf, print, printPages, withClient } from './stored-work.ts'
import type { Row } from './table.ts'
import { readArgument, readTarget } from './words.ts'

export interface ReminderFlags {
  readonly to: string
  readonly json?: boolean
  readonly dead?: boolean
  readonly retry?: string
  readonly delete?: string
  readonly set?: string
  readonly cron?: string
  readonly every?: string
  readonly at?: string
  readonly in?: string
  readonly tz?: string
  readonly method?: string
  readonly data?: string
}

type Listed = ReminderInfo & { readonly id: string }

const examples = `
Examples:
  troupe reminders Account/alice                    of one actor
  troupe reminders Account --dead                   dead letters of a type
  troupe reminders Account/alice --retry interest   a dead letter, again
  troupe reminders Account/alice --set interest --cron '0 3 1 * *' --tz Europe/Berlin --method payInterest
  troupe reminders Account/alice --set ping --every 90s --data '{"n":1}'     calls onReminder('ping', {"n":1}, occurrence)
  troupe reminders Account/alice --delete ping`

export function addRemindersCommand(program: Command): void {
  const command = program.command('reminders')
    .description('Show the reminders of an actor or of a type; set, delete or retry one.')
    .argument('<target>', 'TYPE/ID, or TYPE for all of a type')
    .addHelpText('after', examples)
    .action((target: string, flags: ReminderFlags) => reminders(target, flags))
  const options = [
    toFlag(),
    flag('--dead', 'only dead letters: reminders whose last try failed'),
    flag('--retry <name>', 'make a dead letter due at once'),
    flag('--delete <name>', 'delete a reminder'),
    flag('--set <name>', 'set or replace a reminder, with --cron, --every, --at or --in'),
    flag('--cron <expression>', 'five fields, or six with seconds first'),
    flag('--every <period>', "'90s', 'PT1H', 'P1M', or milliseconds"),
    flag('--at <instant>', "once, such as '2026-03-01T09:00:00+01:00'"),
    flag('--in <period>', 'once, so long from now'),
    flag('--tz <zone>', 'time zone of --cron and --every (default: UTC)'),
    flag('--method <name>', 'what is called (default: the hook onReminder)'),
    flag('--data <json>', 'what the handler gets'),
    flag('--json', 'print a JSON value a line'),
  ]
  for (const option of options) command.addOption(option)
}

async function reminders(target: string, flags: ReminderFlags): Promise<void> {
  const { type, id } = readTarget(target)
  const action = oneAction({ set: flags.set, delete: flags.delete, retry: flags.retry }, flags.dead)
  const setting = readSetting(flags)
  if (action === undefined) return withClient(flags.to, client => list(client, type, id, flags))
  if (id === undefined) needsActor(action, target)
  await withClient(flags.to, client => act(client, { type, id }, action, flags, setting))
}

const schedules = ['cron', 'every', 'at', 'in'] as const

/** What `--set` sets, read before anything is sent. @throws BAD_OPTION */
export function readSetting(flags: ReminderFlags): readonly [ReminderSchedule, method: string | undefined, ...args: unknown[]] | undefined {
  const given = schedules.filter(name => flags[name] !== undefined)
  if (flags.set === undefined) {
    const stray = [...schedules, 'tz', 'method', 'data'].find(name => flags[name as keyof ReminderFlags] !== undefined)
    if (stray !== undefined) throw new TroupeError('BAD_OPTION', `--${stray} belongs to --set NAME, which is missing`)
    return undefined
  }
  const [when] = given
  if (when === undefined) throw new TroupeError('BAD_OPTION', `--set ${flags.set}: when is it due? Give --cron, --every, --at or --in`)
  if (given.length > 1) throw new TroupeError('BAD_OPTION', `${given.map(name => `--${name}`).join(' and ')} cannot be used together; give one`)
  const text = flags[when]!
  const length = (when === 'every' || when === 'in') && /^\d+$/.test(text) ? Number(text) : text
  const schedule = { [when]: length, ...(flags.tz === undefined ? {} : { tz: flags.tz }) } as ReminderSchedule
  checkSchedule(schedule)
  return [schedule, flags.method, ...(flags.data === undefined ? [] : [readArgument(flags.data)])]
}

/** A schedule that is none is a wrong command line, whatever the host would call it. @throws BAD_OPTION */
function checkSchedule(schedule: ReminderSchedule): void {
  try {
    readSchedule(schedule, Date.now())
  } catch (error) {
    if (!TroupeError.is(error, 'BAD_SCHEDULE')) throw error
    throw new TroupeError('BAD_OPTION', error.message, { cause: error })
  }
}

async function act(
  client: Client, actor: ActorKey, action: 'set' | 'delete' | 'retry', flags: ReminderFlags, setting: ReturnType<typeof readSetting>,
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
  print(info?.due === undefined ? `${what} is ${action === 'set' ? 'set' : 'tried again'}` : `${what} is due ${instantText(info.due)}`)
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
