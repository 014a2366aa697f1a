/**
 * Turns of an application's actors: what is sent to the application for a call, a reminder or a tick, and what becomes of its
 * answer; reads and writes of its state, which it asks for while its turn runs.
 *
 * A turn lasts as long as the application takes: a caller that gives up does not end it, or the next turn would overlap the
 * handler that still runs there (P1). It is cut when its time is over or its activation ends. State is not part of the turn: an
 * application that was told "stored" holds it for stored, whatever it answers afterwards (docs/decisions/030-applications.md).
 */
import type { AppHosting } from '../../actors/actor-type.ts'
import { ACTOR_ERROR_HEADER, EXPIRES_HEADER, headerOf, REENTRANCY_HEADER, type AppCallback, type AppCallbackReply, type AppReply, type HeaderList } from '../../actors/app-channel.ts'
import { jsonText } from '../../actors/json-values.ts'
import { JSON_TYPE } from '../../actors/call-body.ts'
import { rebuildActorError } from '../../actors/errors.ts'
import { Invocation } from '../../actors/invocation.ts'
import type { Activation } from './activation.ts'
import { storageEntry } from './activation-storage.ts'
import { readEntry } from './entry-pages.ts'
import { decodeStored, expiryOf } from './stored-value.ts'

/** As it travels between hosts, and as `Invocation.appReply` says. */
export type PackedReply = readonly [headers: HeaderList, body: Uint8Array]

const nothing = new Uint8Array(0)
const jsonHeaders: HeaderList = ['content-type', JSON_TYPE]

export function runOnApp(activation: Activation, call: Invocation, app: AppHosting): Promise<unknown> {
  if (call.kind === 'read') return readState(activation, call.methodName)
  const { type: { name: type }, id } = activation
  const { methodName: method } = call
  if (!call.appReply) {
    const body = bodyOf(call.args, app)
    return inChain(activation, call, app, undefined, (signal, chainId) =>
      app.channel.invoke({ type, id, method, query: '', headers: withChain(jsonHeaders, chainId), body }, signal)).then(valueOf)
  }
  const [body, , query, headers] = call.args as readonly [Uint8Array, boolean, string, HeaderList]
  const given = headerOf(headers, REENTRANCY_HEADER)
  return inChain(activation, call, app, given, (signal, chainId) =>
    app.channel.invoke({ type, id, method, query, headers: withChain(headers, chainId), body }, signal)).then(packed)
}

/** A reminder or a tick that is due, as part of the running turn. */
export function callBack(
  activation: Activation, turn: Invocation, app: AppHosting, what: 'remind' | 'tick', callback: Omit<AppCallback, 'type' | 'id' | 'reentrancyId'>,
): Promise<AppCallbackReply> {
  const { type: { name: type }, id } = activation
  return inChain(activation, turn, app, undefined, (signal, reentrancyId) => app.channel[what]({ type, id, ...callback, reentrancyId }, signal))
}

/** Runs `ask` while calls that come with the chain's id belong to this turn. */
async function inChain<Reply>(
  activation: Activation, turn: Invocation, app: AppHosting, given: string | undefined, ask: (signal: AbortSignal, chainId: string | undefined) => Promise<Reply>,
): Promise<Reply> {
  const { chainIds } = activation.services
  const chainId = app.tellsChain ? (keepsId(activation, turn) ? given : undefined) ?? chainIds.next() : undefined
  activation.knownToApp = true
  const cut = new AbortController()
  turn.onCut = why => cut.abort(why)
  if (chainId !== undefined) chainIds.enter(chainId, turn)
  try {
    return await ask(cut.signal, chainId)
  } finally {
    turn.onCut = undefined
    if (chainId !== undefined) chainIds.leave(chainId, turn)
  }
}

/**
 * One id is one chain, as in Dapr, where calls of the chain may come back in. Everywhere else a turn has its own: two calls that it makes
 * at once would each be taken for one of the other, and refused as a cycle.
 */
function keepsId({ type }: Activation, { parent }: Invocation): boolean {
  if (!type.reentrant) return false
  return !(parent instanceof Invocation) || (parent.gate as Activation | undefined)?.type.reentrant !== false
}

function withChain(headers: HeaderList, chainId: string | undefined): HeaderList {
  if (chainId === undefined || headerOf(headers, REENTRANCY_HEADER) === chainId) return headers
  const others = headers.filter((_, i) => headers[i - i % 2] !== REENTRANCY_HEADER)
  return [...others, REENTRANCY_HEADER, chainId]
}

const packed = ({ headers, body }: AppReply): PackedReply => [headers, body]

/** Arguments of a TypeScript caller: one as it is, several as a list, and where it would be taken for one a list in a list. */
function bodyOf(args: readonly unknown[], { wantsList }: AppHosting): Uint8Array {
  if (args.length === 0) return nothing
  return Buffer.from(jsonText(args.length === 1 && !wantsList && !Array.isArray(args[0]) ? args[0] : args))
}

/** What a TypeScript caller gets. @throws the actor's own error */
function valueOf({ headers, body }: AppReply): unknown {
  const value = body.length === 0 ? undefined : parsed(Buffer.from(body.buffer, body.byteOffset, body.byteLength).toString())
  if (headerOf(headers, ACTOR_ERROR_HEADER) === undefined) return value
  const { message } = (typeof value === 'object' && value !== null ? value : {}) as { message?: unknown }
  throw rebuildActorError({ code: 'ACTOR_ERROR', message: typeof message === 'string' ? message : 'the actor answered with an error', data: value, status: 500 })
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return text
  }
}

async function readState(activation: Activation, key: string): Promise<PackedReply> {
  return storedReply(await readEntry(activation, storageEntry(key), undefined), key, activation.services.wallMs())
}

/** What is told of a stored value. */
export function storedReply(bytes: Uint8Array | undefined, key: string, nowMs: number): PackedReply {
  const expiresAt = bytes && expiryOf(bytes)
  if (bytes === undefined || (expiresAt !== undefined && expiresAt <= nowMs)) return [[], nothing]
  const value = decodeStored(bytes, key)
  // A class left it, and no host runs it as one any more.
  const body = value instanceof Uint8Array ? value : Buffer.from(jsonText(value))
  return [expiresAt === undefined ? [] : [EXPIRES_HEADER, new Date(expiresAt).toISOString()], body]
}
