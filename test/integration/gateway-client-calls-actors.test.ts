import { once } from 'node:events'
import { createServer as createHttpServer } from 'node:http'
import { createServer, type AddressInfo } from 'node:net'
import { expect, onTestFinished, test } from 'vitest'
import { Actor } from '../../actors/actor.ts'
import { ActorError } from '../../actors/errors.ts'
import { TroupeError } from '../../core/errors.ts'
import { connect, type Client, type ClientOptions } from '../../gateway/client.ts'
import { aborted, pending, serve, within, type Serving } from '../unit/gateway/serving.ts'

class Account extends Actor {
  balance = 0
  deposit(cents: number): number { return this.balance += cents }
  async *entries(): AsyncGenerator<number> { yield this.balance }
}
class Insufficient extends ActorError<{ missing: bigint }> { static readonly code = 'INSUFFICIENT'; static readonly status = 409 }

function open(urls: string | readonly string[], options?: ClientOptions): Client {
  const client = connect(urls, options)
  onTestFinished(() => client.close())
  return client
}
const account = (serving: Serving, options?: ClientOptions) => open(serving.url, options).actor<Account>('Account', 'alice')
/** A port that refuses connections: it was free a moment ago. */
async function refusingUrl(): Promise<string> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  server.close()
  await once(server, 'close')
  return `http://127.0.0.1:${port}`
}
const failure = (promise: PromiseLike<unknown>): Promise<any> =>
  Promise.resolve(promise).then(() => { throw new Error('it did not fail') }, (error: unknown) => error)

test('a method of a reference is a call; values arrive as they are', async () => {
  const serving = await serve({ deposit: r => (r.args[0] as number) + 1, echo: r => r.args })
  const alice = account(serving)
  expect(await alice.deposit(5)).toBe(6)
  expect(serving.dispatcher.requests[0]).toMatchObject({ type: 'Account', id: 'alice', method: 'deposit', args: [5] })
  const values = [undefined, null, new Map([[1, new Set(['x'])]]), 10n ** 30n, new Date(5), new Uint8Array([1]), NaN, -0, { __proto__: null, a: undefined }]
  const echoed = await open(serving.url).actor('Account', 'a').echo!(...values) as unknown[]
  expect(echoed).toEqual(values)
  expect(Object.is(echoed[7], -0)).toBe(true)
})

test('undefined, no arguments, and large values travel', async () => {
  const { url } = await serve({
    nothing: r => r.args.length === 0 ? undefined : 'args',
    size: r => (r.args[0] as string).length,
    large: () => new Uint8Array(3e6).fill(7),
  })
  const ref = open(url).actor('Account', 'a')
  expect(await ref.nothing!()).toBeUndefined()
  expect(await ref.size!('x'.repeat(3e6))).toBe(3e6)
  expect((await ref.large!()) as Uint8Array).toEqual(new Uint8Array(3e6).fill(7))
})

test('a reference looks like nothing else', async () => {
  const serving = await serve()
  const ref = account(serving) as any
  expect(await ref).toBe(ref)
  for (const name of ['then', 'constructor', '__proto__', 'hasOwnProperty', 'valueOf', 'toJSON', Symbol.iterator, Symbol.asyncIterator, Symbol.toPrimitive]) {
    expect(ref[name], String(name)).toBeUndefined()
  }
  expect(`${ref}`).toBe('ActorRef(Account/alice)')
  expect(JSON.stringify({ ref })).toBe('{"ref":{}}')
  expect(ref.deposit).toBe(ref.deposit)
  expect(() => { ref.deposit = 1 }).toThrow(TypeError)
  expect(serving.dispatcher.requests).toEqual([])
})

