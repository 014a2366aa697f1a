// Rules of the Dapr actor API, end to end: state, the actor's own errors, chains, moves, missed runs and cancelled ones; strictly and by default where they differ.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { status as grpc } from '@grpc/grpc-js'
import { describe, expect, it, onTestFinished } from 'vitest'
import { ask } from './dapr-application.ts'
import { served, servedTwice, sharedStore, type Served } from './served-application.ts'

const both = [['by default', false], ['strictly', true]] as const
const actor = { actorType: 'Cart', actorId: '1' }
const answer = (text: string): [errorCode: string, message: string] => {
  const { errorCode, message } = JSON.parse(text) as { errorCode: string; message: string }
  return [errorCode, message]
}

describe('a state transaction', () => {
  const save = 'error saving actor transaction state'
  const refusals: readonly (readonly [what: string, body: string, status: number, errorCode: string, message: string | RegExp])[] = [
    ['no JSON', '{', 400, 'ERR_MALFORMED_REQUEST', /^failed deserializing HTTP body: /],
    ['no list', '{}', 400, 'ERR_MALFORMED_REQUEST', /^failed deserializing HTTP body: /],
    ['no key', '[{"operation":"upsert","request":{"value":1}}]', 500, 'ERR_ACTOR_STATE_TRANSACTION_SAVE', `${save}: missing key`],
    ['no operation', '[{"request":{"key":"k"}}]', 500, 'ERR_ACTOR_STATE_TRANSACTION_SAVE', `${save}: operation is empty`],
    ['nothing to do', '[{"operation":"upsert"}]', 500, 'ERR_ACTOR_STATE_TRANSACTION_SAVE', `${save}: request data is empty`],
    ['another operation', '[{"operation":"merge","request":{"key":"k"}}]', 500, 'ERR_ACTOR_STATE_TRANSACTION_SAVE', `${save}: operation type merge not supported`],
    ['a reserved type', '[]', 403, 'ERR_ACTOR_TYPE_RESERVED', 'actor type "dapr.internal.default.app.workflow" is reserved for the Dapr workflow runtime; direct actor API access is not permitted'],
    ['an actor that is not active', '[]', 400, 'ERR_ACTOR_INSTANCE_MISSING', 'actor instance is missing'],
  ]

  it.each(both)('%s, is refused with the code and text of what is wrong', async (_, strict) => {
    const { call, fails } = await served(undefined, { strict })
    for (const [what, body, status, errorCode, message] of refusals) {
      const reply = await call('POST', `/actors/${what === 'a reserved type' ? 'dapr.internal.default.app.workflow' : 'Cart'}/1/state`, body)
      expect([what, reply.status, ...answer(reply.text)]).toEqual([what, status, errorCode, typeof message === 'string' ? message : expect.stringMatching(message)])
      if (strict) expect(Object.keys(JSON.parse(reply.text))).toEqual(['errorCode', 'message'])
    }
    const operation = (more: object) => ({ ...actor, operations: [{ operationType: 'upsert', key: 'k', value: { type_url: '', value: Buffer.from('1') }, ...more }] })
    expect(await fails('executeActorStateTransaction', operation({ key: '' }))).toEqual([grpc.INTERNAL, `${save}: missing key`])
    expect(await fails('executeActorStateTransaction', operation({ operationType: 'merge' }))).toEqual([grpc.UNIMPLEMENTED, 'operation type merge not supported'])
    expect(await fails('executeActorStateTransaction', operation({}))).toEqual([grpc.INTERNAL, 'actor instance is missing'])
    expect(await fails('getActorState', { ...actor, actorType: 'dapr.internal.x', key: 'k' })).toMatchObject([grpc.PERMISSION_DENIED, expect.stringContaining('is reserved')])
  })

  it('is one, whatever door it comes by, and read back as it was written', async () => {
    const { app, call, rpc } = await served()
    app.on('http', async () => String((await call('PUT', '/actors/Cart/1/state', ' [ {"operation":"upsert","request":{"key":"a","value": { "z" : [ 1.0 ] } }}, {"operation":"upsert","request":{"key":"b","value":null}} ] ')).status))
      .on('grpc', async () => {
        const value = (text: string) => ({ type_url: '', value: Buffer.from(text) })
        await rpc('executeActorStateTransaction', { ...actor, operations: [{ operationType: 'upsert', key: 'c', value: value('{ "raw" }') }, { operationType: 'delete', key: 'a' }, { operationType: 'upsert', key: 'empty', value: value('') }] })
        return ''
      })
    expect((await call('POST', '/actors/Cart/1/method/http')).text).toBe('204')
    for (const [key, text] of [['a', '{"z":[1.0]}'], ['b', 'null']] as const) {
      const read = await call('GET', `/actors/Cart/1/state/${key}`)
      expect([read.status, read.text, read.headers.get('content-type')]).toEqual([200, text, 'application/json'])
      expect((await rpc('getActorState', { ...actor, key })).data.toString()).toBe(text)
    }
    expect((await call('POST', '/actors/Cart/1/method/grpc')).status).toBe(200)
    expect((await call('GET', '/actors/Cart/1/state/c')).text).toBe('{ "raw" }')
    for (const key of ['a', 'empty']) expect(await call('GET', `/actors/Cart/1/state/${key}`)).toMatchObject({ status: 204, text: '' })
  })

  it('may end values by itself, strictly only where the feature is enabled', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'troupe-config-'))
    onTestFinished(() => { rmSync(folder, { recursive: true, force: true }) })
    const file = join(folder, 'config.yaml')
    writeFileSync(file, 'apiVersion: dapr.io/v1alpha1\nkind: Configuration\nmetadata: { name: c }\nspec: { features: [{ name: ActorStateTTL, enabled: true }] }\n')
    const body = '[{"operation":"upsert","request":{"key":"k","value":1,"metadata":{"ttlInSeconds":"60"}}}]'
    for (const [setting, isTaken] of [[{ strict: false }, true], [{ strict: true }, false], [{ strict: true, configFiles: [file] }, true]] as const) {
      const { app, call, rpc } = await served(undefined, setting)
      app.on('save', async () => {
        const { status, text } = await call('POST', '/actors/Cart/1/state', body)
        const overGrpc = { ...actor, operations: [{ operationType: 'upsert', key: 'g', value: { type_url: '', value: Buffer.from('1') }, metadata: { ttlInSeconds: '60' } }] }
        return JSON.stringify([status, text, await rpc('executeActorStateTransaction', overGrpc).then(() => 'ok', ({ details }: { details: string }) => details)])
      })
      const [status, text, told] = JSON.parse((await call('POST', '/actors/Cart/1/method/save')).text) as [number, string, string]
      const refused = `${save}: ttlInSeconds is not supported without the "ActorStateTTL" feature enabled`
      if (!isTaken) {
        expect([status, answer(text)[1], told]).toEqual([500, refused, refused])
        continue
      }
      expect([status, told]).toEqual([204, 'ok'])
      const { headers } = await call('GET', '/actors/Cart/1/state/k')
      expect(headers.get('metadata.ttlExpireTime')).toMatch(/^\d{4}-\d\d-\d\dT.*Z$/)
      expect((await rpc('getActorState', { ...actor, key: 'g' })).metadata.ttlExpireTime).toMatch(/^\d{4}-\d\d-\d\dT.*Z$/)
    }
  })
})

