import { afterEach, describe, expect, it } from 'vitest'
import { ActorError } from '../../../actors/errors.ts'
import { ManualClock } from '../../../core/clock.ts'
import { TroupeError } from '../../../core/errors.ts'
import { silentLogger, type Logger } from '../../../core/logger.ts'
import { SeededRandom } from '../../../core/random.ts'
import { seams, type SeamPoint } from '../../../core/seams.ts'
import { NEVER_DUE, type ActorWrite, type CommitResult, type DueRow } from '../../../stores/actor-store.ts'
import { GroupCommit } from '../../../stores/group-commit.ts'
import { MemoryActorStore } from '../../../stores/memory/actor-store.ts'
import { Outbox, type OutboxLimits, type OutboxPorts } from '../../../runtime/delivery/outbox.ts'
import { decodeSend, encodeSend, sendEntry, type Send } from '../../../runtime/delivery/send-row.ts'

const SHARD = { type: 'Sender', shard: 3 }
const CLAIM = { epoch: 1, nonce: 'n' }
const sender = (id = 's') => ({ ...SHARD, id })
const send = (number: number, id = 't', more: Partial<Send> = {}): Send =>
  ({ number, typeName: 'Target', id, method: 'do', args: [number], attempts: 3, backoffMs: 100, ...more })

class WatchedStore extends MemoryActorStore {
  readonly writes: ActorWrite[] = []
  /** Answers of the next commits, which are not applied. */
  readonly refusals: CommitResult[] = []
  override async commit(writes: readonly ActorWrite[]) {
    this.writes.push(...writes)
    const refusal = this.refusals.shift()
    return refusal === undefined ? super.commit(writes) : writes.map(() => refusal)
  }
}

interface Delivery {
  readonly sender: string
  readonly send: Send
  readonly previous: number | undefined
  readonly ok: () => void
  readonly fail: (error: unknown) => void
}

/** An outbox whose deliveries are answered by hand. */
async function open(limits: OutboxLimits = {}, ports: Partial<OutboxPorts> = {}) {
  const clock = new ManualClock()
  const store = new WatchedStore()
  await store.claim([{ ...SHARD, ...CLAIM }])
  const deliveries: Delivery[] = []
  const outbox = new Outbox({
    clock, random: new SeededRandom(1), log: silentLogger, claim: () => CLAIM, commits: new GroupCommit(store, clock),
    deliver: ({ id }, s, previous) => new Promise((ok, fail) => deliveries.push({ sender: id, send: s, previous, ok, fail })),
    ...ports,
  }, limits)
  const take = (): Delivery[] => deliveries.splice(0)
  const stored = async (...sends: readonly Send[]): Promise<void> => {
    await store.commit([{ ...sender(), ...CLAIM, previous: 0, head: null, entries: sends.map(s => [sendEntry(s.number), encodeSend(s), 0]) }])
    store.writes.length = 0
  }
  const rows = async (): Promise<readonly DueRow[]> => (await store.due([{ ...SHARD, until: NEVER_DUE, limit: 100 }]))[0]!.rows
  outbox.take(SHARD)
  outbox.scanned(SHARD)
  return { clock, store, outbox, take, stored, rows }
}

const shape = (deliveries: readonly Delivery[]) => deliveries.map(d => `${d.send.id}${d.send.number}${d.previous === undefined ? '' : `>${d.previous}`}`)

afterEach(() => { seams.at = undefined })

