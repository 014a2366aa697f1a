/** What a request says, read and checked: names, times, query and body. The same for all routes. */
import { durationMs } from '../core/duration.ts'
import { TroupeError } from '../core/errors.ts'
import { checkId, checkType, type ActorKey } from '../core/ids.ts'
import type { PageRequest } from '../runtime/dispatch/dispatcher.ts'
import type { HttpExchange } from './http-exchange.ts'
import type { WorkOptions } from './reminder-pages.ts'
import { bodyRefusal, readBody, type BodyBudget } from './request-body.ts'

export interface BodyLimits {
  readonly maxBodyBytes: number
  readonly bodyBudget: BodyBudget
}

/** The longest delay that timers take. */
const MAX_TIMEOUT_MS = 2 ** 31 - 1
const MAX_PAGE = 1000

/** Calls `use` with the request's body, at once when there is none; `anyEncoding` where it is only passed on. What it throws is the reply. @throws PAYLOAD_TOO_LARGE · BAD_REQUEST */
export function takeBody(limits: BodyLimits, exchange: HttpExchange, use: (body: Buffer | undefined) => void, anyEncoding = false): void {
  if (exchange.bodyTaken) return use(undefined)
  const refusal = bodyRefusal(exchange.request, limits.maxBodyBytes, anyEncoding)
  if (refusal !== undefined) throw refusal
  exchange.admitBody()
  readBody(exchange.request, limits.maxBodyBytes, limits.bodyBudget, (error, body) => {
    if (error !== undefined) return exchange.fail(error)
    exchange.bodyTaken = true
    try {
      use(body)
    } catch (error) {
      exchange.fail(error)
    }
  })
}

/** @throws BAD_REQUEST */
export function checkNames({ type, id }: Readonly<Record<string, string>>): void {
  checkType(type)
  checkId(id)
}

/** The actor that a route is about, and what limits the work on it. @throws BAD_REQUEST */
export function readTarget(exchange: HttpExchange, params: Readonly<Record<string, string>>): { actor: ActorKey; work: WorkOptions } {
  checkNames(params)
  const timeoutMs = callTimeout(exchange.request.headers['troupe-timeout'])
  return { actor: { type: params.type!, id: params.id! }, work: { timeoutMs, signal: exchange.signal, caller: exchange.caller } }
}

/** `troupe-timeout` in milliseconds: a number of them, or a duration such as `500ms`. @throws BAD_REQUEST */
export function callTimeout(header: string | string[] | undefined): number | undefined {
  if (header === undefined) return undefined
  const text = String(header)
  try {
    const ms = /^\d+$/.test(text) ? Number(text) : durationMs(text, 'troupe-timeout')
    if (ms > 0 && ms <= MAX_TIMEOUT_MS) return ms
  } catch {
    // Falls through: the message is the same.
  }
  const shown = JSON.stringify(text.slice(0, 60))
  throw new TroupeError('BAD_REQUEST', `invalid request: troupe-timeout: ${shown} is no timeout; give milliseconds, '500ms' or '2s'`)
}

/** The query of `url`, each name at most once and one of `names`. @throws BAD_REQUEST */
export function readQuery<Name extends string>(url: string, names: readonly Name[]): Partial<Record<Name, string>> {
  const query = new URLSearchParams(url.includes('?') ? url.slice(url.indexOf('?')) : '')
  const found: Partial<Record<Name, string>> = {}
  for (const [name, value] of query) {
    if (!names.includes(name as Name)) throw badQuery(name, `it is unknown here; there are ${names.join(', ')}`)
    if (found[name as Name] !== undefined) throw badQuery(name, 'it is given twice')
    found[name as Name] = value
  }
  return found
}

/** `cursor`, `limit` and, where `names` has it, `dead` of a query. @throws BAD_REQUEST */
export function readPage(url: string, names: readonly ('dead' | 'cursor' | 'limit')[] = ['dead', 'cursor', 'limit']): PageRequest {
  const { dead, cursor, limit } = readQuery(url, names)
  return { ...readDead(dead), ...(cursor === undefined ? {} : { cursor }), ...(limit === undefined ? {} : { limit: wholeNumber('limit', limit, MAX_PAGE) }) }
}

/** `?dead` and `?dead=true` alike. @throws BAD_REQUEST */
export function readDead(text: string | undefined): { dead?: boolean } {
  if (text === undefined || text === 'false') return {}
  if (text === '' || text === 'true') return { dead: true }
  throw badQuery('dead', `${JSON.stringify(text.slice(0, 60))} must be true or false`)
}

/** A number from 1 to `most`, or from 0 where `least` says so. @throws BAD_REQUEST */
export function wholeNumber(name: string, text: string, most = Number.MAX_SAFE_INTEGER, least = 1): number {
  const value = /^\d{1,16}$/.test(text) ? Number(text) : NaN
  if (value >= least && value <= most) return value
  throw badQuery(name, `${JSON.stringify(text.slice(0, 60))} must be a whole number from ${least} to ${most}`)
}

const badQuery = (name: string, why: string): TroupeError => new TroupeError('BAD_REQUEST', `invalid request: ${name.slice(0, 60)}: ${why}`)
