/** `troupe call`: one call from the command line; the result as JSON, a stream as one JSON value a line. */
import type { Command } from 'commander'
import { connect } from '../gateway/client.ts'
import { jsonText } from '../actors/json-values.ts'
import { reportCallFailure } from './failure.ts'
import { clientSecurity, clientSecurityFlags, flag, readIdempotencyKey, timeoutFlag, toFlag, type ClientSecurityFlags } from './flags.ts'
import { readActorKey, readArgument } from './words.ts'

interface CallFlags extends ClientSecurityFlags {
  readonly to: string
  readonly timeout?: number
  readonly idempotencyKey?: string
}

const examples = `
Examples:
  troupe call Account/alice deposit 5
  troupe call 'Room/cats and dogs' post '{"text":"hello"}' --to http://10.0.0.4:3500
  troupe call Account/alice rename alice        a bare word that is no JSON is a string
  troupe call Account/alice rename '"5"'        a string of digits
  troupe call Room/lobby post '"{hi}"'           a string that begins like JSON
  troupe call Log/app append -- --verbose       arguments that begin with a dash
  troupe call Account/alice deposit 5 --idempotency-key order-17     again: the same reply, deposited once

A failure is one line on standard error: code, message, whether the method ran, whether a repeat may succeed.`

export function addCallCommand(program: Command): void {
  const command = program.command('call')
    .description('Call a method of an actor, wherever it lives.')
    .argument('<actor>', 'TYPE/ID; the first / splits them')
    .argument('<method>', 'name of the method')
    .argument('[args...]', 'arguments, each as JSON')
    .addHelpText('after', examples)
    .action((actor: string, method: string, args: string[], flags: CallFlags) => call(actor, method, args, flags))
  const options = [
    toFlag(),
    timeoutFlag(),
    flag('--idempotency-key <key>', 'the call takes effect once: a repeat with the same key gets the stored reply').argParser(readIdempotencyKey),
    ...clientSecurityFlags(),
  ]
  for (const option of options) command.addOption(option)
}

async function call(actor: string, method: string, words: readonly string[], flags: CallFlags): Promise<void> {
  const { type, id } = readActorKey(actor)
  const args = words.map(readArgument)
  const client = connect(flags.to, clientSecurity(flags))
  try {
    const result = await client.call(type, id, method, args, {
      ...(flags.timeout === undefined ? {} : { timeout: flags.timeout }),
      ...(flags.idempotencyKey === undefined ? {} : { idempotencyKey: flags.idempotencyKey }),
    })
    if (isStream(result)) for await (const item of result) print(jsonText(item))
    else if (result !== undefined) print(jsonText(result))
  } catch (error) {
    reportCallFailure(error)
  } finally {
    await client.close()
  }
}

const isStream = (value: unknown): value is AsyncIterable<unknown> =>
  typeof value === 'object' && value !== null && Symbol.asyncIterator in value

const print = (line: string): void => { process.stdout.write(`${line}\n`) }