test('ids that look like syntax stay what they are; illegal ones never leave', async () => {
  const serving = await serve({ m: () => null })
  const client = open(serving.url)
  const ids = ['__proto__', 'A||B', '{x}', '😀', 'e\u0301', '\u00e9', 'a b', 'a+b', 'a%2Fb', 'a%b', '...', "!'()*", 'x'.repeat(1024), '語'.repeat(341)]
  for (const id of ids) await client.actor('Account', id).m!()
  expect(serving.dispatcher.requests.map(r => r.id)).toEqual(ids)
  for (const id of ['', '.', '..', 'a/b', 'a\\b', 'a#b', 'a?b', 'a\u0000b', 'x'.repeat(1025), '\ud800']) {
    expect(() => client.actor('Account', id), id).toThrow(expect.objectContaining({ code: 'BAD_REQUEST' }))
    expect(await failure(client.call('Account', id, 'm', []))).toMatchObject({ code: 'BAD_REQUEST' })
  }
  expect(await failure(client.call('Account', 'a', '', []))).toMatchObject({ code: 'BAD_REQUEST' })
  expect(await failure(client.call('Account', 'a', '\ud800', []))).toMatchObject({ code: 'BAD_REQUEST' })
  expect(serving.dispatcher.requests.length).toBe(ids.length)
})

test('any method name can be called by name', async () => {
  const serving = await serve()
  const client = open(serving.url)
  for (const method of ['constructor', 'then', 'toString', '__proto__', 'a/b', 'with']) {
    expect(await failure(client.call('Account', 'a', method, []))).toMatchObject({ code: 'UNKNOWN_METHOD', executed: 'no' })
  }
  expect(serving.dispatcher.requests.map(r => r.method)).toEqual(['constructor', 'then', 'toString', '__proto__', 'a/b', 'with'])
})

test("Troupe's errors and author's errors come back as what they were", async () => {
  const serving = await serve({
    full: () => { throw new TroupeError('MAILBOX_FULL', 'wait', { retryAfterMs: 50, data: { n: 1 } }) },
    deposit: () => { throw new Insufficient({ missing: 2n ** 70n }, 'too little') },
    odd: () => { throw new Insufficient((() => 1) as never, 'no data travels') },
  })
  const ref = open(serving.url).actor('Account', 'a')
  const full = await failure(ref.full!())
  expect(TroupeError.is(full, 'MAILBOX_FULL')).toBe(true)
  expect(full).toMatchObject({ message: 'wait', executed: 'no', retryable: true, retryAfterMs: 50, data: { n: 1 } })
  const author = await failure(ref.deposit!(1))
  expect(Insufficient.is(author)).toBe(true)
  expect(author).toMatchObject({ code: 'INSUFFICIENT', message: 'too little', data: { missing: 2n ** 70n }, status: 409 })
  expect(await failure(ref.odd!())).toMatchObject({ code: 'INSUFFICIENT', message: 'no data travels', data: undefined })
})

test('arguments that cannot travel fail before anything is sent', async () => {
  const serving = await serve()
  expect(await failure(account(serving).deposit((() => 1) as never))).toMatchObject({ code: 'NOT_ENCODABLE', executed: 'no' })
  expect(serving.dispatcher.requests).toEqual([])
})

test('a timeout travels, is CALL_TIMEOUT, and cancels the call', async () => {
  const cancelled = pending()
  const serving = await serve({ deposit: async r => { await aborted(r.signal!); cancelled.resolve() } })
  const error = await failure(account(serving).with({ timeout: '50ms' }).deposit(1))
  expect(error).toMatchObject({ code: 'CALL_TIMEOUT', executed: 'unknown', retryable: true })
  expect(serving.dispatcher.requests[0]!.timeoutMs).toBe(50)
  await within(cancelled.promise, 'the abort')
  await failure(account(serving, { timeout: 70 }).deposit(1))
  expect(serving.dispatcher.requests[1]!.timeoutMs).toBe(70)
})

test("the host's own CALL_TIMEOUT, which knows more, comes first", async () => {
  const late = new TroupeError('CALL_TIMEOUT', 'it waited in the mailbox', { executed: 'no' })
  const serving = await serve({ deposit: r => new Promise((_, reject) => setTimeout(() => reject(late), r.timeoutMs)) })
  expect(await failure(account(serving).with({ timeout: 30 }).deposit(1))).toMatchObject({ code: 'CALL_TIMEOUT', executed: 'no' })
})

