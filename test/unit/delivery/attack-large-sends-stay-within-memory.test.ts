// Undelivered sends are kept in memory: what they take is counted, and no more is taken or read than there is room for.
import { expect, it } from 'vitest'
import { Actor } from 'troupe'
import { noEntries } from '../../../actors/fields.ts'
import { ManualClock } from '../../../core/clock.ts'
import { silentLogger } from '../../../core/logger.ts'
import { SeededRandom } from '../../../core/random.ts'
import { GroupCommit } from '../../../stores/group-commit.ts'
import { MemoryActorStore } from '../../../stores/memory/actor-store.ts'
import { EntryBuffer } from '../../../runtime/activation/entry-buffer.ts'
import { Outbox } from '../../../runtime/delivery/outbox.ts'
import { encodeSend, sendEntry, type Send } from '../../../runtime/delivery/send-row.ts'
import { hostOf } from '../activation/running-host.ts'
import { failureOf, settle } from '../activation/signal.ts'

const SHARD = { type: 'Sender', shard: 3 }
const CLAIM = { epoch: 1, nonce: 'n' }
const sender = { ...SHARD, id: 's' }
const send = (number: number, bytes?: number): Send =>
  ({ number, typeName: 'Target', id: 't', method: 'do', args: ['x'.repeat(1000)], attempts: 1, backoffMs: 100, ...bytes === undefined ? {} : { bytes } })

async function open(rows: number) {
  const clock = new ManualClock()
  const store = new MemoryActorStore()
  await store.claim([{ ...SHARD, ...CLAIM }])
  const entries = Array.from({ length: rows }, (_, i) => [sendEntry(i + 1), encodeSend(send(i + 1)), 0] as const)
  if (rows > 0) await store.commit([{ ...sender, ...CLAIM, previous: 0, head: null, entries }])
  const answers: ((error?: Error) => void)[] = []
  const outbox = new Outbox({
    clock, random: new SeededRandom(1), log: silentLogger, claim: () => CLAIM, commits: new GroupCommit(store, clock), load: queries => store.due(queries),
    deliver: () => new Promise<void>((resolve, reject) => answers.push(error => error === undefined ? resolve() : reject(error))),
  }, { maxReadBytes: 5_000, pageRows: 2 })
  return { clock, outbox, answers }
}

it('are counted from their commit until they are applied, dead or given up', async () => {
  const { clock, outbox, answers } = await open(0)
  outbox.take(SHARD)
  // While the shard is read they are held.
  outbox.committed(sender, [send(1, 100), send(2, 200)])
  expect(outbox.bytes).toBe(300)
  await clock.advance(10)
  await settle()
  expect(outbox.bytes).toBe(300)
  answers[0]!()
  await settle()
  expect(outbox.bytes).toBe(200)
  answers[1]!(new Error('no'))
  await clock.advance(10)
  await settle()
  expect(outbox).toMatchObject({ bytes: 0, size: 0 })
  outbox.committed(sender, [send(3, 50)])
  outbox.drop(SHARD)
  expect(outbox.bytes).toBe(0)
  outbox.take(SHARD)
  outbox.committed(sender, [send(4, 50)])
  outbox.drop(SHARD)
  expect(outbox).toMatchObject({ bytes: 0, size: 0 })
})

it('are read from the store only while there is room, and to the end as it becomes free', async () => {
  const { clock, outbox, answers } = await open(20)
  outbox.take(SHARD)
  await clock.advance(10)
  await settle()
  expect(outbox.size).toBe(6)
  expect(outbox.bytes).toBeGreaterThan(6_000)
  let applied = 0
  while (outbox.size > 0 && applied < 20) {
    answers[applied++]!()
    await clock.advance(10)
    await settle(3)
  }
  expect(applied).toBe(20)
  expect(outbox.bytes).toBe(0)
})

it('of a turn count as long as the turn does', () => {
  const entries = new EntryBuffer(noEntries)
  entries.write(['o:1', new Uint8Array(0), 0])
  entries.addSend(send(1, 10))
  const savepoint = entries.savepoint()
  entries.addSend(send(2, 20))
  expect(entries.turnSendBytes).toBe(30)
  entries.rollback(savepoint)
  expect(entries.turnSendBytes).toBe(10)
  entries.complete()
  expect(entries.turnSendBytes).toBe(0)
  entries.addSend(send(3, 20))
  entries.rollback()
  expect(entries.turnSendBytes).toBe(0)
})

class Flood extends Actor {
  all(count: number) {
    const megabytes = new Uint8Array(4_000_000)
    for (let i = 0; i < count; i++) this.ctx.send('Nobody', 'x').take!(megabytes)
  }
}

it('of one turn are refused when they would take more than a host has for them', async () => {
  const host = await hostOf([Flood])
  expect(await failureOf(host.actor(Flood, 'f').all(100))).toMatchObject({ code: 'QUOTA_EXCEEDED', message: expect.stringContaining('bytes') })
})