describe('deliveries', () => {
  it('leave at once, up to the window, each but the first naming the one before it', async () => {
    const { outbox, take, clock } = await open({ window: 3 })
    outbox.committed(sender(), [send(1), send(2, 'u'), send(3), send(4), send(5)])
    const first = take()
    expect(shape(first)).toEqual(['t1', 'u2', 't3>1', 't4>3'])
    first[0]!.ok()
    await clock.advance(0)
    expect(shape(take())).toEqual(['t5>4'])
  })

  it('of acknowledged sends remove their rows, many in one write', async () => {
    const { outbox, take, clock, store, stored, rows } = await open()
    const sends = Array.from({ length: 50 }, (_, i) => send(i + 1))
    await stored(...sends)
    outbox.committed(sender(), sends)
    for (const delivery of take()) delivery.ok()
    await clock.advance(0)
    expect(store.writes.length).toBe(1)
    expect(store.writes[0]).toMatchObject({ id: 's', head: null, epoch: 1, nonce: 'n' })
    expect(await rows()).toEqual([])
    expect(outbox.stats()).toMatchObject({ pending: 0, delivered: 50, removed: 50 })
  })

  it('whose rows could not be removed are not made again: only the write is', async () => {
    const { outbox, take, clock, store, stored, rows } = await open()
    await stored(send(1), send(2))
    store.refusals.push('unknown', 'fenced', 'conflict')
    outbox.committed(sender(), [send(1)])
    take()[0]!.ok()
    await clock.advance(0)
    outbox.committed(sender(), [send(2)])
    take()[0]!.ok()
    await clock.advance(2_000)
    expect(store.writes.map(write => write.entries?.length)).toEqual([1, 2, 2, 2])
    expect(await rows()).toEqual([])
    expect(take()).toEqual([])
    expect(outbox.stats()).toMatchObject({ pending: 0, delivered: 2, removed: 2 })
  })

  it('that were refused leave again after a growing wait, those behind them in order after them', async () => {
    const { outbox, take, clock } = await open()
    outbox.committed(sender(), [send(1), send(2), send(3)])
    const [one, two, three] = take()
    one!.fail(new TroupeError('MAILBOX_FULL', 'full'))
    two!.fail(new TroupeError('SEND_OUT_OF_ORDER', 'early'))
    three!.fail(new TroupeError('SEND_OUT_OF_ORDER', 'early'))
    await clock.advance(79)
    expect(take()).toEqual([])
    await clock.advance(61)
    const [again, ...rest] = take()
    expect(shape([again!])).toEqual(['t1'])
    expect(rest).toEqual([])
    again!.fail(new TroupeError('NO_HOST', 'away'))
    await clock.advance(159)
    expect(take()).toEqual([])
    await clock.advance(101)
    take()[0]!.ok()
    await clock.advance(0)
    expect(shape(take())).toEqual(['t2', 't3>2'])
  })

  it('wait as long as a refusal asks', async () => {
    const { outbox, take, clock } = await open()
    outbox.committed(sender(), [send(1)])
    take()[0]!.fail(new TroupeError('OVERLOADED', 'busy', { retryAfterMs: 3_000 }))
    await clock.advance(2_999)
    expect(take()).toEqual([])
    await clock.advance(25)
    expect(take().length).toBe(1)
  })

  it('with an unknown outcome are never given up', async () => {
    const { outbox, take, clock, rows, stored } = await open()
    await stored(send(1, 't', { attempts: 1 }))
    outbox.committed(sender(), [send(1, 't', { attempts: 1 })])
    for (let i = 0; i < 30; i++) {
      take()[0]!.fail(new TroupeError('PEER_LOST', 'gone'))
      await clock.advance(6_100)
    }
    expect((await rows())[0]!.due).toBe(0)
    expect(outbox.stats().dead).toBe(0)
  })

  it('hold no target up for another', async () => {
    const { outbox, take, clock } = await open()
    outbox.committed(sender(), [send(1, 'bad'), send(2, 'good'), send(3, 'good')])
    const [bad, good] = take()
    bad!.fail(new Error('broken'))
    good!.ok()
    await clock.advance(0)
    expect(outbox.pendingOf(sender())).toBe(2)
    outbox.committed(sender(), [send(4, 'good')])
    expect(shape(take())).toEqual(['good4>3'])
  })
})

describe('a dead letter', () => {
  class Refused extends ActorError { static readonly code = 'REFUSED' }

  it('is one after its attempts; its row stays and says why; the next goes on when that is stored', async () => {
    const { outbox, take, clock, rows, stored } = await open({}, { log: silentLogger })
    const sends = [send(1), send(2)]
    await stored(...sends)
    outbox.committed(sender(), sends)
    for (const error of [new Refused(undefined, 'no'), new TroupeError('UNKNOWN_METHOD', 'none'), new Refused(undefined, 'still no')]) {
      const [one, two] = take()
      expect(one!.send.number).toBe(1)
      two?.fail(new TroupeError('SEND_OUT_OF_ORDER', 'early'))
      one!.fail(error)
      await clock.advance(error.message === 'still no' ? 0 : 500)
    }
    const [dead] = (await rows()).filter(row => row.due === NEVER_DUE)
    const read = decodeSend(dead!.name, dead!.value, 's')
    expect(read).toMatchObject({ ...send(1), dead: { error: 'REFUSED: still no' } })
    expect(read.dead!.at).toBeGreaterThan(1_600_000_000_000)
    expect(shape(take())).toEqual(['t2'])
    expect(outbox.stats()).toMatchObject({ pending: 1, dead: 1 })
  })

  it('lets nothing behind it leave while the store does not know', async () => {
    let claimed = false
    const { outbox, take, clock, stored } = await open({}, { claim: () => claimed ? CLAIM : undefined })
    const sends = [send(1, 't', { attempts: 1 }), send(2)]
    await stored(...sends)
    outbox.committed(sender(), sends)
    const [one, two] = take()
    one!.fail(new Error('broken'))
    two!.fail(new TroupeError('SEND_OUT_OF_ORDER', 'early'))
    await clock.advance(10_000)
    expect(take()).toEqual([])
    claimed = true
    await clock.advance(10_000)
    expect(shape(take())).toEqual(['t2'])
  })
})

