/** Wrong flags, values and commands: exit code 2 and one line that names what is wrong and what would be right. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { exampleApp, TestProcesses } from './processes.ts'

let processes: TestProcesses
beforeAll(() => { processes = new TestProcesses() })
afterAll(() => processes[Symbol.asyncDispose]())

const refusals: readonly [name: string, args: readonly string[], says: RegExp, env?: Record<string, string>][] = [
  ['an unknown flag', ['host', 'app.ts', '--htp-port', '1'], /unknown option '--htp-port'; did you mean --http-port\?/],
  ['an unknown command', ['hots', 'app.ts'], /unknown command 'hots'; did you mean host\?/],
  ['a missing app file argument', ['host'], /missing required argument 'app'/],
  ['a missing actor', ['call'], /missing required argument 'actor'/],
  ['too many arguments', ['placement', 'extra'], /too many arguments/],
  ['a flag without its value', ['placement', '--port'], /'--port <port>' argument missing/],
  ['a port that is none', ['placement', '--port', '70000'], /'--port <port>' argument '70000' is invalid.*0 \(chosen by the system\) to 65535/],
  ['a negative port', ['host', 'app.ts', '--http-port', '-1'], /--http-port/],
  ['a duration that is none', ['host', 'app.ts', '--call-timeout', 'soon'], /--call-timeout.*'soon'.*write '500ms', '2s'/],
  ['a log level that is none', ['host', 'app.ts', '--log-level', 'loud'], /--log-level.*'loud'.*Allowed choices are trace, debug, info/],
  ['an address without a port', ['host', 'app.ts', '--placement', 'localhost'], /--placement.*"localhost" is no HOST:PORT/],
  ['a placement address to bind with a port', ['placement', '--listen', '127.0.0.1:50005'], /--listen.*'127\.0\.0\.1:50005'.*give the port with --port/],
  ['a host address to bind with a port', ['host', 'app.ts', '--listen', 'localhost:0'], /--listen.*'localhost:0'.*give the port with --port/],
  ['a dev address to bind with a port', ['dev', 'app.ts', '--listen', 'localhost:0'], /--listen.*'localhost:0'.*give the port with --http-port/],
  ['an argument that begins like JSON', ['call', 'Account/a', 'deposit', '{cents:5}'], /the argument \{cents:5\} begins like JSON and is none/],
  ['a weight out of range', ['host', 'app.ts', '--weight', '0'], /--weight.*number from 0.01 to 1000/],
  ['shard bits that are no whole number', ['host', 'app.ts', '--shard-bits', '1.5'], /--shard-bits.*whole number from 0 to 14/],
  ['an empty host id', ['host', 'app.ts', '--host-id', ''], /--host-id.*is empty/],
  ['a target that is no URL', ['status', '--to', 'localhost:3500'], /--to.*must be a URL such as http:\/\/127.0.0.1:3500/],
  ['an actor without an id', ['call', 'Account', 'deposit'], /"Account" names no actor; write TYPE\/ID/],
  ['a timeout of nothing', ['call', 'Account/a', 'total', '--timeout', '0'], /timeout: 0 is out of range/],
  ['an illegal id', ['call', 'Account/a/b', 'deposit'], /invalid actorId/],
  ['an idempotency key that is none', ['call', 'Account/a', 'total', '--idempotency-key', 'two words'], /--idempotency-key.*'two words'.*visible ASCII/],
  ['reminders of nothing', ['reminders'], /missing required argument 'target'/],
  ['an unknown flag of reminders', ['reminders', 'Account/a', '--deed'], /unknown option '--deed'; did you mean --dead\?/],
  ['a reminder without a time', ['reminders', 'Account/a', '--set', 'r'], /--set r: when is it due\? Give --cron, --every, --at or --in/],
  ['a reminder with two times', ['reminders', 'Account/a', '--set', 'r', '--in', '1s', '--every', '1s'], /--every and --in cannot be used together/],
  ['a schedule that is none', ['reminders', 'Account/a', '--set', 'r', '--every', 'soon'], /every "soon" is no length of time/],
  ['a time without a reminder', ['reminders', 'Account/a', '--every', '1s'], /--every belongs to --set NAME/],
  ['a first run beside a cron', ['reminders', 'Account/a', '--set', 'r', '--cron', '* * * * *', '--first', '1s'], /--first does not go with --cron, only with --every/],
  ['runs that are no number', ['reminders', 'Account/a', '--set', 'r', '--every', '1s', '--times', 'many'], /--times.*whole number from 1/],
  ['a policy that is none', ['reminders', 'Account/a', '--set', 'r', '--every', '1s', '--missed', 'never'], /--missed.*'never'.*Allowed choices are once, all, skip/],
  ['attempts that are none', ['reminders', 'Account/a', '--set', 'r', '--every', '1s', '--attempts', '0'], /--attempts.*whole number from 1 to 1000000/],
  ['a backoff too long', ['reminders', 'Account/a', '--set', 'r', '--every', '1s', '--backoff', '2h'], /--backoff "2h" is too long; write at most an hour/],
  ['an overwrite without a reminder', ['reminders', 'Account/a', '--no-overwrite'], /--no-overwrite belongs to --set NAME/],
  ['a timeout that is none', ['reminders', 'Account/a', '--timeout', 'soon'], /--timeout.*'soon'/],
  ['a timeout of no time', ['sends', 'Account', '--timeout', '0'], /timeout: 0 is out of range/],
  ['all reminders of one actor', ['reminders', 'Account/a', '--delete-all'], /--delete-all is about a type and "Account\/a" is an actor; write Account, or --delete NAME/],
  ['two actions at once', ['reminders', 'Account/a', '--delete', 'r', '--retry', 'r'], /--delete and --retry cannot be used together/],
  ['an action on a whole type', ['reminders', 'Account', '--delete', 'r'], /--delete is about one actor and "Account" is a type/],
  ['a send that is no number', ['sends', 'Account/a', '--retry', 'x'], /--retry.*whole number from 1/],
  ['sends of an illegal type', ['sends', 'a#b'], /invalid actorType.*write TYPE\/ID or TYPE/],
  ['a wrong environment variable', ['placement'], /'--port <port>' value 'x' from env 'TROUPE_PORT' is invalid/, { TROUPE_PORT: 'x' }],
  ['a store URL of an unknown kind', ['placement', '--port', '0', '--store', 'oracle://x'], /oracle/],
  ['a placement that would forget', ['placement', '--port', '0', '--store', 'memory:'], /memory: is gone with this process/],
  ['a cluster member whose state nobody else can read', ['host', exampleApp('counter.ts'), '--placement', '127.0.0.1:1', '--store', 'memory:', '--http-port', '0', '--grpc-port', 'off'], /belongs to this process alone/],
  ['a cluster member that nobody can reach', ['host', exampleApp('counter.ts'), '--store', 'redis://127.0.0.1:1', '--listen', '0.0.0.0', '--insecure', '--http-port', '0', '--grpc-port', 'off'], /--advertise/],
  ['a placement whose rows would be forgotten', ['placement', '--port', '0', '--cluster-store', 'memory:'], /cluster store memory: is gone with this process/],
  ['etcd as a store of actors', ['placement', '--port', '0', '--store', 'etcd://h:2379'], /etcd keeps the cluster's rows alone; give it as clusterStore \(--cluster-store\)/],
  ['etcd without a host', ['dev', exampleApp('counter.ts'), '--cluster-store', 'etcd:', '--http-port', '0', '--grpc-port', 'off'], /shape of an etcd URL/],
  ['a sidecar without a name', ['sidecar', '--app-port', '3000'], /--app-id is missing/],
  ['an unknown flag of a sidecar', ['sidecar', '-app-id', 'x', '-app-prt', '1'], /unknown option '--app-prt'; did you mean --app-port\?/],
  ['a sidecar with a command', ['sidecar', '--app-id', 'x', '--', 'python', 'app.py'], /too many arguments for 'sidecar'/],
  ['a boolean of daprd that is none', ['sidecar', '--app-id', 'x', '--enable-mtls=perhaps'], /--enable-mtls.*'perhaps'.*true or false/],
  ['a sidecar in Kubernetes mode', ['sidecar', '--app-id', 'x', '--mode', 'kubernetes'], /--mode kubernetes reads components/],
  ['a sidecar whose certificates nobody makes', ['sidecar', '--app-id', 'x', '--enable-mtls'], /--enable-mtls: .*--tls-ca/],
  ['a size that is none', ['sidecar', '--app-id', 'x', '--max-body-size', 'big'], /--max-body-size.*'big'.*size such as 4Mi/],
  ['a run file', ['run', '-f', 'dapr.yaml'], /--run-file is not read here/],
  ['an unknown flag before the command', ['run', '--app-prt', '3000', '--', 'node', 'app.js', '--x'], /unknown option '--app-prt'; did you mean --app-port\?/],
  ['a store URL that is none', ['placement', '--port', '0', '--store', 'nonsense'], /nonsense/],
]

/** Makes the process believe that it is an older Node, before the entry looks. */
const believes = (version: string): Record<string, string> => {
  const code = `Object.defineProperty(process, 'versions', { value: { ...process.versions, node: '${version}' } })`
  return { NODE_OPTIONS: `--import=data:text/javascript,${encodeURIComponent(code).replaceAll("'", '%27')}` }
}

describe('the command line on an older Node', () => {
  it.each(['18.20.0', '20.20.2', '22.17.1'])('%s says what it needs, in one line', async version => {
    const { code, stdout, stderr } = await processes.run(['--help'], { env: believes(version) })
    expect({ code, stdout, stderr }).toEqual({ code: 1, stdout: '', stderr: expect.stringMatching(/^troupe: needs Node 22\.18 or newer[^\n]+\n$/) as string })
  })

  it('starts from 22.18 on', async () => {
    expect(await processes.run(['--version'], { env: believes('22.18.0') })).toMatchObject({ code: 0 })
  })
})

describe('the command line refuses', () => {
  it.each(refusals)('%s', async (_name, args, says, env = {}) => {
    const { code, stdout, stderr } = await processes.run(args, { env })
    expect({ code, stdout, stderr }).toEqual({ code: 2, stdout: '', stderr: expect.stringMatching(says) as string })
    expect(stderr).toMatch(/^troupe: BAD_OPTION: [^\n]+\n$/)
  })
})
