/**
 * A child process: load on any sidecar that speaks the Dapr actor API. What fails is counted and does not end the measurement: a
 * sidecar may refuse some calls, or not have a part of the API at all.
 */
import { keepInFlight } from '../harness/keep-in-flight.ts'
import type { Sample } from '../harness/sample.ts'
import { serveParent } from '../harness/serve-parent.ts'
import { lateReminderName } from '../subjects/late-reminder.ts'
import { framed, invoke, openSession } from './grpc-call.ts'
import { requestOf } from './http-message.ts'
import { SidecarConnection } from './sidecar-connection.ts'

export interface SidecarTarget {
  /** `http://HOST:PORT` */
  readonly http: string
  /** HOST:PORT; '' where it is not known. */
  readonly grpc: string
  readonly type: string
  readonly method: string
  /** Begins all ids of one run, so that fresh ones are fresh though the sidecar has seen an earlier run. */
  readonly run: string
}

export interface SidecarLoad {
  readonly target: SidecarTarget
  readonly inFlight: number
  readonly seconds: number
}

type Operation = (slot: number) => Promise<unknown>

const body = '1'
const transaction = JSON.stringify([{ operation: 'upsert', request: { key: 'bench', value: 1 } }])
/** Far enough not to be due before it is deleted. */
const farReminder = JSON.stringify({ dueTime: '2h', data: 1 })
/** A measurement's reminders are deleted after it, on nobody's time. */
const MOST_REMINDERS = 20_000
/** After a failure, or a broken server would be asked as fast as it can refuse. */
const PAUSE_MS = 20

const pathOf = ({ type }: SidecarTarget, id: string, rest: string): string => `/v1.0/actors/${encodeURIComponent(type)}/${id}/${rest}`
const hotId = ({ run }: SidecarTarget, index: number): string => `${run}-hot${index}`
const invokeRequest = (target: SidecarTarget, id: string): Buffer => requestOf('POST', pathOf(target, id, `method/${encodeURIComponent(target.method)}`), body)

const reminderPath = (target: SidecarTarget, number: number, ids: number): string => pathOf(target, hotId(target, number % ids), `reminders/r${number}`)

/** Counts failures instead of throwing them. */
async function measured(load: SidecarLoad, operation: Operation, operations?: number): Promise<Sample> {
  let errors = 0
  let problem: string | undefined
  const counted: Operation = async slot => {
    try {
      await operation(slot)
    } catch (error) {
      errors++
      problem ??= error instanceof Error ? error.message : String(error)
      await new Promise(resolve => { setTimeout(resolve, PAUSE_MS) })
    }
  }
  const { inFlight, seconds } = load
  const sample = await keepInFlight({ inFlight, seconds, process: 'load', ...operations !== undefined && { operations } }, counted)
  return { ...sample, operations: sample.operations - errors, errors, ...problem !== undefined && { problem } }
}

async function ask(connection: SidecarConnection, request: Buffer): Promise<void> {
  const { status, text } = await connection.ask(request)
  if (status < 200 || status >= 300) throw new Error(`status ${status}: ${text}`)
}

async function withConnections<T>(load: SidecarLoad, run: (connections: readonly SidecarConnection[]) => Promise<T>): Promise<T> {
  const connections = Array.from({ length: load.inFlight }, () => new SidecarConnection(load.target.http))
  try {
    await Promise.all(connections.map(connection => connection.open()))
    return await run(connections)
  } finally {
    for (const connection of connections) connection.close()
  }
}

/** Each of `count` items once, a connection one at a time. What fails is passed over: whoever measures afterwards sees it. */
async function each(connections: readonly SidecarConnection[], count: number, request: (index: number) => Buffer): Promise<void> {
  let next = 0
  await Promise.all(connections.map(async connection => {
    while (next < count) await connection.ask(request(next++)).catch(() => undefined)
  }))
}