describe('shards', () => {
  it('send nothing that is committed while they are read: what is found goes first', async () => {
    const { outbox, take, rows, stored } = await open()
    outbox.take(SHARD)
    await stored(send(1), send(2), send(3))
    outbox.committed(sender(), [send(3), send(4)])
    expect(outbox.pendingOf(sender())).toBe(2)
    for (const row of await rows()) outbox.found(sender(), row)
    expect(shape(take())).toEqual(['t1', 't2>1', 't3>2'])
    expect(outbox.size).toBe(4)
    outbox.scanned(SHARD)
    expect(shape(take())).toEqual(['t4>3'])
    expect(outbox.size).toBe(4)
  })

  it('that are not taken are left alone', async () => {
    const { outbox, take } = await open()
    const elsewhere = { ...sender(), shard: 4 }
    outbox.committed(elsewhere, [send(1)])
    outbox.found(elsewhere, { due: 0, id: 's', name: sendEntry(1), value: encodeSend(send(1)) })
    expect(take()).toEqual([])
    expect(outbox.size).toBe(0)
  })

  it('that are dropped are forgotten: late acknowledgements change nothing', async () => {
    const { outbox, take, clock, store, rows, stored } = await open()
    await stored(send(1))
    outbox.committed(sender(), [send(1)])
    const [late] = take()
    outbox.drop(SHARD)
    expect(outbox.size).toBe(0)
    late!.ok()
    await clock.advance(0)
    expect(store.writes).toEqual([])
    expect((await rows()).length).toBe(1)
    expect(outbox.stats()).toMatchObject({ pending: 0, underWay: 0 })
  })

  it('are read by the outbox itself, in pages, a failed load again', async () => {
    let away = 2
    const logged: string[] = []
    const log: Logger = { ...silentLogger, warn: (_, text) => { logged.push(text) } }
    const held: { store?: WatchedStore } = {}
    const { outbox, take, clock, store, stored } = await open({ pageRows: 2 }, {
      log, load: queries => {
        expect(queries.every(query => query.limit === 2 && query.until === 0)).toBe(true)
        return away-- > 0 ? Promise.reject(new TroupeError('STORE_UNAVAILABLE', 'away')) : held.store!.due(queries)
      },
    })
    held.store = store
    await stored(...[1, 2, 3, 4, 5].map(n => send(n)))
    outbox.take(SHARD)
    outbox.committed(sender(), [send(6)])
    await clock.advance(1_000)
    expect(shape(take())).toEqual(['t1', 't2>1', 't3>2', 't4>3', 't5>4', 't6>5'])
    expect(logged).toEqual(Array<string>(2).fill('undelivered sends could not be read, trying again: away'))
  })

  it('with a row that cannot be read deliver the others and say so', async () => {
    const logged: string[] = []
    const { outbox, take } = await open({}, { log: { ...silentLogger, error: (_, text) => { logged.push(text) } } })
    outbox.found(sender(), { due: 0, id: 's', name: sendEntry(1), value: new Uint8Array([0xc1]) })
    outbox.found(sender(), { due: 0, id: 's', name: sendEntry(2), value: encodeSend(send(2)) })
    outbox.found(sender(), { due: 0, id: 's', name: 'r:reminder', value: encodeSend(send(2)) })
    expect(shape(take())).toEqual(['t2'])
    expect(logged).toEqual([expect.stringMatching(/cannot be read and is not delivered.*Sender\/s/)])
  })
})

describe('bounds', () => {
  it('keep so many deliveries under way; the slow ones leave their slots', async () => {
    const { outbox, take, clock } = await open({ maxUnderWay: 2, slowMs: 250 })
    outbox.committed(sender(), [1, 2, 3, 4].map(n => send(n, `t${n}-`)))
    expect(shape(take())).toEqual(['t1-1', 't2-2'])
    expect(outbox.stats()).toMatchObject({ underWay: 2, starved: 2 })
    await clock.advance(240)
    expect(take()).toEqual([])
    await clock.advance(40)
    const late = take()
    expect(shape(late)).toEqual(['t3-3', 't4-4'])
    expect(outbox.stats()).toMatchObject({ underWay: 2, slow: 2, starved: 0 })
    for (const delivery of late) delivery.ok()
    await clock.advance(0)
    expect(outbox.stats()).toMatchObject({ underWay: 0, slow: 2 })
  })

  it('end with it: a closed outbox does nothing more', async () => {
    const { outbox, take, clock, store } = await open()
    outbox.committed(sender(), [send(1), send(2, 'u')])
    const [one, two] = take()
    outbox.close()
    one!.ok()
    two!.fail(new TroupeError('NO_HOST', 'away'))
    outbox.committed(sender(), [send(3)])
    await clock.advance(100_000)
    expect(take()).toEqual([])
    expect(store.writes).toEqual([])
  })
})

it('tells its seams in the order of a send\'s life', async () => {
  const { outbox, take, clock } = await open()
  const points: SeamPoint[] = []
  seams.at = point => { points.push(point) }
  outbox.committed(sender(), [send(1)])
  take()[0]!.ok()
  await clock.advance(0)
  expect(points.filter(point => point.startsWith('send.'))).toEqual(['send.deliver', 'send.acknowledged', 'send.removed'])
})
