// The reminder calls of the Dapr runtime API, by a client generated from the numbers of the standard.
import { Client, credentials, loadPackageDefinition, Metadata, status as grpc, type ServiceError } from '@grpc/grpc-js'
import { loadSync } from '@grpc/proto-loader'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import type { ReminderInfo } from '../../actors/actor-reminders.ts'
import { TroupeError } from '../../core/errors.ts'
import { silentLogger } from '../../core/logger.ts'
import { hostFacts } from '../../gateway/dapr/door-facts.ts'
import { grpcGateway, type GrpcGatewayOptions } from '../../gateway/grpc.ts'
import { TableDispatcher } from '../unit/gateway/table-dispatcher.ts'

/** As the standard declares it, `Any` and all: our own file is not used, so that its tricks cannot fool both sides. */
const standard = `
syntax = "proto3";
package dapr.proto.runtime.v1;
import "google/protobuf/any.proto";
import "google/protobuf/duration.proto";
import "google/protobuf/empty.proto";
service Dapr {
  rpc RegisterActorReminder(RegisterActorReminderRequest) returns (google.protobuf.Empty) {}
  rpc UnregisterActorReminder(OneRequest) returns (google.protobuf.Empty) {}
  rpc UnregisterActorRemindersByType(TypeRequest) returns (google.protobuf.Empty) {}
  rpc GetActorReminder(OneRequest) returns (Reminder) {}
  rpc ListActorReminders(TypeRequest) returns (ListResponse) {}
}
message JobFailurePolicy { oneof policy { Drop drop = 1; Constant constant = 2; } }
message Drop {}
message Constant { google.protobuf.Duration interval = 1; optional uint32 max_retries = 2; }
message RegisterActorReminderRequest {
  string actor_type = 1; string actor_id = 2; string name = 3; string due_time = 4; string period = 5; bytes data = 6; string ttl = 7;
  optional bool overwrite = 8; optional JobFailurePolicy failure_policy = 9;
}
message OneRequest { string actor_type = 1; string actor_id = 2; string name = 3; }
message TypeRequest { string actor_type = 1; optional string actor_id = 2; }
message Reminder { string actor_type = 1; string actor_id = 2; optional string due_time = 4; optional string period = 5; google.protobuf.Any data = 6; optional string ttl = 7; }
message Named { string name = 1; Reminder reminder = 2; }
message ListResponse { repeated Named reminders = 1; }
`

const DAY = Date.parse('2026-03-01T00:00:00Z')
const info = (name: string, more: Partial<ReminderInfo> = {}): ReminderInfo => ({
  name, schedule: { every: 1000, first: '2026-03-01T00:00:00.000Z', until: '2552-01-01T00:00:00.000Z' }, method: undefined, args: [], due: new Date(DAY), count: 0, failures: 0, dead: undefined, ...more,
})

async function serve(operations: TableDispatcher['operations'] = {}, options: Partial<GrpcGatewayOptions> = {}) {
  const dispatcher = new TableDispatcher({ m: () => 1 })
  Object.assign(dispatcher.operations, { 'reminders.setData': () => undefined, 'reminders.delete': () => true, ...operations })
  const gateway = grpcGateway({ port: 0, ...options })
  const { address } = await gateway.start(dispatcher, silentLogger)
  onTestFinished(() => gateway.stop(0))
  const folder = mkdtempSync(join(tmpdir(), 'troupe-proto-'))
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }))
  const file = join(folder, 'standard.proto')
  writeFileSync(file, standard)
  const { Dapr } = (loadPackageDefinition(loadSync(file, { oneofs: true })) as any).dapr.proto.runtime.v1
  const stub = new Dapr(address, credentials.createInsecure()) as Client & Record<string, any>
  onTestFinished(() => stub.close())
  const ask = (rpc: string, request: object, metadata = new Metadata()): Promise<any> => new Promise((resolve, reject) => {
    stub[rpc]({ actorType: 'Account', ...request }, metadata, { deadline: Date.now() + 5000 }, (error: ServiceError | null, value: unknown) => error ? reject(error) : resolve(value))
  })
  return { dispatcher, ask, address }
}
const caught = (promise: Promise<unknown>): Promise<ServiceError> => promise.then(() => { throw new Error('it did not fail') }, (error: ServiceError) => error)

test('a reminder is registered with what it says; bytes stay bytes', async () => {
  const { ask, dispatcher } = await serve()
  await ask('RegisterActorReminder', { actorId: 'a', name: 'r', dueTime: '1s', period: 'R5/PT10S', ttl: '1h', data: Buffer.from('"foo"'), overwrite: false })
  const [name, schedule, data, written] = dispatcher.managed[0]!.args as [string, Record<string, unknown>, unknown, unknown]
  expect([name, data]).toEqual(['r', { bytes: new Uint8Array(Buffer.from('"foo"')) }])
  expect(written).toEqual({ dueTime: '1s', period: 'R5/PT10S', ttl: '1h' })
  expect(schedule).toEqual({ every: 10_000, first: expect.any(Date) as Date, times: 5, until: expect.any(Date) as Date, overwrite: false })
  expect(dispatcher.managed[0]).toMatchObject({ type: 'Account', id: 'a', operation: 'reminders.setData' })
  expect(dispatcher.managed[0]!.timeoutMs).toBeLessThanOrEqual(5100)
  await ask('RegisterActorReminder', { actorId: 'a', name: 'r', period: '1s' })
  expect(dispatcher.managed[1]!.args).toEqual(['r', { every: 1000 }, undefined, { dueTime: '', period: '1s', ttl: '' }])
})