function sidecarLoad() {
  // Ids and names that were never used stay so over all measurements of this process.
  let fresh = 0
  let deleted = 0

  return {
    /** Resolves when a call is answered well. Before the application is known to the sidecar, calls block there or fail. */
    async ready(target: SidecarTarget, withinMs: number): Promise<void> {
      for (const end = performance.now() + withinMs; ;) {
        const connection = new SidecarConnection(target.http)
        try {
          return await ask(connection, invokeRequest(target, hotId(target, 0)))
        } catch (error) {
          if (performance.now() > end) throw new Error(`${target.http} answers no call of ${target.type}.${target.method}: ${(error as Error).message}`, { cause: error })
          await new Promise(resolve => { setTimeout(resolve, 100) })
        } finally {
          connection.close()
        }
      }
    },
    /** One call to each of the hot actors, on nobody's time. */
    activate: (load: SidecarLoad, ids: number): Promise<void> => withConnections(load, connections =>
      each(connections, ids, index => invokeRequest(load.target, hotId(load.target, index)))),
    /** Calls to `ids` hot actors in turn; 0: each to an actor that was never called. */
    invokeHttp: (load: SidecarLoad, ids: number): Promise<Sample> => withConnections(load, connections => {
      const hot = Array.from({ length: ids }, (_, index) => invokeRequest(load.target, hotId(load.target, index)))
      let turn = 0
      const next = ids === 0 ? () => invokeRequest(load.target, `${load.target.run}-h${fresh++}`) : () => hot[turn++ % ids]!
      return measured(load, slot => ask(connections[slot]!, next()))
    }),
    /** The same by InvokeActor, streams of one connection. */
    async invokeGrpc(load: SidecarLoad, ids: number): Promise<Sample> {
      const { target } = load
      const frame = (id: string) => framed({ actorType: target.type, actorId: id, method: target.method, data: Buffer.from(body) })
      const hot = Array.from({ length: ids }, (_, index) => frame(hotId(target, index)))
      const session = await openSession(target.grpc)
      try {
        let turn = 0
        const next = ids === 0 ? () => frame(`${target.run}-g${fresh++}`) : () => hot[turn++ % ids]!
        return await measured(load, () => invoke(session, next()))
      } finally {
        session.destroy()
      }
    },
    /** One upsert a transaction, on `ids` hot actors in turn. */
    transact: (load: SidecarLoad, ids: number): Promise<Sample> => withConnections(load, connections => {
      const requests = Array.from({ length: ids }, (_, index) => requestOf('POST', pathOf(load.target, hotId(load.target, index), 'state'), transaction))
      let turn = 0
      return measured(load, slot => ask(connections[slot]!, requests[turn++ % ids]!))
    }),
    /** Reminders that are due much later, each of a new name; `deleteReminders` takes them away. */
    setReminders: (load: SidecarLoad, ids: number): Promise<Sample> => withConnections(load, connections =>
      measured(load, slot => ask(connections[slot]!, requestOf('PUT', reminderPath(load.target, fresh++, ids), farReminder)), MOST_REMINDERS)),
    deleteReminders: (load: SidecarLoad, ids: number): Promise<void> => withConnections(load, async connections => {
      await each(connections, fresh - deleted, index => requestOf('DELETE', reminderPath(load.target, deleted + index, ids), ''))
      deleted = fresh
    }),
    /** Sets `count` reminders, each of an actor of its own, due at an instant from 1 s to 3 s from when it is set; resolves with the last one. */
    setLateReminders: (load: SidecarLoad, round: string, count: number): Promise<{ lastDueMs: number; errors: number; problem?: string }> =>
      withConnections(load, async connections => {
        let lastDueMs = 0
        let index = 0
        const { errors = 0, problem } = await measured({ ...load, seconds: 60 }, async slot => {
          const number = index++
          const dueMs = Date.now() + 1000 + Math.floor(2000 * number / count)
          lastDueMs = Math.max(lastDueMs, dueMs)
          const path = pathOf(load.target, `${load.target.run}-${round}-${number}`, `reminders/${lateReminderName({ round, dueMs }, number)}`)
          await ask(connections[slot]!, requestOf('PUT', path, JSON.stringify({ dueTime: new Date(dueMs).toISOString(), data: number })))
        }, count)
        return { lastDueMs, errors, ...problem !== undefined && { problem } }
      }),
  }
}
export type SidecarLoadApi = ReturnType<typeof sidecarLoad>

serveParent(sidecarLoad())
