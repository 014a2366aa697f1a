/** Durable sends to a type whose only host is killed wait for it to come back, then come once, in order. */
import { expect, it } from 'vitest'
import { connect } from '../../gateway/client.ts'
import { call, repeat } from './crash-ledger.ts'
import { TestProcesses } from './processes.ts'

const near = `
import { Actor } from 'troupe'
export class Near extends Actor {
  sent = 0
  send(count) {
    const far = this.ctx.send('Far', this.ctx.id, { retry: { attempts: 2, backoff: 5 } })
    for (let i = 0; i < count; i++) far.take(++this.sent)
  }
}
`
const far = `
import { Actor } from 'troupe'
export class Far extends Actor {
  got = []
  take(n) { this.got.push(n) }
  read() { return this.got }
}
`

it('the only host of a type is killed and comes back', async () => {
  await using processes = new TestProcesses()
  const { address: placement } = await processes.placement()
  const apps = { near: [processes.write('near.js', near)], far: [processes.write('far.js', far)] }
  const a = await processes.host('a', { apps: apps.near, placement })
  let b = await processes.host('b', { apps: apps.far, placement })
  const numbers = (count: number): number[] => Array.from({ length: count }, (_, i) => i + 1)
  const came = (id: string, count: number) => repeat(`${count} came to ${id}`, async () => {
    const got = await call<number[]>(b.http, 'Far', id, 'read')
    return got.length >= count && got
  })
  await call(a.http, 'Near', 'x', 'send', 10)
  expect(await came('x', 10)).toEqual(numbers(10))
  // In the middle of many, and others while nobody runs the type.
  await call(a.http, 'Near', 'x', 'send', 500)
  await b.process.stop('SIGKILL')
  await call(a.http, 'Near', 'x', 'send', 10)
  await call(a.http, 'Near', 'y', 'send', 10)
  b = await processes.host('b', { apps: apps.far, placement })
  expect(await came('x', 520)).toEqual(numbers(520))
  expect(await came('y', 10)).toEqual(numbers(10))
  const client = connect(a.http)
  try {
    await repeat('no row is left', async () => (await client.sends('Near')).sends.length === 0)
  } finally {
    await client.close()
  }
})