test.each<[object | undefined, object | undefined]>([
  [undefined, undefined],
  [{ drop: {} }, { attempts: 1 }],
  [{ constant: { interval: { seconds: 2, nanos: 500_000_000 }, maxRetries: 5 } }, { attempts: 6, backoff: 2500, constant: true }],
  [{ constant: { interval: { seconds: 1 } } }, { attempts: 1_000_000, backoff: 1000, constant: true }],
  [{ constant: { maxRetries: 0 } }, { attempts: 1, backoff: 0, constant: true }],
])('the failure policy %j is honoured', async (failurePolicy, retry) => {
  const { ask, dispatcher } = await serve()
  await ask('RegisterActorReminder', { actorId: 'a', name: 'r', period: '1s', failurePolicy })
  expect(dispatcher.managed[0]!.args[1]).toEqual(retry === undefined ? { every: 1000 } : { every: 1000, retry })
})

test('what was registered is shown, its data as JSON in a BytesValue', async () => {
  const { ask } = await serve({
    'reminders.get': r => ({ json: info('json', { args: [{ a: 1 }] }), bytes: info('bytes', { args: [new Uint8Array([1, 2, 3])] }), bare: info('bare', { schedule: { at: '2026-03-01T00:00:00.000Z' } }) })[r.args[0] as string],
  })
  const one = await ask('GetActorReminder', { actorId: 'a', name: 'json' })
  expect(one).toMatchObject({ actorType: 'Account', actorId: 'a', dueTime: '2026-03-01T00:00:00Z', period: '@every 1s', ttl: '2552-01-01T00:00:00Z' })
  expect(one.data.type_url ?? one.data.typeUrl).toBe('type.googleapis.com/google.protobuf.BytesValue')
  // Field 1, the text's length, the text.
  expect(one.data.value).toEqual(Buffer.from([0x0a, 7, ...Buffer.from('{"a":1}')]))
  expect((await ask('GetActorReminder', { actorId: 'a', name: 'bytes' })).data.value.subarray(2).toString()).toBe('"AQID"')
  const bare = await ask('GetActorReminder', { actorId: 'a', name: 'bare' })
  expect(bare).toMatchObject({ dueTime: '2026-03-01T00:00:00Z' })
  for (const field of ['period', 'ttl', 'data']) expect(bare[field] ?? undefined).toBeUndefined()
  expect(await caught(ask('GetActorReminder', { actorId: 'a', name: 'helloworld' }))).toMatchObject({ code: grpc.NOT_FOUND, details: 'actor reminder not found: helloworld' })
})

test('what was written is shown with its due time as it was written, and data of an application as its JSON', async () => {
  const written = { dueTime: 'PT1S', period: 'R5/PT1S', ttl: '1h' }
  const { ask } = await serve({ 'reminders.get': () => info('r', { written, json: '"ImZvbyI="' }), 'reminders.list': () => [info('r', { written: { ...written, dueTime: '' } })] })
  const one = await ask('GetActorReminder', { actorId: 'a', name: 'r' })
  expect(one).toMatchObject({ dueTime: 'PT1S', period: '@every 1s', ttl: '2552-01-01T00:00:00Z' })
  expect(one.data.value.subarray(2).toString()).toBe('"ImZvbyI="')
  const [bare] = (await ask('ListActorReminders', { actorId: 'a' })).reminders
  expect(bare.reminder.dueTime).toBeUndefined()
})

test('strict: reminders of types that this host does not run are refused, in the very words of the standard', async () => {
  const { ask, dispatcher } = await serve({}, { facts: { ...hostFacts(), strict: true } })
  for (const [rpc, request] of [
    ['RegisterActorReminder', { actorId: 'a', name: 'r', period: '1s' }], ['UnregisterActorReminder', { actorId: 'a', name: 'r' }], ['GetActorReminder', { actorId: 'a', name: 'r' }],
    ['ListActorReminders', {}], ['UnregisterActorRemindersByType', {}],
  ] as const) {
    const error = await caught(ask(rpc, { actorType: 'Other', ...request }))
    expect([rpc, error.code, error.details]).toEqual([rpc, grpc.PERMISSION_DENIED, 'operations on actor reminders are only possible on hosted actor types'])
  }
  expect(dispatcher.managed).toEqual([])
  expect(await caught(ask('RegisterActorReminder', { actorId: 'a', name: 'r', period: 'soon' }))).toMatchObject({ code: grpc.INTERNAL, details: expect.stringMatching(/^error creating actor reminder: /) as string })
})

