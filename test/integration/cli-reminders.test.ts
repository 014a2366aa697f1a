/** `troupe reminders`, `troupe sends` and `troupe call --idempotency-key`: lists, dead letters, and what is done to them. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { TestProcesses, type RunningHost } from './processes.ts'

const clerkApp = `
import { Actor } from 'troupe'
export class Clerk extends Actor {
  seen: unknown[] = []
  broken = true
  onReminder(name: string, data: unknown) { this.seen.push([name, data]) }
  tick(n: unknown) { this.seen.push(n) }
  explode() { if (this.broken) throw new Error('it\\n exploded'); this.seen.push('repaired') }
  repair() { this.broken = false }
  read() { return this.seen }
  slow() { return new Promise(resolve => { setTimeout(resolve, 60_000).unref() }) }
  add(n: number) { this.seen.push(n); return this.seen.length }
  order(id: string) { this.ctx.send(Clerk, id, { retry: { attempts: 1 } }).explode() }
}
export class Temp extends Actor {
  onReminder() {}
}
`

let processes: TestProcesses
let host: RunningHost
const troupe = (...args: string[]) => processes.run([...args, '--to', host.http])
const ok = async (...args: string[]): Promise<string> => {
  const { code, stdout, stderr } = await troupe(...args)
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' })
  return stdout
}
const setOver = (id: string, name: string, body: object) => fetch(`${host.http}/v1.0/actors/Clerk/${id}/reminders/${name}`, {
  method: 'PUT', body: JSON.stringify(body), signal: AbortSignal.timeout(10_000),
})
/** Runs a command until its output matches: what it shows follows the cluster by moments. */
const untilShown = async (pattern: RegExp, ...args: string[]): Promise<string> => {
  const deadline = performance.now() + 15_000
  for (;;) {
    const text = await ok(...args)
    if (pattern.test(text)) return text
    if (performance.now() > deadline) throw new Error(`troupe ${args.join(' ')} did not show ${pattern}, last:\n${text}`)
  }
}

beforeAll(async () => {
  processes = new TestProcesses()
  host = await processes.host('solo', { apps: [processes.write('clerk.ts', clerkApp)] })
})
afterAll(() => processes[Symbol.asyncDispose]())