it.each(both)('%s, an error of the actor\'s own is a reply like any other, from here and from another host, over both doors', async (_, strict) => {
  const { here, there, id } = await servedTwice({ entities: ['Cart'] }, { strict })
  there.app.on('own', () => ({ headers: { 'X-DaprErrorResponseHeader': 'true', 'content-type': 'application/json', 'x-mine': '1' }, body: '{"message":"no"}' }))
  for (const asked of [there, here]) {
    const { status, text, headers } = await asked.call('POST', `/actors/Cart/${id}/method/own`)
    expect([status, text, headers.get('x-daprerrorresponseheader'), headers.get('content-type'), headers.get('x-mine')]).toEqual([200, '{"message":"no"}', 'true', 'application/json', '1'])
    expect((await asked.rpc('invokeActor', { actorType: 'Cart', actorId: id, method: 'own' })).data.toString()).toBe('{"message":"no"}')
  }
  expect(there.app.of('/own')).toHaveLength(4)
})

describe('a chain of calls', () => {
  const reentrant = { entities: ['Cart', 'Few', 'Usual'], reentrancy: { enabled: true, maxStackDepth: 23 },
    entitiesConfig: [{ entities: ['Few'], reentrancy: { enabled: true, maxStackDepth: 5 } }, { entities: ['Usual'], reentrancy: { enabled: true } }] }
  /** Calls the next one of `path` with what is left of it. The innermost refusals are kept: each answer tells of those inside it. */
  const nesting = ({ app, http }: Served): string[] => {
    const refusals: string[] = []
    app.on('down', async ({ headers, body }) => {
      const [next, ...rest] = JSON.parse(body) as string[]
      if (next === undefined) return '"end"'
      const { status, text } = await ask(http, 'POST', `/actors/${next}/method/down`, JSON.stringify(rest), { 'dapr-reentrancy-id': String(headers['dapr-reentrancy-id']) })
      if (status === 200) return text
      if (!text.includes('refused inside')) refusals.push(text)
      return { status: 500, body: 'refused inside' }
    })
    return refusals
  }
  const down = ({ call }: Served, path: readonly string[]) => call('POST', `/actors/${path[0]}/method/down`, JSON.stringify(path.slice(1)))

  it.each(both)('%s, nests as deep as the configuration says, and the next call is refused', async (_, strict) => {
    const sidecar = await served(reentrant, { strict })
    const refusals = nesting(sidecar)
    for (const [type, most] of [['Cart', 23], ['Few', 5], ['Usual', 32]] as const) {
      const path = (length: number): string[] => Array.from({ length }, () => `${type}/1`)
      expect(await down(sidecar, path(most))).toMatchObject({ status: 200, text: '"end"' })
      sidecar.app.asked.length = 0
      const { status } = await down(sidecar, path(most + 1))
      expect([status, sidecar.app.asked.length]).toEqual([500, most])
    }
    expect(refusals.map(answer)).toEqual(Array(3).fill(['ERR_ACTOR_STACK_DEPTH', 'maximum stack depth exceeded']))
  })

  it('counts each actor by itself', async () => {
    const sidecar = await served(reentrant)
    const refusals = nesting(sidecar)
    const path = Array.from({ length: 10 }, (_, i) => `Few/${i % 2}`)
    expect(await down(sidecar, path)).toMatchObject({ status: 200, text: '"end"' })
    expect((await down(sidecar, [...path, 'Few/0'])).status).toBe(500)
    expect(refusals.map(answer)).toEqual([['ERR_ACTOR_STACK_DEPTH', 'maximum stack depth exceeded']])
  })

  it.each(both)('%s, is counted over hosts too', async (_, strict) => {
    const { here, there, id, ownId } = await servedTwice(reentrant, { strict }, 'Few')
    const refusals = [here, there].map(nesting)
    const path = Array.from({ length: 10 }, (_, i) => `Few/${i % 2 === 0 ? id : ownId}`)
    expect(await down(here, path)).toMatchObject({ status: 200, text: '"end"' })
    expect([here, there].map(({ app }) => app.of('/down').length)).toEqual([5, 5])
    expect((await down(here, [...path, `Few/${id}`])).status).toBe(500)
    expect(refusals.flat().map(answer)).toEqual([['ERR_ACTOR_STACK_DEPTH', 'maximum stack depth exceeded']])
  })

  it.each(both)('%s, that begins with a reminder comes back too', async (_, strict) => {
    const sidecar = await served(reentrant, { strict })
    nesting(sidecar)
    const ended = Promise.withResolvers<string>()
    sidecar.app.on('remind/r', async ({ headers }) => {
      const { text } = await ask(sidecar.http, 'POST', '/actors/Cart/2/method/down', '["Cart/1"]', { 'dapr-reentrancy-id': String(headers['dapr-reentrancy-id']) })
      ended.resolve(text)
      return ''
    })
    await sidecar.call('POST', '/actors/Cart/1/reminders/r', '{"dueTime":"0s"}')
    expect(await ended.promise).toBe('"end"')
  })
})

