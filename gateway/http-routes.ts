/**
 * From a request line to a handler: matching by find-my-way (its only importer), names decoded as Dapr decodes them.
 *
 * `+` in a path is a space, `%2F` is a slash inside one name (types and ids then refuse it, methods are cleaned), and a
 * bare `#` belongs to the name it stands in. Bare bytes above ASCII never get here: node's parser refuses them.
 */
import { posix } from 'node:path'
import findMyWay from 'find-my-way'
import { TroupeError } from '../core/errors.ts'
import type { HttpExchange } from './http-exchange.ts'

export type Verb = 'GET' | 'POST' | 'PUT' | 'DELETE'
export type RouteParams = Readonly<Record<string, string>>
export type RouteHandler = (exchange: HttpExchange, params: RouteParams) => void
export type Route = readonly [verbs: readonly Verb[], path: string, handler: RouteHandler]

export type Match =
  | { readonly handler: RouteHandler; readonly params: RouteParams }
  /** Why there is none, and the verbs that the path has. */
  | { readonly error: TroupeError; readonly allow?: string }

const verbs: readonly Verb[] = ['GET', 'POST', 'PUT', 'DELETE']

/** Longer than any legal name in any encoding: a too long id gets the error of ids, not 404. */
const MAX_PARAM_LENGTH = 32 * 1024

export class HttpRoutes {
  readonly #router = findMyWay({
    caseSensitive: true,
    maxParamLength: MAX_PARAM_LENGTH,
    onBadUrl: () => undefined,
    // No route reads its query by the router.
    querystringParser: () => ({}),
  })

  constructor(routes: readonly Route[]) {
    for (const [verbs, path, handler] of routes) this.#router.on([...verbs], path, notCalled, handler)
  }

  match(verb: string, url: string): Match {
    const path = plainPath(url)
    const found = this.#router.find(verb as Verb, path)
    if (found === null) return this.#miss(verb, path, url)
    // The router's own answer to a path that is no UTF-8 has no store.
    if (typeof found.store !== 'function') {
      return { error: new TroupeError('BAD_REQUEST', `invalid request: the path is not percent-encoded UTF-8: ${url.slice(0, 100)}`) }
    }
    return { handler: found.store as RouteHandler, params: found.params as RouteParams }
  }

  #miss(verb: string, path: string, url: string): Match {
    const allowed = verbs.filter(other => this.#router.find(other, path) !== null)
    const shown = url.slice(0, 200)
    if (allowed.length === 0) {
      return { error: new TroupeError('NOT_FOUND', `no route ${verb} ${shown}; actors are called at /v1.0/actors/TYPE/ID/method/METHOD`) }
    }
    const allow = allowed.join(', ')
    return { error: new TroupeError('METHOD_NOT_ALLOWED', `${verb} is not possible at ${shown}; use ${allow}`), allow }
  }
}

const notCalled = (): void => {}

const unusual = /[+#]/

/** The path without its query, in the form that the router decodes. */
function plainPath(url: string): string {
  const query = url.indexOf('?')
  const path = query === -1 ? url : url.slice(0, query)
  return unusual.test(path) ? path.replaceAll('+', '%20').replaceAll('#', '%23') : path
}

// eslint-disable-next-line no-control-regex
const illegalInMethod = /[\u0000-\u001f\u007f#?]/

/**
 * The method's name as Dapr cleans it: `admin/../legit` is `legit`, and no name leaves its actor.
 * Which names an actor answers to is not decided here. @throws BAD_REQUEST
 */
export function cleanMethod(name: string): string {
  if (illegalInMethod.test(name)) {
    throw new TroupeError('BAD_REQUEST', 'invalid request: invalid method: it holds # or ? or a control character')
  }
  const clean = name.includes('/') ? posix.normalize(name).replace(/^(\.\.\/)+/, '').replace(/(?!^)\/$/, '') : name
  if (clean === '' || clean === '.' || clean === '..') throw new TroupeError('BAD_REQUEST', 'invalid request: invalid method: it is empty')
  return clean
}