describe('troupe reminders', () => {
  it('sets one, shows it, and deletes it', async () => {
    expect(await ok('reminders', 'Clerk/a', '--set', 'daily', '--cron', '0 3 * * *', '--tz', 'Europe/Berlin', '--method', 'tick', '--data', '5'))
      .toMatch(/^reminder daily of Clerk\/a is due \d{4}-\d\d-\d\dT0[12]:00:00Z\n$/)
    expect(await ok('reminders', 'Clerk/a', '--set', 'far away', '--at', '2099-01-01T00:00:00+01:00', '--data', '{"n":1}'))
      .toBe('reminder far away of Clerk/a is due 2098-12-31T23:00:00Z\n')
    const text = await ok('reminders', 'Clerk/a')
    expect(text).toMatch(/^NAME +SCHEDULE +DUE +COUNT +FAILURES\n/)
    expect(text).toMatch(/^daily +cron 0 3 \* \* \* \(Europe\/Berlin\) +\d{4}-\S+Z +0 +0$/m)
    expect(text).toMatch(/^far away +at 2098-12-31T23:00:00Z +2098-12-31T23:00:00Z +0 +0$/m)
    const lines = (await ok('reminders', 'Clerk/a', '--json')).trim().split('\n').map(line => JSON.parse(line) as Record<string, unknown>)
    expect(lines).toMatchObject([{ id: 'a', name: 'daily', method: 'tick', args: [5] }, { id: 'a', name: 'far away', args: [{ n: 1 }], due: '2098-12-31T23:00:00.000Z' }])
    expect(await ok('reminders', 'Clerk/a', '--delete', 'daily')).toBe('reminder daily of Clerk/a is deleted\n')
    expect(await ok('reminders', 'Clerk/a')).not.toContain('daily')
    expect(await troupe('reminders', 'Clerk/a', '--delete', 'daily')).toMatchObject({
      code: 1, stdout: '', stderr: expect.stringMatching(/^troupe: REMINDER_NOT_FOUND: there is no reminder daily of Clerk\/a/) as string,
    })
  })

  it('what is set fires, the hook or the method, with its data', async () => {
    await ok('reminders', 'Clerk/b', '--set', 'hello', '--in', '20ms', '--data', '{"n":[1]}')
    await ok('reminders', 'Clerk/b', '--set', 'tick', '--in', '20', '--method', 'tick', '--data', 'word')
    const text = await untilShown(/word.*hello|hello.*word/, 'call', 'Clerk/b', 'read')
    expect(JSON.parse(text)).toHaveLength(2)
    expect(JSON.parse(text)).toEqual(expect.arrayContaining([['hello', { n: [1] }], 'word']))
    expect(await ok('reminders', 'Clerk/b')).toBe('NAME  SCHEDULE  DUE  COUNT  FAILURES\n')
    expect(await ok('reminders', 'Clerk/b', '--json')).toBe('')
  })

  it('lists a type, and its dead letters, which can be retried', async () => {
    expect((await setOver('c', 'bang', { dueTime: '1ms', method: 'explode', failurePolicy: { drop: {} } })).status).toBe(204)
    expect((await setOver('d', 'later', { dueTime: '2099-01-01T00:00:00Z' })).status).toBe(204)
    const dead = await untilShown(/bang/, 'reminders', 'Clerk', '--dead')
    expect(dead).toMatch(/^ID +NAME +SCHEDULE +FAILED +COUNT +FAILURES +ERROR\n/)
    expect(dead).toMatch(/^c +bang +at \S+ +\d{4}-\S+Z +0 +1 +.*it exploded/m)
    expect(dead).not.toContain('later')
    expect(await ok('reminders', 'Clerk/c', '--dead')).toMatch(/^NAME +SCHEDULE +FAILED.*\nbang .*it exploded/)
    expect(await ok('reminders', 'Clerk/d', '--dead')).toBe('NAME  SCHEDULE  FAILED  COUNT  FAILURES  ERROR\n')
    const all = await ok('reminders', 'Clerk')
    expect(all).toMatch(/^c +bang .* dead +0 +1$/m)
    expect(all).toMatch(/^d +later /m)
    await ok('call', 'Clerk/c', 'repair')
    expect(await ok('reminders', 'Clerk/c', '--retry', 'bang')).toBe('reminder bang of Clerk/c is tried again\n')
    await untilShown(/repaired/, 'call', 'Clerk/c', 'read')
    expect(await troupe('reminders', 'Clerk/c', '--retry', 'bang')).toMatchObject({ code: 1, stderr: expect.stringMatching(/^troupe: REMINDER_NOT_FOUND: /) as string })
  })

  it('sets all that a schedule has, and overwrites nothing when told so', async () => {
    const all = ['--every', '1h', '--first', '2099-01-01T00:00:00Z', '--times', '5', '--until', '2099-01-02T00:00:00Z', '--missed', 'skip', '--attempts', '2', '--backoff', '250']
    expect(await ok('reminders', 'Clerk/f', '--set', 'r', ...all)).toBe('reminder r of Clerk/f is due 2099-01-01T00:00:00Z\n')
    expect(JSON.parse(await ok('reminders', 'Clerk/f', '--json'))).toMatchObject({ schedule: {
      every: 3_600_000, first: '2099-01-01T00:00:00.000Z', times: 5, until: '2099-01-02T00:00:00.000Z', missed: 'skip', retry: { attempts: 2, backoff: 250 },
    } })
    expect(await troupe('reminders', 'Clerk/f', '--set', 'r', '--in', '1h', '--no-overwrite')).toMatchObject({
      code: 1, stdout: '', stderr: expect.stringMatching(/^troupe: REMINDER_EXISTS: .*\n$/) as string,
    })
    expect(await ok('reminders', 'Clerk/f', '--set', 'other', '--at', '2099-01-01T00:00:00Z', '--no-overwrite', '--timeout', '20s')).toMatch(/is due 2099/)
  })

  it('of a reminder that goes on, the dead occurrence is tried again', async () => {
    expect((await setOver('g', 'each', { schedule: { every: 'P365D', first: 1, retry: { attempts: 1 } }, method: 'explode' })).status).toBe(204)
    await untilShown(/exploded/, 'reminders', 'Clerk/g', '--dead')
    expect(await ok('reminders', 'Clerk/g', '--retry', 'each'))
      .toMatch(/^reminder each of Clerk\/g: its dead occurrence is tried again; the reminder itself is due \d{4}-\S+Z\n$/)
  })

  it('deletes those of a whole type', async () => {
    for (const id of ['h', 'i']) await ok('reminders', `Temp/${id}`, '--set', 'r', '--in', '1h')
    await untilShown(/^i +r .*\n(.*\n)*h +r |^h +r .*\n(.*\n)*i +r /m, 'reminders', 'Temp')
    expect(await ok('reminders', 'Temp', '--delete-all')).toBe('2 reminders of Temp deleted\n')
    expect(await ok('reminders', 'Temp', '--delete-all')).toBe('0 reminders of Temp deleted\n')
    for (const id of ['h', 'i']) expect(await ok('reminders', `Temp/${id}`, '--json')).toBe('')
  })

  it('waits as long as it is told', async () => {
    const busy = fetch(`${host.http}/v1.0/actors/Clerk/busy/method/slow`, { method: 'POST', headers: { 'troupe-timeout': '3000' }, signal: AbortSignal.timeout(10_000) })
    // Answered after the call has come in.
    await ok('status')
    for (const command of ['reminders', 'sends']) {
      expect(await troupe(command, 'Clerk/busy', '--timeout', '200ms')).toMatchObject({ code: 1, stderr: expect.stringMatching(/^troupe: CALL_TIMEOUT: /) as string })
    }
    await busy
  })

  it('says what the host refuses', async () => {
    expect(await troupe('reminders', 'Clerk/a', '--set', 'r', '--in', '1h', '--method', 'absent')).toMatchObject({
      code: 1, stdout: '', stderr: expect.stringMatching(/^troupe: UNKNOWN_METHOD: .*absent.*\n$/) as string,
    })
    expect(await troupe('reminders', 'Nobody/a')).toMatchObject({ code: 1, stderr: expect.stringMatching(/^troupe: UNKNOWN_TYPE: /) as string })
    expect(await troupe('reminders', 'Nobody')).toMatchObject({ code: 1, stderr: expect.stringMatching(/^troupe: UNKNOWN_TYPE: /) as string })
    expect(await troupe('reminders', 'Clerk/a', '--set', 'a/b', '--in', '1h')).toMatchObject({ code: 1, stderr: expect.stringMatching(/^troupe: BAD_REQUEST: .*reminder/) as string })
    expect(await processes.run(['reminders', 'Clerk/a', '--to', 'http://127.0.0.1:1'])).toMatchObject({ code: 1, stderr: expect.stringMatching(/^troupe: PEER_UNREACHABLE: /) as string })
  })
})

