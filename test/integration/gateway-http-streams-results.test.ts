import { expect, test } from 'vitest'
import { ActorError } from '../../actors/errors.ts'
import { TroupeError } from '../../core/errors.ts'
import { pending, RawSocket, serve, within } from '../unit/gateway/serving.ts'

const path = '/v1.0/actors/Account/a/method/items'

test('an async generator is a body of JSON lines', async () => {
  const { url } = await serve({
    async *items() {
      yield { n: 1 }
      yield new Map([['a', 2n]])
      yield undefined
    },
  } as never)
  const response = await fetch(url + path)
  expect(response.headers.get('content-type')).toBe('application/x-ndjson')
  expect(response.headers.get('troupe-host')).toBe('h1')
  expect(await response.text()).toBe('{"n":1}\n{"a":2}\nnull\n')
})

test('items are sent as they come', async () => {
  const gate = pending()
  const { port } = await serve({ async *items() { yield 1; await gate.promise; yield 2 } } as never)
  const socket = await RawSocket.open(port)
  socket.write(`GET ${path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n`)
  expect(await socket.until(/\r\n1\n\r\n/)).not.toMatch(/\n2\n/)
  gate.resolve()
  await socket.until(/\n2\n/)
  await socket.untilClosed()
})

test('an error in the middle is the last line', async () => {
  class Broken extends ActorError<{ at: number }> { static readonly code = 'BROKEN'; static readonly status = 409 }
  const { url } = await serve({
    async *items(r: { args: readonly unknown[] }) {
      yield 1
      if (r.args[0] === 'author') throw new Broken({ at: 1 })
      throw new TroupeError('FENCED', 'Account/a moved')
    },
  } as never)
  const lines = async (body: string) => {
    const response = await fetch(url + path, { method: 'POST', body })
    return (await response.text()).trimEnd().split('\n').map(line => JSON.parse(line) as unknown)
  }
  const ours = { code: 'FENCED', message: 'Account/a moved', executed: 'unknown', retryable: true, status: 503 }
  expect(await lines('[]')).toMatchObject([1, { error: ours }])
  expect(await lines('["author"]')).toMatchObject([1, { error: { code: 'BROKEN', data: { at: 1 }, actorError: true, status: 409 } }])
})

test('an item that no encoding can carry ends the stream with an error and the actor hears of it', async () => {
  const left = pending()
  const { url } = await serve({ async *items() { try { yield () => 1 } finally { left.resolve() } } } as never)
  expect(JSON.parse(await (await fetch(url + path)).text())).toMatchObject({ error: { code: 'RESULT_NOT_ENCODABLE' } })
  await within(left.promise, 'the end of the generator')
})

test('a reader that does not read stops the generator, and is dropped after a while', async () => {
  let made = 0
  const left = pending()
  const items = async function* () {
    try {
      for (;;) {
        made++
        yield 'x'.repeat(100_000)
      }
    } finally {
      left.resolve()
    }
  }
  const { port } = await serve({ items }, { stallTimeout: 200 })
  const socket = await RawSocket.open(port)
  socket.socket.pause()
  socket.write(`GET ${path} HTTP/1.1\r\nhost: x\r\n\r\n`)
  await within(left.promise, 'the end of the generator')
  // What socket buffers hold; without backpressure it would never end.
  expect(made).toBeLessThan(500)
})

test('a client that leaves while there is no room for items ends the generator', async () => {
  const left = pending(), some = pending()
  const { port } = await serve({
    async *items() {
      try {
        for (let i = 0; ; i++) {
          yield 'x'.repeat(100_000)
          if (i === 3) some.resolve()
        }
      } finally {
        left.resolve()
      }
    },
  } as never)
  const socket = await RawSocket.open(port)
  socket.socket.pause()
  socket.write(`GET ${path} HTTP/1.1\r\nhost: x\r\n\r\n`)
  await within(some.promise, 'some items')
  socket.socket.destroy()
  await within(left.promise, 'the end of the generator')
})

test('a client that leaves while the generator waits ends it at once', async () => {
  const left = pending(), waiting = pending()
  const { port } = await serve({
    items: () => ({
      [Symbol.asyncIterator]: () => ({
        next: () => { waiting.resolve(); return new Promise(() => undefined) },
        return: () => { left.resolve(); return Promise.reject(new Error('even if that fails')) },
      }),
    }),
  })
  const socket = await RawSocket.open(port)
  socket.write(`GET ${path} HTTP/1.1\r\nhost: x\r\n\r\n`)
  await within(waiting.promise, 'the first item asked for')
  socket.socket.destroy()
  await within(left.promise, 'return()')
})

test('a stream that opens after its client left is ended', async () => {
  const left = pending(), entered = pending(), gate = pending()
  const { port } = await serve({
    items: async r => {
      entered.resolve()
      r.signal!.addEventListener('abort', () => gate.resolve())
      await gate.promise
      return { [Symbol.asyncIterator]: () => ({ next: () => new Promise(() => undefined), return: async () => left.resolve() }) }
    },
  })
  const socket = await RawSocket.open(port)
  socket.write(`GET ${path} HTTP/1.1\r\nhost: x\r\n\r\n`)
  await within(entered.promise, 'the call')
  socket.socket.destroy()
  await within(left.promise, 'return()')
})
