import { describe, expect, test } from 'vitest'
import { Actor, type ActorOptions } from '../../../index.ts'
import { LocalCall } from '../../../actors/invocation.ts'
import { Mailbox } from '../../../runtime/activation/mailbox.ts'
import { hostOf } from './running-host.ts'
import { Signal } from './signal.ts'

const began = new Map<string, number>()
const gate = { open: new Signal() }

class Desk extends Actor {
  static readonly options: ActorOptions = { mailbox: 10_000, mailboxBytes: 10_000 }
  async wait(): Promise<void> {
    await gate.open.wait()
  }
  take(_: unknown): number {
    return this.#note()
  }
  /** Keeps the thread, as a turn that computes does. */
  compute(ms: number): number {
    for (const end = performance.now() + ms; performance.now() < end;);
    return this.#note()
  }
  async slow(ms: number): Promise<number> {
    await new Promise(resolve => setTimeout(resolve, ms))
    return this.#note()
  }
  #note(): number {
    const count = (began.get(this.ctx.id) ?? 0) + 1
    began.set(this.ctx.id, count)
    return count
  }
}

const settled = async (calls: readonly Promise<unknown>[]) =>
  (await Promise.allSettled(calls)).map(it => it.status === 'fulfilled' ? 'ok' : (it.reason as { code: string }).code)

describe('a waiting call whose time is over', () => {
  test('is never started, though the wheel of deadlines could not turn meanwhile', async () => {
    const host = await hostOf([Desk])
    const desk = host.actor(Desk, 'late')
    await desk.take(0)
    const first = desk.slow(20)
    const computing = desk.compute(300)
    const impatient = Array.from({ length: 5 }, () => desk.with({ timeout: 100 }).take(1))
    const patient = desk.take(1)
    expect(await settled(impatient)).toEqual(Array(5).fill('CALL_TIMEOUT'))
    await Promise.all([first, computing, patient])
    expect(began.get('late')).toBe(4)
    await expect(impatient[0]).rejects.toMatchObject({ executed: 'no' })
  })
})

describe('a call that cannot have its turn in time', () => {
  test('is refused at once when the pace of the queue is known, and those with more time wait', async () => {
    const host = await hostOf([Desk])
    const desk = host.actor(Desk, 'queue')
    // The pace is that of calls which others wait behind.
    const queue = Array.from({ length: 60 }, () => desk.slow(10))
    await Promise.all(queue.slice(0, 25))
    const before = performance.now()
    const refused = desk.with({ timeout: 100 }).slow(10)
    await expect(refused).rejects.toMatchObject({ code: 'OVERLOADED', executed: 'no', retryable: true, message: expect.stringMatching(/Desk\/queue: \d+ calls are waiting, which takes about \d+ ms/) })
    expect(performance.now() - before).toBeLessThan(50)
    expect(((await refused.catch((error: { retryAfterMs: number }) => error)) as { retryAfterMs: number }).retryAfterMs).toBeGreaterThanOrEqual(100)
    await desk.with({ timeout: 20_000 }).slow(1)
    await Promise.all(queue)
  })

  test('is not refused by a queue of which too little is known', async () => {
    const host = await hostOf([Desk])
    const desk = host.actor(Desk, 'unknown')
    const queue = Array.from({ length: 10 }, () => desk.slow(30))
    await queue[2]
    expect(await settled([desk.with({ timeout: 60 }).take(1)])).toEqual(['CALL_TIMEOUT'])
    await Promise.all(queue)
  })
})

describe('a mailbox', () => {
  test('is bounded in bytes, of what waits', async () => {
    gate.open = new Signal()
    const host = await hostOf([Desk])
    const desk = host.actor(Desk, 'bytes')
    await desk.take(0)
    const running = desk.wait()
    await desk.with({ timeout: 50 }).take(new Uint8Array(9_000)).catch(() => undefined)
    const waiting = [desk.take(new Uint8Array(6_000)), desk.take('x'.repeat(4_000)), desk.take(1)]
    await expect(desk.take('y')).rejects.toMatchObject({
      code: 'MAILBOX_FULL', executed: 'no', retryable: true, message: expect.stringContaining('the arguments of 3 waiting calls take 10000 bytes, its mailbox holds 10000'),
    })
    gate.open.fire()
    expect(await settled([running, ...waiting])).toEqual(['ok', 'ok', 'ok', 'ok'])
    await desk.take('y')
  })

  test('takes one call of any size when nothing waits', async () => {
    gate.open = new Signal()
    const host = await hostOf([Desk])
    const desk = host.actor(Desk, 'large')
    await desk.take(0)
    const running = desk.wait()
    const large = desk.take(new Uint8Array(50_000))
    await expect(desk.take('y')).rejects.toMatchObject({ code: 'MAILBOX_FULL' })
    gate.open.fire()
    await Promise.all([running, large])
  })

  test('counts the bytes of those who give up, are taken out of turn, or all at once, no more', () => {
    const mailbox = new Mailbox()
    const call = (bytes: number) => Object.assign(new LocalCall({ typeName: 'A', id: 'a', methodName: 'm', args: [], timeoutMs: 1, parent: undefined }, () => undefined, () => undefined), { bytes, keeper: mailbox })
    const calls = Array.from({ length: 200 }, () => call(10))
    for (const each of calls) mailbox.push(each)
    expect(mailbox.bytes).toBe(2000)
    for (const each of calls.slice(0, 150)) each.abandon('CANCELLED', 'the caller gave up')
    expect([mailbox.size, mailbox.bytes]).toEqual([50, 500])
    mailbox.takeFirst(each => each === calls[199])
    mailbox.peek()
    mailbox.shift(1)
    expect([mailbox.size, mailbox.bytes]).toEqual([48, 480])
    mailbox.takeAll()
    expect([mailbox.size, mailbox.bytes]).toEqual([0, 0])
  })

  test('knows its pace while calls wait, and forgets the time in which none did', () => {
    const mailbox = new Mailbox()
    const push = (count: number): void => {
      for (let i = 0; i < count; i++) mailbox.push(new LocalCall({ typeName: 'A', id: 'a', methodName: 'm', args: [], timeoutMs: 1, parent: undefined }, () => undefined, () => undefined))
    }
    const shift = (nowMs: number): void => {
      mailbox.peek()
      mailbox.shift(nowMs)
    }
    push(30)
    for (let i = 0; i < 16; i++) shift(i * 10)
    expect(mailbox.expectedMs).toBeUndefined()
    for (let i = 16; i < 30; i++) shift(i * 10)
    push(4)
    expect(mailbox.expectedMs).toBeCloseTo(50)
    shift(1_000_000)
    shift(1_000_010)
    expect(mailbox.expectedMs).toBeCloseTo(30)
  })
})
