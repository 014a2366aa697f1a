// Names in paths, rule by rule as the Dapr actor API reads them: what is legal, what is refused, what is cleaned.
import { expect, test } from 'vitest'
import { serve, RawSocket } from '../serving.ts'

interface Asked { readonly status: number; readonly message: string; readonly type?: string; readonly id?: string; readonly method?: string; readonly name?: unknown }

/** Raw: a client would clean the path itself. With what reached the host. */
async function asked(path: string, method = 'POST'): Promise<Asked> {
  const { port, dispatcher } = await serve()
  dispatcher.call = async request => { dispatcher.requests.push(request); return { value: 1, host: 'h', epoch: 1 } }
  dispatcher.operations['reminders.get'] = () => ({ name: 'n', schedule: { in: 1 }, args: [] })
  dispatcher.operations['timers.get'] = () => ({ name: 'n', callback: '', written: { dueTime: '', period: '', ttl: '' } })
  const socket = await RawSocket.open(port)
  const answer = await socket.write(`${method} ${path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n`).untilClosed()
  const body = Buffer.from(answer.slice(answer.indexOf('\r\n\r\n') + 4), 'latin1').toString()
  const { message = '' } = (body.startsWith('{') ? JSON.parse(body) : {}) as { message?: string }
  const { requests: [request], managed: [managed] } = dispatcher
  return { status: Number(answer.slice(9, 12)), message, ...request, ...(managed === undefined ? {} : { name: managed.args[0] }) }
}

const legal: readonly [written: string, name: string][] = [
  ['a%7Cb', 'a|b'], ['a|b', 'a|b'], ['a%7C%7Cb', 'a||b'], ['a@b', 'a@b'], ['a:b', 'a:b'], ['a%20b', 'a b'], ['a+b', 'a b'], ['a%2Bb', 'a+b'], ['%F0%9F%98%80', '😀'], ['%C3%A9', 'é'],
  ['a%25b', 'a%b'], ['a%252Fb', 'a%2Fb'], ['...', '...'], ['a..b', 'a..b'], ['a;b', 'a;b'], ["a'b", "a'b"], ['a%22b', 'a"b'], ['a%C2%80b', 'a\u0080b'],
]

test.each(legal)('%s is the legal id %j', async (written, id) => {
  expect(await asked(`/v1.0/actors/T/${written}/method/m`)).toMatchObject({ status: 200, type: 'T', id, method: 'm' })
})

test.each(legal)('%s is the legal type, reminder and timer %j', async (written, name) => {
  expect(await asked(`/v1.0/actors/${written}/i/method/m`)).toMatchObject({ status: 200, type: name, id: 'i' })
  expect(await asked(`/v1.0/actors/T/i/reminders/${written}`, 'GET')).toMatchObject({ status: 200, name })
  expect(await asked(`/v1.0/actors/T/i/timers/${written}`, 'GET')).toMatchObject({ status: 200, name })
})

const illegal = ['a%2Fb', 'a%5Cb', 'a\\b', 'a%23b', 'a#b', 'a%3Fb', '%00', 'a%00b', '%01', 'a%0Ab', 'a%0Db', 'a%1Fb', 'a%7Fb', '.', '..', '%2e', '%2E%2e', '%2F', '']

test.each(illegal)('%j is no id and no type', async written => {
  const id = await asked(`/v1.0/actors/T/${written}/method/m`)
  expect([id.status, id.id]).toEqual([400, undefined])
  expect(id.message).toMatch(/^invalid request: invalid actorId: /)
  const type = await asked(`/v1.0/actors/${written}/i/method/m`)
  expect([type.status, type.type]).toEqual([400, undefined])
  expect(type.message).toMatch(/^invalid request: invalid actorType: /)
})

test.each(illegal)('%j is no reminder and no timer', async written => {
  for (const kind of ['reminders', 'timers']) {
    for (const method of ['PUT', 'GET', 'DELETE']) {
      const answer = await asked(`/v1.0/actors/T/i/${kind}/${written}`, method)
      expect([kind, method, answer.status, answer.name]).toEqual([kind, method, 400, undefined])
    }
  }
})

test.each<[string, string]>([
  ['m', 'm'], ['a%2Fb', 'a/b'], ['admin%2F..%2Flegit', 'legit'], ['..%2Fm', 'm'], ['..%2F..%2F..%2Fm', 'm'], ['.%2Fm', 'm'], ['a%2F%2Fb', 'a/b'], ['a%2F.%2Fb', 'a/b'], ['a%2Fb%2F', 'a/b'],
  ['a+b', 'a b'], ['a%2Bb', 'a+b'], ['a%7Cb', 'a|b'], ['%F0%9F%98%80', '😀'], ['a%5Cb', 'a\\b'], ['...', '...'], ['a..', 'a..'], ['timer%2Ft1', 'timer/t1'], ['a%2F..%2F..%2F..%2Fother%2Fmethod%2Fx', 'other/method/x'],
  ['a%252F..%252Fb', 'a%2F..%2Fb'],
])('the method %s is %j', async (written, method) => {
  expect(await asked(`/v1.0/actors/T/i/method/${written}`)).toMatchObject({ status: 200, type: 'T', id: 'i', method })
})

test.each(['a%23b', 'a#b', 'a%3Fb', '%00', 'a%00b', 'a%0Ab', 'a%1Fb', 'a%7Fb', '.', '..', '%2e%2e', 'a%2F..', '..%2F..', ''])('%j is no method', async written => {
  const answer = await asked(`/v1.0/actors/T/i/method/${written}`)
  expect([answer.status, answer.method]).toEqual([400, undefined])
  expect(answer.message).toMatch(/^invalid request: invalid method: /)
})

test('a bare ? begins the query, which no name is part of', async () => {
  expect(await asked('/v1.0/actors/T/i/method/m?x=%2F..%2F&y=#z')).toMatchObject({ status: 200, id: 'i', method: 'm' })
})

test.each(['%', '%f', '%zz', '%ff', '%c3%28', '%ed%a0%80'])('%j is no percent-encoded UTF-8, and no name', async written => {
  for (const path of [`/v1.0/actors/T/${written}/method/m`, `/v1.0/actors/T/i/method/${written}`]) expect((await asked(path)).status).toBe(400)
})

test('a method in more than one segment is no route: nothing is joined, nothing is cleaned before it is split', async () => {
  for (const path of ['/v1.0/actors/T/i/method/a/b', '/v1.0/actors/T/i/../j/method/m', '/v1.0//actors/T/i/method/m', '/v1.0/actors/T/i/method/../method/m']) expect((await asked(path)).status, path).toBe(404)
})
