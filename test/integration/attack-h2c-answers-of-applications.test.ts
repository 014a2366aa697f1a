// Whatever headers an application answers with, a client of HTTP/2 gets its answer, and the host goes on.
import { connect, type IncomingHttpHeaders } from 'node:http2'
import { expect, onTestFinished, test } from 'vitest'
import { serve, within } from '../unit/gateway/serving.ts'
import { Answered } from '../unit/gateway/table-dispatcher.ts'

async function answeredWith(headers: readonly string[]): Promise<{ headers: IncomingHttpHeaders; text: string; next: number }> {
  const { url, dispatcher } = await serve({ echo: () => new Answered('hello', ...headers) })
  dispatcher.apps.add('Account')
  const client = connect(url).on('error', () => undefined)
  onTestFinished(() => client.destroy())
  const ask = async (path: string): Promise<{ headers: IncomingHttpHeaders; text: string }> => {
    const stream = client.request({ ':path': path, ':method': path.endsWith('healthz') ? 'GET' : 'POST' }, { endStream: true })
    let got: IncomingHttpHeaders = {}
    let text = ''
    stream.setEncoding('utf8').on('response', head => { got = head }).on('data', (part: string) => { text += part }).on('error', () => undefined)
    await within(new Promise<void>(resolve => stream.once('close', () => resolve())), 'the answer')
    return { headers: got, text }
  }
  const answer = await ask('/v1.0/actors/Account/a/method/echo')
  return { ...answer, next: Number((await ask('/v1.0/healthz')).headers[':status']) }
}

test.each([
  ['etag', ['etag', 'a', 'etag', 'b'], 'a, b'],
  ['content-type', ['content-type', 'a/b', 'content-type', 'c/d'], 'a/b, c/d'],
  ['x-any', ['x-any', '1', 'x-any', '2', 'x-any', '3'], '1, 2, 3'],
  ['location', ['location', '/a', 'set-cookie', 'x=1', 'location', '/b', 'set-cookie', 'y=2'], '/a, /b'],
])('%s given several times', async (name, headers, joined) => {
  const answer = await answeredWith(headers)
  expect(answer).toMatchObject({ text: 'hello', headers: { ':status': 200, [name]: joined }, next: 204 })
  if (headers.includes('set-cookie')) expect(answer.headers['set-cookie']).toEqual(['x=1', 'y=2'])
})

test.each([
  [[':status', '500', 'x-ok', '1']],
  [['x\r\ny', 'z', 'x-ok', '1']],
  [['x-bad', 'a\r\nx-forged: b', 'x-ok', '1']],
  [['transfer-encoding', 'chunked', 'content-length', '1', 'connection', 'close', 'upgrade', 'h2c', 'te', 'x', 'http2-settings', 'y', 'x-ok', '1']],
  [['__proto__', 'x', 'constructor', 'y', 'x-ok', '1']],
])('what is no header of an answer: %j', async headers => {
  const answer = await answeredWith(headers)
  expect(answer).toMatchObject({ text: 'hello', headers: { ':status': 200, 'x-ok': '1', 'content-length': '5' }, next: 204 })
  expect(Object.keys(answer.headers)).not.toContain('x-forged')
})
