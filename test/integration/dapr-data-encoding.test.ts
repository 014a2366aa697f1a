// What is registered over HTTP or gRPC, as data of a reminder or a timer, and what the application receives: byte for byte (data encoding matrix of the Dapr actor API).
import { expect, it } from 'vitest'
import { served } from './served-application.ts'

/** Registered; received as a member of the callback's body when it came over HTTP, and over gRPC. */
const matrix: readonly (readonly [registered: string | undefined, http: string, grpc: string])[] = [
  [undefined, '', ''],
  ['"foo"', '"data":"foo",', '"data":"ImZvbyI=",'],
  ['{  "foo": [ 12, 4 ] }', '"data":{"foo":[12,4]},', '"data":"eyAgImZvbyI6IFsgMTIsIDQgXSB9",'],
  ['true', '"data":true,', '"data":"dHJ1ZQ==",'],
  ['123', '"data":123,', '"data":"MTIz",'],
  ['[]', '"data":[],', '"data":"W10=",'],
  ['null', '"data":null,', '"data":"bnVsbA==",'],
  // What a parser would change.
  ['{"b":1.0,"a":12345678901234567890,"b":"\\u00e9"}', '"data":{"b":1.0,"a":12345678901234567890,"b":"\\u00e9"},', '"data":"eyJiIjoxLjAsImEiOjEyMzQ1Njc4OTAxMjM0NTY3ODkwLCJiIjoiXHUwMGU5In0=",'],
]

it.each([false, true])('registered and received (strict: %s)', async strict => {
  const { app, call, rpc } = await served({ entities: ['Cart'] }, { strict })
  for (let i = 0; i < matrix.length; i++) for (const kind of ['remind', 'timer']) for (const door of ['http', 'grpc']) app.on(`${kind}/${door}-${i}`, () => '')
  for (const [i, [registered]] of matrix.entries()) {
    const body = (more: object): string => `${JSON.stringify(more).slice(0, -1)}${registered === undefined ? '' : `,"data": ${registered}`}}`
    expect((await call('POST', `/actors/Cart/1/reminders/http-${i}`, body({ dueTime: '0s' }))).status).toBe(204)
    expect((await call('PUT', `/actors/Cart/1/timers/http-${i}`, body({ dueTime: '0s', callback: '' }))).status).toBe(204)
    const about = { actorType: 'Cart', actorId: '1', name: `grpc-${i}`, dueTime: '0s', ...registered === undefined ? {} : { data: Buffer.from(registered) } }
    await rpc('registerActorReminder', about)
    await rpc('registerActorTimer', { ...about, callback: 'cb', period: '1h' })
  }
  await app.until(() => app.asked.length >= 4 * matrix.length, 'all callbacks')
  for (const [i, [, overHttp, overGrpc]] of matrix.entries()) {
    const received = (name: string): string => app.of(name)[0]!.body
    expect(received(`remind/http-${i}`)).toBe(`{${overHttp}"dueTime":"","period":""}`)
    expect(received(`timer/http-${i}`)).toBe(`{${overHttp}"callback":"","dueTime":"0s","period":""}`)
    expect(received(`remind/grpc-${i}`)).toBe(`{${overGrpc}"dueTime":"","period":""}`)
    expect(received(`timer/grpc-${i}`)).toBe(`{${overGrpc}"callback":"cb","dueTime":"0s","period":"1h"}`)
  }
  for (const { headers } of app.asked) expect(headers['content-type']).toBe('application/json')
})

it.each([false, true])('shown again as it was received (strict: %s)', async strict => {
  const { app, call, rpc } = await served({ entities: ['Cart'] }, { strict })
  const far = { dueTime: '1000s', period: '10s' }
  app.on('where', () => '')
  const textOf = (any: { value: Buffer } | null): string | undefined => any === null ? undefined : any.value.subarray(2).toString()
  for (const [i, [registered, overHttp, overGrpc]] of matrix.slice(0, 7).entries()) {
    const body = `${JSON.stringify(far).slice(0, -1)}${registered === undefined ? '' : `,"data":${registered}`}}`
    const about = { actorType: 'Cart', actorId: '1', ...far, ...registered === undefined ? {} : { data: Buffer.from(registered) } }
    await call('POST', `/actors/Cart/1/reminders/http-${i}`, body)
    await call('POST', `/actors/Cart/1/timers/http-${i}`, body)
    await rpc('registerActorReminder', { ...about, name: `grpc-${i}` })
    await rpc('registerActorTimer', { ...about, name: `grpc-${i}` })
    for (const [name, field] of [[`http-${i}`, overHttp], [`grpc-${i}`, overGrpc]] as const) {
      const data = field === '' ? undefined : field.slice('"data":'.length, -1)
      for (const [kind, get] of [['reminders', 'getActorReminder'], ['timers', 'getActorTimer']] as const) {
        const { text } = await call('GET', `/actors/Cart/1/${kind}/${name}`)
        if (data === undefined) expect(text).not.toContain('"data"')
        else expect(text).toContain(`"data":${data}`)
        const shown = await rpc(get, { actorType: 'Cart', actorId: '1', name })
        expect([shown.dueTime, shown.period, textOf(shown.data)]).toEqual(['1000s', '@every 10s', data])
      }
    }
  }
})