describe('a move of actors', () => {
  /** Calls that wait in their handlers while a second sidecar takes some of their actors. */
  async function moving(drainRebalancedActors: boolean) {
    const store = sharedStore()
    const config = { entities: ['Cart'], drainOngoingCallTimeout: '20s', drainRebalancedActors }
    const here = await served(config, { store })
    const held = Promise.withResolvers<void>()
    here.app.on('slow', async () => { await held.promise; return '"ended"' })
    const ids = Array.from({ length: 24 }, (_, i) => `a${i}`)
    const replies = new Map<string, string>()
    const calls = ids.map(id => here.call('POST', `/actors/Cart/${id}/method/slow`).then(({ text }) => { replies.set(id, text) }))
    await here.app.until(() => here.app.of('/slow').length === ids.length, 'all calls')
    const there = await served(config, { store })
    for (const [i, { app }] of [here, there].entries()) app.on('where', () => String(i))
    return { here, there, ids, replies, calls, release: held.resolve }
  }

  it('cuts calls under way at once where actors are not drained', async () => {
    const { here, there, ids, replies, calls, release } = await moving(false)
    await expect.poll(() => replies.size, { timeout: 15_000 }).toBeGreaterThan(0)
    const [moved] = [...replies.keys()]
    expect(JSON.parse(replies.get(moved!)!)).toMatchObject({ errorCode: 'ERR_ACTOR_RUNTIME_CLOSED', executed: 'unknown' })
    await expect.poll(async () => (await there.call('POST', `/actors/Cart/${moved}/method/where`)).text, { timeout: 15_000 }).toBe('1')
    // Its memory there is to be forgotten.
    await here.app.until(() => here.app.deactivated.includes(moved!), 'the application is told')
    release()
    await Promise.all(calls)
    expect([...replies.values()].filter(text => text === '"ended"').length).toBeLessThan(ids.length)
  })

  it('lets them end where they are, within the drain time', async () => {
    const { here, there, ids, replies, calls, release } = await moving(true)
    // It is a member, and some actors are on their way to it: calls of these wait.
    await expect.poll(async () => {
      const { hosts } = JSON.parse(await (await fetch(`${there.http}/troupe/v1/status`)).text()) as { hosts: { phase: string }[] }
      return hosts.filter(({ phase }) => phase === 'serving').length
    }, { timeout: 15_000 }).toBe(2)
    expect(replies.size).toBe(0)
    release()
    await Promise.all(calls)
    expect([...replies.values()]).toEqual(Array(ids.length).fill('"ended"'))
    expect(here.app.of('/slow')).toHaveLength(ids.length)
    await expect.poll(async () => {
      const places = await Promise.all(ids.map(async id => (await there.call('POST', `/actors/Cart/${id}/method/where`)).text))
      return places.includes('1')
    }, { timeout: 15_000 }).toBe(true)
  })
})

