/**
 * The port to one HTTP request and its answer, whatever the version of HTTP: what http-channel.ts needs of http1-wire.ts and h2c-wire.ts.
 *
 * A wire sends each request once, collects the answer within bounds, and says what is proved when there is none: a request that
 * never left is `executed: 'no'`; once its first byte may have left nobody knows, however the connection broke.
 */
import { headerOf, type HeaderList } from '../../../actors/app-channel.ts'
import { TroupeError, type Executed } from '../../../core/errors.ts'

export interface WireRequest {
  readonly verb: 'GET' | 'PUT' | 'DELETE'
  /** Percent-encoded, with the query. */
  readonly path: string
  /** Without hop-by-hop headers, `host` and `content-length`: those are the wire's. */
  readonly headers: HeaderList
  readonly body: Uint8Array | undefined
}

export interface WireReply {
  readonly status: number
  /** All that came; names in lower case. */
  readonly headers: HeaderList
  readonly body: Uint8Array
  /** There was more; only where the status is not 200. */
  readonly cut: boolean
}

export interface AppWire {
  /** Its URL, for messages. */
  readonly name: string
  /** @throws APP_UNREACHABLE · RESULT_TOO_LARGE · BAD_REQUEST for headers that HTTP cannot carry · CANCELLED, or what `signal` was aborted with */
  send(request: WireRequest, signal: AbortSignal): Promise<WireReply>
  /** Drops connections and the requests on them. */
  close(): void
}

/**
 * How long a connection may lie idle before it is given up. Servers close idle connections too, and a request that meets such a close
 * on its way is in doubt: it cannot be sent again. So ours end first: gunicorn waits 2 s, Node, uvicorn and hypercorn 5 s, Kestrel and
 * Tomcat longer, Go for ever. A new connection to one's own machine costs less than a call in doubt.
 */
export const IDLE_MS = 1500

/** Nothing answers at all; on one's own machine a connection is made at once or not at all. */
export const CONNECT_TIMEOUT_MS = 5000

/** Of an answer that is an error this much is kept, for its message. */
const ERROR_BYTES = 16 * 1024

/** Collects one answer within bounds. */
export class ReplyCollector {
  #status = 0
  #headers: HeaderList = []
  #chunks: Uint8Array[] = []
  #kept = 0
  #bytes = 0
  readonly #maxBodyBytes: number

  constructor(maxBodyBytes: number) {
    this.#maxBodyBytes = maxBodyBytes
  }

  start(status: number, headers: HeaderList): void {
    this.#status = status
    this.#headers = headers
  }

  /** False: it is more than is wanted, read no further. */
  add(chunk: Uint8Array): boolean {
    this.#bytes += chunk.length
    const room = (this.#status === 200 ? this.#maxBodyBytes : Math.min(ERROR_BYTES, this.#maxBodyBytes)) - this.#kept
    if (room > 0) {
      this.#chunks.push(chunk.length <= room ? chunk : chunk.subarray(0, room))
      this.#kept += Math.min(chunk.length, room)
    }
    return this.#bytes <= this.#maxBodyBytes
  }

  /** There was an answer, with as many bytes as it announced. */
  get isWhole(): boolean {
    const announced = headerOf(this.#headers, 'content-length')
    return this.#status !== 0 && (announced === undefined || Number(announced) === this.#bytes)
  }

  /** @throws RESULT_TOO_LARGE */
  finish(what: string): WireReply {
    const cut = this.#bytes > this.#kept
    if (cut && this.#status === 200) {
      const limit = `the limit is ${this.#maxBodyBytes} bytes (maxBodyBytes)`
      throw new TroupeError('RESULT_TOO_LARGE', `${what}: the application answered with a larger body than may pass; ${limit}`)
    }
    const body = this.#chunks.length === 1 ? this.#chunks[0]! : Buffer.concat(this.#chunks)
    return { status: this.#status, headers: this.#headers, body, cut }
  }
}

/** No byte of the request left. */
export const unreached = (app: string, what: string, why: string, cause?: unknown): TroupeError => new TroupeError(
  'APP_UNREACHABLE', `${what}: the application at ${app} did not take the request: ${why}; is it running, and is --app-port its port?`,
  { executed: 'no', cause },
)

/** The request may have arrived. */
export const broken = (app: string, what: string, why: string, cause?: unknown): TroupeError => new TroupeError(
  'APP_UNREACHABLE', `${what}: the connection to the application at ${app} broke before its answer was complete: ${why}`,
  { executed: 'unknown', cause },
)

/** What a call ends with whose signal was aborted. */
export function stopped(signal: AbortSignal, what: string, executed: Executed): TroupeError {
  const reason: unknown = signal.reason
  if (!TroupeError.is(reason)) return new TroupeError('CANCELLED', `${what}: stopped by its caller`, { executed, cause: reason })
  return new TroupeError(reason.code, reason.message, { executed, cause: reason })
}

/** The text of an error, which Node leaves empty where a name has several addresses. */
export function reasonOf(cause: unknown): string {
  const { message, code } = (typeof cause === 'object' && cause !== null ? cause : {}) as { message?: unknown; code?: unknown }
  return String(message || code || 'no reason given')
}

export const showRequest = (request: WireRequest): string => {
  const query = request.path.indexOf('?')
  // A query may hold what does not belong into logs.
  return `${request.verb} ${query < 0 ? request.path : request.path.slice(0, query)}`
}
