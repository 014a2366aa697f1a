/**
 * Sends requests to one of several URLs over kept connections.
 *
 * A request is tried at another URL only when its connection could not be made: nothing was sent, so nothing ran (P6).
 * URLs are used in turn; one that refused is passed over for a second unless all did. Whether a request whose outcome is
 * unknown is sent again is its caller's decision (client-resend.ts): then the URLs that may have it already come last.
 */
import * as http from 'node:http'
import * as https from 'node:https'
import type { Clock } from '../core/clock.ts'
import { TroupeError } from '../core/errors.ts'
import type { CallGuard } from './client-guard.ts'
import { SecureAgents, type ClientTls } from './client-security.ts'

export interface Outgoing {
  readonly verb: 'GET' | 'POST' | 'DELETE'
  readonly path: string
  readonly headers: Record<string, string>
  readonly body: Uint8Array | undefined
}

export interface SenderOptions {
  readonly connections: number
  readonly connectTimeoutMs: number
  readonly tls: ClientTls | undefined
  readonly clock: Clock
}

interface Target {
  readonly url: string
  readonly secure: boolean
  readonly hostname: string
  readonly port: string
  readonly prefix: string
  avoidUntil: number
}

const AVOID_MS = 1000

/** The connection was never made. */
class NotConnected extends Error {}

export class HttpSender {
  readonly #options: SenderOptions
  readonly #targets: readonly Target[]
  readonly #plain: http.Agent
  readonly #secure: SecureAgents
  #turn = 0

  /** @throws BAD_OPTION */
  constructor(urls: readonly string[], options: SenderOptions) {
    if (urls.length === 0) throw new TroupeError('BAD_OPTION', 'url: none given; give one such as http://127.0.0.1:3500')
    this.#options = options
    this.#targets = urls.map(targetOf)
    const agent = { keepAlive: true, maxSockets: options.connections, noDelay: true }
    this.#plain = new http.Agent(agent)
    this.#secure = new SecureAgents(agent, options.tls, options.clock)
  }

  /**
   * The reply, its body not yet read. `sentTo`: the URLs to which an earlier send of this request went; the one of this is added.
   * @throws PEER_UNREACHABLE when no URL takes a connection · PEER_LOST when one breaks · PROTOCOL · CALL_TIMEOUT · CANCELLED
   */
  async send(outgoing: Outgoing, guard: CallGuard, sentTo: Set<string> = new Set()): Promise<http.IncomingMessage> {
    const failures: string[] = []
    for (const target of this.#order(sentTo)) {
      const sentBefore = sentTo.has(target.url)
      sentTo.add(target.url)
      try {
        return await this.#attempt(target, outgoing, guard)
      } catch (error) {
        if (!(error instanceof NotConnected)) throw error
        if (!sentBefore) sentTo.delete(target.url)
        target.avoidUntil = this.#options.clock.monotonicMs() + AVOID_MS
        failures.push(`${target.url}: ${error.message}`)
      }
    }
    throw new TroupeError('PEER_UNREACHABLE', `${guard.what}: no host can be reached (${failures.join('; ')})`, { data: { failures } })
  }

  #order(sentTo: ReadonlySet<string>): readonly Target[] {
    if (this.#targets.length === 1) return this.#targets
    const first = this.#turn++ % this.#targets.length
    const inTurn = [...this.#targets.slice(first), ...this.#targets.slice(0, first)]
    const now = this.#options.clock.monotonicMs()
    const last = (target: Target): number => (sentTo.has(target.url) ? 1 : 0) + (target.avoidUntil > now ? 2 : 0)
    return inTurn.sort((a, b) => last(a) - last(b))
  }

  #attempt(target: Target, outgoing: Outgoing, guard: CallGuard): Promise<http.IncomingMessage> {
    return new Promise((resolve, reject) => {
      let connected = false
      const options = {
        method: outgoing.verb, hostname: target.hostname, port: target.port, path: target.prefix + outgoing.path,
        headers: outgoing.headers, agent: target.secure ? this.#secure.current() : this.#plain,
      }
      const request = (target.secure ? https : http).request(options)
      request.on('socket', socket => {
        if (!socket.connecting) {
          connected = true
          return
        }
        const { connectTimeoutMs, clock } = this.#options
        const timer = clock.after(connectTimeoutMs, () => request.destroy(new Error(`no connection within ${connectTimeoutMs} ms`)), true)
        const onClose = (): void => timer.cancel()
        socket.once(target.secure ? 'secureConnect' : 'connect', () => {
          connected = true
          timer.cancel()
          socket.off('close', onClose)
        }).once('close', onClose)
      })
      request.on('response', resolve)
      request.on('error', (cause: Error & { code?: string }) => {
        const stopped = guard.stopped(connected ? 'unknown' : 'no')
        // A name with several addresses fails with an AggregateError whose message is empty.
        const why = cause.message || cause.code || 'no reason given'
        if (stopped !== undefined) reject(stopped)
        else if (!connected) reject(new NotConnected(why))
        else if (cause.code?.startsWith('HPE_') === true) {
          reject(new TroupeError('PROTOCOL', `${guard.what}: ${target.url} does not speak HTTP: ${why}`, { cause }))
        } else {
          reject(new TroupeError('PEER_LOST', `${guard.what}: the connection to ${target.url} broke before the answer: ${why}`, { cause }))
        }
      })
      guard.watch(() => request.destroy(new Error('stopped by the caller')))
      request.end(outgoing.body)
    })
  }

  close(): void {
    this.#plain.destroy()
    this.#secure.destroy()
  }
}

function targetOf(text: string): Target {
  const url = typeof text === 'string' && URL.canParse(text) ? new URL(text) : undefined
  const problem = url === undefined ? 'is no URL'
    : url.protocol !== 'http:' && url.protocol !== 'https:' ? `has the scheme ${url.protocol}`
    : url.username !== '' || url.password !== '' ? 'holds credentials'
    : url.search !== '' || url.hash !== '' ? 'has a query or a fragment'
    : undefined
  if (url === undefined || problem !== undefined) {
    // A password does not belong into logs.
    const shown = problem === 'holds credentials' ? 'it' : JSON.stringify(text)
    throw new TroupeError('BAD_OPTION', `url: ${shown} ${problem}; give one such as http://127.0.0.1:3500`)
  }
  return {
    url: url.origin, secure: url.protocol === 'https:', hostname: url.hostname.replace(/^\[|\]$/g, ''),
    port: url.port, prefix: url.pathname.replace(/\/$/, ''), avoidUntil: 0,
  }
}