test('lists are of one actor, or of the whole type', async () => {
  const { ask, dispatcher } = await serve({ 'reminders.list': r => r.id === 'a' ? [info('r1', { args: ['x'] }), info('r2')] : [] })
  expect((await ask('ListActorReminders', { actorId: 'a' })).reminders.map((r: any) => [r.name, r.reminder.actorId, r.reminder.period])).toEqual([['r1', 'a', '@every 1s'], ['r2', 'a', '@every 1s']])
  expect((await ask('ListActorReminders', { actorId: 'b' })).reminders ?? []).toEqual([])
  dispatcher.reminders = Array.from({ length: 500 }, (_, i) => ({ id: `i${i}`, ...info('r') }))
  expect((await ask('ListActorReminders', {})).reminders.length).toBe(500)
  expect(dispatcher.pages.map(page => page.cursor)).toEqual([undefined, '200', '400'])
})

test('a list that no message can hold says where it can be read', async () => {
  const { ask, dispatcher } = await serve({}, { maxMessageBytes: 10_000 })
  dispatcher.reminders = Array.from({ length: 100 }, (_, i) => ({ id: `i${i}`, ...info('r', { args: ['x'.repeat(1000)] }) }))
  expect(await caught(ask('ListActorReminders', {}))).toMatchObject({ code: grpc.RESOURCE_EXHAUSTED, details: expect.stringContaining('/troupe/v1/reminders/Account') as string })
})

test('deleting: one, those of an actor, those of a type', async () => {
  const { ask, dispatcher } = await serve({ 'reminders.list': () => [info('r1'), info('r2')] })
  await ask('UnregisterActorReminder', { actorId: 'a', name: 'none' })
  await ask('UnregisterActorRemindersByType', { actorId: 'a' })
  const deleted = () => dispatcher.managed.filter(r => r.operation === 'reminders.delete').map(r => `${r.id}/${String(r.args[0])}`)
  expect(deleted()).toEqual(['a/none', 'a/r1', 'a/r2'])
  dispatcher.reminders = Array.from({ length: 1500 }, (_, i) => ({ id: `i${i}`, ...info('r') }))
  await ask('UnregisterActorRemindersByType', {})
  expect(new Set(deleted()).size).toBe(1503)
})

test('errors have the codes and texts of the standard', async () => {
  const fails = (code: 'REMINDER_EXISTS' | 'STORE_UNAVAILABLE' | 'UNKNOWN_TYPE') => () => { throw new TroupeError(code, 'why') }
  const { ask } = await serve({ 'reminders.setData': fails('REMINDER_EXISTS'), 'reminders.get': fails('UNKNOWN_TYPE'), 'reminders.delete': fails('STORE_UNAVAILABLE') })
  const register = (request: object) => caught(ask('RegisterActorReminder', { actorId: 'a', name: 'reminder1', period: '1s', ...request }))
  expect(await register({ overwrite: false })).toMatchObject({ code: grpc.ALREADY_EXISTS, details: 'actor reminder already exists: reminder1' })
  expect(await caught(ask('GetActorReminder', { actorId: 'a', name: 'r' }))).toMatchObject({ code: grpc.PERMISSION_DENIED, details: expect.stringMatching(/^operations on actor reminders are only possible on hosted actor types/) as string })
  const lost = await caught(ask('UnregisterActorReminder', { actorId: 'a', name: 'r' }))
  expect(lost).toMatchObject({ code: grpc.UNAVAILABLE, details: 'error deleting actor reminder: why' })
  expect(lost.metadata.get('troupe-code')).toEqual(['STORE_UNAVAILABLE'])
  for (const bad of [{ name: '' }, { name: 'a/b' }, { actorId: '' }, { actorType: '..' }]) expect(await register(bad)).toMatchObject({ code: grpc.INVALID_ARGUMENT })
  for (const bad of [{ period: '' }, { period: 'soon' }, { period: '0' }, { dueTime: '2026-02-30T00:00:00Z' }, { failurePolicy: {} }, { failurePolicy: { constant: { interval: { seconds: 7200 } } } }, { failurePolicy: { constant: { interval: { seconds: -1 } } } }]) {
    const error = await register(bad)
    expect([bad, error.code, error.metadata.get('troupe-code')]).toEqual([bad, grpc.INVALID_ARGUMENT, ['BAD_SCHEDULE']])
    expect(error.metadata.get('troupe-executed')).toEqual(['no'])
    expect(error.details).toMatch(/^error creating actor reminder: schedule: /)
  }
  const key = new Metadata()
  key.set('idempotency-key', 'k')
  expect(await caught(ask('UnregisterActorReminder', { actorId: 'a', name: 'r' }, key))).toMatchObject({ code: grpc.INVALID_ARGUMENT })
})