describe('a reminder', () => {
  it.each(both)('%s, whose runs were missed', async (_, strict) => {
    const { app, call } = await served(undefined, { strict })
    const late = Promise.withResolvers<void>()
    // Busy until all of it is over.
    app.on('remind/r', async () => { await late.promise; return '' })
    await call('POST', '/actors/Cart/1/reminders/r', '{"dueTime":"0s","period":"50ms","ttl":"475ms"}')
    await app.until(() => app.of('remind/r').length === 1, 'the first run')
    setTimeout(late.resolve, 600)
    await expect.poll(async () => (await call('GET', '/actors/Cart/1/reminders/r')).status, { timeout: 5000 }).toBe(404)
    // As one, or each of them.
    expect(app.of('remind/r')).toHaveLength(strict ? 10 : 2)
  })

  it.each(both)('%s, that the application wants no more of', async (_, strict) => {
    const { app, call } = await served(undefined, { strict })
    for (const route of ['remind/r', 'timer/t']) app.on(route, () => ({ headers: { 'X-DaprReminderCancel': 'true' } }))
    await call('POST', '/actors/Cart/1/reminders/r', '{"dueTime":"0s","period":"20ms"}')
    await call('POST', '/actors/Cart/1/timers/t', '{"dueTime":"0s","period":"20ms"}')
    const count = (): number[] => ['remind/r', 'timer/t'].map(route => app.of(route).length)
    if (strict) return app.until(() => count().every(times => times > 2), 'they go on')
    for (const path of ['reminders/r', 'timers/t']) await expect.poll(async () => (await call('GET', `/actors/Cart/1/${path}`)).status).toBe(404)
    expect(count()).toEqual([1, 1])
  })

  it.each(both)("%s, with a period of the calendar's", async (_, strict) => {
    const { call, fails, rpc } = await served(undefined, { strict })
    for (const period of ['P1D', 'P1M', 'R3/P1Y']) {
      const reply = await call('POST', '/actors/Cart/1/reminders/r', JSON.stringify({ period }))
      const about = { ...actor, name: 'g', period }
      if (!strict) {
        expect(reply.status).toBe(204)
        await rpc('registerActorReminder', about)
        continue
      }
      expect([reply.status, ...answer(reply.text)]).toEqual([500, 'ERR_ACTOR_REMINDER_CREATE', expect.stringMatching(/^error creating actor reminder: .*unsupported period format/)])
      expect(await fails('registerActorReminder', about)).toEqual([grpc.INTERNAL, expect.stringMatching(/^error creating actor reminder: .*unsupported period format/)])
    }
    // Timers know them in both.
    expect((await call('POST', '/actors/Cart/1/timers/t', '{"dueTime":"1000s","period":"P1D"}')).status).toBe(204)
  })
})