test('a signal cancels the call, before it is sent and after', async () => {
  const entered = pending(), cancelled = pending()
  const serving = await serve({ deposit: async r => { entered.resolve(); await aborted(r.signal!); cancelled.resolve() } })
  const alice = account(serving)
  expect(await failure(alice.with({ signal: AbortSignal.abort('never mind') }).deposit(1)))
    .toMatchObject({ code: 'CANCELLED', executed: 'no', cause: 'never mind' })
  expect(serving.dispatcher.requests).toEqual([])
  const abort = new AbortController()
  const call = failure(alice.with({ signal: abort.signal }).deposit(1))
  await within(entered.promise, 'the call')
  abort.abort()
  expect(await call).toMatchObject({ code: 'CANCELLED', executed: 'unknown' })
  await within(cancelled.promise, 'the abort')
})

test('a URL that refuses is passed over: nothing was sent', async () => {
  const serving = await serve({ deposit: r => r.args[0] })
  const ref = open([await refusingUrl(), serving.url, await refusingUrl()]).actor<Account>('Account', 'a')
  for (let i = 0; i < 6; i++) expect(await ref.deposit(i)).toBe(i)
  expect(serving.dispatcher.requests.length).toBe(6)
  const url = await refusingUrl()
  const error = await failure(open(url).actor('Account', 'a').m!())
  expect(error).toMatchObject({ code: 'PEER_UNREACHABLE', executed: 'no', retryable: true })
  expect(error.message).toContain(url)
  expect(await failure(open('http://no-such-host.invalid').actor('Account', 'a').m!())).toMatchObject({ code: 'PEER_UNREACHABLE', executed: 'no' })
})

test('several URLs are used in turn', async () => {
  const a = await serve({ m: () => 1 }), b = await serve({ m: () => 1 })
  const ref = open([a.url, b.url]).actor('Account', 'a')
  for (let i = 0; i < 10; i++) await ref.m!()
  expect([a.dispatcher.requests.length, b.dispatcher.requests.length]).toEqual([5, 5])
})

test('a connection lost in the middle is PEER_LOST, executed unknown, sent once', async () => {
  let requests = 0
  const server = createServer(socket => { socket.on('error', () => undefined).once('data', () => { requests++; socket.destroy() }) }).listen(0, '127.0.0.1')
  onTestFinished(() => { server.close() })
  await once(server, 'listening')
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  expect(await failure(open([url, url]).actor('Account', 'a').m!())).toMatchObject({ code: 'PEER_LOST', executed: 'unknown', retryable: true })
  expect(requests).toBe(1)
})

test('an answer that breaks off is PEER_LOST', async () => {
  const url = await strange(socket => socket.end('HTTP/1.1 200 OK\r\ncontent-type: application/x-msgpack\r\ncontent-length: 100\r\n\r\nabc'))
  expect(await failure(open(url).actor('Account', 'a').m!())).toMatchObject({ code: 'PEER_LOST', executed: 'unknown' })
})

test('answers that are not Troupe\'s are PROTOCOL', async () => {
  const answers = [
    ['text/html', '<h1>Bad gateway</h1>'], ['application/json', '{'], ['application/json', '{"error":"x"}'], ['application/x-msgpack', '\u00c1'],
  ]
  for (const [type, body] of answers) {
    const server = createHttpServer((_, response) => response.writeHead(502, { 'content-type': type! }).end(body, 'latin1')).listen(0, '127.0.0.1')
    onTestFinished(() => { server.close(); server.closeAllConnections() })
    await once(server, 'listening')
    const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
    expect(await failure(open(url).actor('Account', 'a').m!()), body).toMatchObject({ code: 'PROTOCOL', executed: 'unknown' })
  }
  const garbage = await strange(socket => socket.end('hello\r\n\r\n'))
  expect(await failure(open(garbage).actor('Account', 'a').m!())).toMatchObject({ code: 'PROTOCOL', executed: 'unknown' })
})