describe('troupe sends', () => {
  it('shows dead letters, sends them again, drops them', async () => {
    await ok('call', 'Clerk/sender', 'order', 'target')
    const dead = await untilShown(/exploded/, 'sends', 'Clerk', '--dead')
    expect(dead).toMatch(/^FROM +NUMBER +TO +METHOD +FAILED +ERROR\n/)
    expect(dead).toMatch(/^sender +1 +Clerk\/target +explode +\d{4}-\S+Z +.*it exploded/m)
    expect(await ok('sends', 'Clerk/sender')).toMatch(/^NUMBER +TO +METHOD +STATE +FAILURES +LAST ERROR\n1 +Clerk\/target +explode +dead +1 +METHOD_FAILED: it exploded\n$/)
    expect(JSON.parse(await ok('sends', 'Clerk/sender', '--json'))).toMatchObject({ from: 'sender', number: 1, type: 'Clerk', id: 'target', method: 'explode' })
    expect(await ok('sends', 'Clerk/sender', '--retry', '1')).toBe('send 1 of Clerk/sender is sent again\n')
    await untilShown(/^2 .*exploded/m, 'sends', 'Clerk/sender', '--dead')
    expect(await ok('sends', 'Clerk/sender', '--delete', '2')).toBe('send 2 of Clerk/sender is dropped\n')
    expect(await ok('sends', 'Clerk/sender')).toMatch(/^NUMBER  TO  METHOD  STATE .*\n$/)
    expect(await troupe('sends', 'Clerk/sender', '--delete', '2')).toMatchObject({ code: 1, stderr: expect.stringMatching(/^troupe: NOT_FOUND: .* 2/) as string })
  })

  it('says when the type is unknown', async () => {
    expect(await troupe('sends', 'Nobody')).toMatchObject({ code: 1, stderr: expect.stringMatching(/^troupe: UNKNOWN_TYPE: /) as string })
  })
})

describe('troupe call --idempotency-key', () => {
  it('takes effect once, and refuses the key for another call', async () => {
    for (let i = 0; i < 2; i++) expect(await ok('call', 'Clerk/once', 'add', '5', '--idempotency-key', 'order-17')).toBe('1\n')
    expect(JSON.parse(await ok('call', 'Clerk/once', 'read'))).toEqual([5])
    expect(await troupe('call', 'Clerk/once', 'add', '6', '--idempotency-key', 'order-17')).toMatchObject({
      code: 1, stderr: expect.stringMatching(/^troupe: IDEMPOTENCY_CONFLICT: .*order-17.*\(executed: no, retryable: no\)\n$/) as string,
    })
  })
})
