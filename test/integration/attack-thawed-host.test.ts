/**
 * A host frozen for longer than the cluster waits: others take over its actors. When it thaws it acknowledges no write of its
 * old life, says so in its log, joins again under its name, and serves what it is then given.
 */
import { expect, test } from 'vitest'
import { callHttp, TestProcesses, type HttpReply } from './processes.ts'

test('a thawed host stores nothing stale, answers typed, and takes its place again', async () => {
  await using processes = new TestProcesses()
  const { address } = await processes.placement()
  const [a, b] = await Promise.all(['a', 'b'].map(name => processes.host(name, { placement: address })))
  const ids: string[] = []
  for (let i = 0; i < 40 && ids.length < 12; i++) {
    if ((await callHttp(a!.http, 'Counter', `t${i}`, 'increment')).host === 'b') ids.push(`t${i}`)
  }
  expect(ids.length).toBeGreaterThan(3)

  b!.process.signal('SIGSTOP')
  const taken = new Map<string, number>()
  const deadline = performance.now() + 20_000
  for (const id of ids) {
    // Calls that were on their way to the frozen host end by the link's or their own time; the next go to the new owner.
    for (;;) {
      const reply = await callHttp(a!.http, 'Counter', id, 'increment')
      if (reply.status === 200) {
        taken.set(id, Number(reply.body))
        break
      }
      expect(reply.body).toMatchObject({ retryable: true })
      if (performance.now() > deadline) throw new Error(`${id} is not taken over: ${JSON.stringify(reply.body)}`)
    }
  }
  // These wait at its door until it thaws.
  const knocking = ids.map(id => callHttp(b!.http, 'Counter', id, 'increment'))
  await callHttp(a!.http, 'Counter', 'another', 'get')
  b!.process.signal('SIGCONT')
  const stored = new Map<string, number>(taken)
  for (const [i, reply] of (await Promise.all(knocking) as HttpReply[]).entries()) {
    const id = ids[i]!
    if (reply.status === 200) {
      expect(reply.body).toBe(taken.get(id)! + 1)
      stored.set(id, Number(reply.body))
    } else expect(reply.body).toMatchObject({ retryable: true, executed: expect.stringMatching(/^(no|unknown)$/) as string, code: expect.stringMatching(/^(FENCED|STORE_CONFLICT|MOVED|PEER_LOST)$/) as string })
  }
  await b!.process.logged('this host lost its lease; it drops its memory and joins again as a new incarnation')

  // Through either door the same truth, and the thawed host serves again.
  let again = 0
  const until = performance.now() + 20_000
  while (again === 0) {
    for (const id of ids) {
      const reply = await callHttp(b!.http, 'Counter', id, 'increment')
      if (reply.status !== 200) continue
      expect(reply.body).toBe(stored.get(id)! + 1)
      stored.set(id, Number(reply.body))
      if (reply.host === 'b') again++
    }
    if (performance.now() > until) throw new Error('the thawed host serves nothing any more')
  }
  for (const id of ids) expect((await callHttp(a!.http, 'Counter', id, 'get')).body).toBe(stored.get(id))
  expect(b!.process.running).toBe(true)
})