test('an answer over the limit is RESULT_TOO_LARGE', async () => {
  const { url } = await serve({ m: () => 'x'.repeat(5000) })
  expect(await failure(open(url, { maxReplyBytes: 1000 }).actor('Account', 'a').m!())).toMatchObject({ code: 'RESULT_TOO_LARGE', executed: 'yes' })
})

test('bad URLs and options are BAD_OPTION', async () => {
  for (const url of ['', 'nonsense', 'ftp://x', 'redis://x', 'http://u:p@x', 'http://x/?a=1', 'http://x/#a']) {
    expect(() => connect(url), url).toThrow(expect.objectContaining({ code: 'BAD_OPTION' }))
  }
  expect(() => connect([])).toThrow(expect.objectContaining({ code: 'BAD_OPTION' }))
  for (const options of [{ timeout: 'x' }, { timeout: 0 }, { connections: 0 }, { maxInFlight: 1.5 }, { maxReplyBytes: -1 }, { connectTimeout: '-1s' }]) {
    expect(() => connect('http://x', options), JSON.stringify(options)).toThrow(expect.objectContaining({ code: 'BAD_OPTION' }))
  }
  const ref = open('http://127.0.0.1:1').actor('Account', 'a')
  for (const options of [{ timeout: 'soon' }, { timeout: -1 }, { retries: 3 }, { signal: {} }]) {
    expect(() => ref.with(options as never), JSON.stringify(options)).toThrow(expect.objectContaining({ code: 'BAD_OPTION' }))
  }
})

test('a path in the URL stands before the routes', async () => {
  const paths: string[] = []
  const server = createHttpServer((request, response) => { paths.push(request.url!); response.writeHead(204).end() }).listen(0, '127.0.0.1')
  onTestFinished(() => { server.close(); server.closeAllConnections() })
  await once(server, 'listening')
  await open(`http://127.0.0.1:${(server.address() as AddressInfo).port}/troupe/`).actor('A', 'b').m!()
  expect(paths).toEqual(['/troupe/v1.0/actors/A/b/method/m'])
})

test('streams arrive item by item, by for await or by await', async () => {
  const gate = pending()
  const serving = await serve({ async *entries() { yield 1n; await gate.promise; yield new Map([[1, 2]]) } } as never)
  const ref = open(serving.url).actor('Account', 'a')
  const got: unknown[] = []
  for await (const item of ref.entries!() as AsyncIterable<unknown>) {
    got.push(item)
    gate.resolve()
  }
  expect(got).toEqual([1n, new Map([[1, 2]])])
  const again: unknown[] = []
  for await (const item of await ref.entries!() as AsyncIterable<unknown>) again.push(item)
  expect(again).toEqual(got)
})

test('leaving a stream ends it at the actor, also while it waits', async () => {
  const left: PromiseWithResolvers<void>[] = []
  const serving = await serve({
    async *entries(r: { signal: AbortSignal }) {
      const mine = pending()
      left.push(mine)
      try {
        yield 1
        await aborted(r.signal)
        yield 2
      } finally {
        mine.resolve()
      }
    },
  } as never)
  const alice = account(serving)
  for await (const item of alice.entries()) {
    expect(item).toBe(1)
    break
  }
  await within(left[0]!.promise, 'the end after break')
  const iterator = alice.entries()[Symbol.asyncIterator]()
  await iterator.next()
  const waiting = iterator.next()
  await iterator.return!()
  expect(await within(waiting, 'the end of the read')).toEqual({ done: true, value: undefined })
  await within(left[1]!.promise, 'the end after return')
  const abort = new AbortController()
  const reading = failure((async () => { for await (const _ of alice.with({ signal: abort.signal }).entries()) abort.abort() })())
  expect(await reading).toMatchObject({ code: 'CANCELLED' })
  await within(left[2]!.promise, 'the end after abort')
})

test('a reader that takes nothing holds the stream back', async () => {
  let made = 0
  const left = pending()
  const entries = async function* () {
    try {
      for (;;) {
        made++
        yield 'x'.repeat(100_000)
      }
    } finally {
      left.resolve()
    }
  }
  const serving = await serve({ entries }, { stallTimeout: 200 })
  const iterator = account(serving).entries()[Symbol.asyncIterator]()
  await iterator.next()
  // The server gives up on a reader for whom nothing moves: proof that the generator stood still.
  await within(left.promise, 'the end of the stalled stream')
  expect(made).toBeLessThan(500)
  await iterator.return!()
})

test('an error in a stream is raised after the items before it', async () => {
  const serving = await serve({ async *entries() { yield 1; throw new Insufficient({ missing: 3n }, 'gone') } } as never)
  const got: unknown[] = []
  const error = await failure((async () => { for await (const item of account(serving).entries()) got.push(item) })())
  expect(got).toEqual([1])
  expect(Insufficient.is(error)).toBe(true)
  expect(error).toMatchObject({ data: { missing: 3n }, status: 409 })
  const refused = await failure((async () => { for await (const _ of open(serving.url).actor('Account', 'a').unknown!() as AsyncIterable<unknown>); })())
  expect(refused).toMatchObject({ code: 'UNKNOWN_METHOD' })
})

test('a stream whose host dies is PEER_LOST, an item over the limit RESULT_TOO_LARGE, a value no stream', async () => {
  const serving = await serve({ async *entries() { yield 1; await new Promise(() => undefined) } } as never)
  const iterator = account(serving).entries()[Symbol.asyncIterator]()
  await iterator.next()
  const next = failure(iterator.next())
  await serving.gateway.stop(0)
  expect(await next).toMatchObject({ code: 'PEER_LOST', executed: 'unknown' })
  const other = await serve({ async *large() { yield 'x'.repeat(5000) }, deposit: () => 1 } as never)
  const ref = open(other.url, { maxReplyBytes: 1000 }).actor('Account', 'a')
  expect(await failure((async () => { for await (const _ of ref.large!()); })())).toMatchObject({ code: 'RESULT_TOO_LARGE' })
  expect(await failure((async () => { for await (const _ of ref.deposit!()); })())).toMatchObject({ code: 'PROTOCOL', executed: 'yes' })
})

test('status and location', async () => {
  const { url } = await serve()
  const client = open(url)
  expect(await client.status()).toMatchObject({ tableVersion: 3, hosts: [{ id: 'h1' }] })
  expect(await client.locate('Account', 'a')).toEqual({ shard: 5 })
  expect(await failure(client.locate('Other', 'a'))).toMatchObject({ code: 'UNKNOWN_TYPE' })
})

test('a closed client says so; its calls in flight are cancelled', async () => {
  const entered = pending()
  const { url } = await serve({ m: r => { entered.resolve(); return aborted(r.signal!) } })
  const client = open(url)
  const call = failure(client.actor('Account', 'a').m!())
  await within(entered.promise, 'the call')
  await client.close()
  expect(await call).toMatchObject({ code: 'CANCELLED', executed: 'unknown' })
  expect(await failure(client.actor('Account', 'a').m!())).toMatchObject({ code: 'CANCELLED', executed: 'no' })
})

test('more calls than allowed are refused; as many as allowed share few connections', async () => {
  const { url } = await serve({ m: r => r.args[0] })
  const client = open(url, { maxInFlight: 500, connections: 4 })
  const ref = client.actor('Account', 'a')
  const calls = Array.from({ length: 501 }, (_, i) => ref.m!(i) as Promise<unknown>)
  const settled = await Promise.allSettled(calls)
  expect(settled.slice(0, 500)).toEqual(Array.from({ length: 500 }, (_, value) => ({ status: 'fulfilled', value })))
  expect(settled[500]).toMatchObject({ status: 'rejected', reason: { code: 'OVERLOADED', executed: 'no' } })
})

/** The URL of a server that answers every connection's first bytes by `answer`. */
async function strange(answer: (socket: import('node:net').Socket) => void): Promise<string> {
  const server = createServer(socket => { socket.on('error', () => undefined).once('data', () => answer(socket)) }).listen(0, '127.0.0.1')
  onTestFinished(() => { server.close() })
  await once(server, 'listening')
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`
}
