/**
 * One call over HTTP as any client would make it, and all that is known of its outcome: the answer with the host and epoch it
 * came from, an error with what it proves, or nothing (`lost`).
 */
import { Agent, request } from 'node:http'
import type { SimOutcome } from '../../runtime/testing/sim-cluster.ts'

/** In the words of the checkers that judge simulated runs too. */
export type Outcome = SimOutcome

export interface Call {
  readonly type: string
  readonly id: string
  readonly method: string
  readonly args: readonly unknown[]
  readonly key?: string | undefined
}

interface ErrorBody {
  readonly code: string
  readonly message: string
  readonly executed: 'no' | 'yes' | 'unknown'
}

export class Caller {
  readonly #agent = new Agent({ keepAlive: true, maxSockets: 512 })

  /** Never rejects. `answerMs`: how long the caller waits. */
  call(url: string, { type, id, method, args, key }: Call, answerMs: number): Promise<Outcome> {
    const body = JSON.stringify(args)
    const headers: Record<string, string | number> = {
      'content-type': 'application/json', 'content-length': Buffer.byteLength(body), 'troupe-timeout': String(Math.max(1, answerMs - 100)),
      ...(key === undefined ? {} : { 'idempotency-key': JSON.stringify(key) }),
    }
    const path = `/v1.0/actors/${encodeURIComponent(type)}/${encodeURIComponent(id)}/method/${method}`
    return new Promise(resolve => {
      let sent = false
      const call = request(url + path, { method: 'POST', agent: this.#agent, headers }, response => {
        let text = ''
        response.setEncoding('utf8').on('data', (chunk: string) => { text += chunk })
        response.on('error', () => settle({ kind: 'lost' }))
        response.on('end', () => settle(outcomeOf(response.statusCode ?? 0, response.headers, text)))
      })
      const timer = setTimeout(() => settle(sent ? { kind: 'lost' } : notSent('no connection in time')), answerMs)
      const settle = (outcome: Outcome): void => {
        clearTimeout(timer)
        resolve(outcome)
        if (outcome.kind === 'lost') call.destroy()
      }
      // A connection that is already there may break after any byte.
      call.on('socket', socket => {
        if (socket.connecting) socket.once('connect', () => { sent = true })
        else sent = true
      })
      call.on('error', error => settle(sent ? { kind: 'lost' } : notSent(error.message || (error as { code?: string }).code || 'no connection')))
      call.end(body)
    })
  }

  /** A document of a host; undefined when it does not answer in time. */
  async get<Document>(url: string, path: string, answerMs = 2_000): Promise<Document | undefined> {
    try {
      const response = await fetch(url + path, { signal: AbortSignal.timeout(answerMs) })
      return response.ok ? await response.json() as Document : undefined
    } catch {
      return undefined
    }
  }

  close(): void {
    this.#agent.destroy()
  }
}

const notSent = (message: string): Outcome => ({ kind: 'error', code: 'NOT_SENT', executed: 'no', message })

function outcomeOf(status: number, headers: Readonly<Record<string, string | string[] | undefined>>, text: string): Outcome {
  try {
    if (status >= 200 && status < 300) {
      return { kind: 'ok', value: text === '' ? undefined : JSON.parse(text), host: String(headers['troupe-host'] ?? ''), epoch: Number(headers['troupe-epoch']) }
    }
    const { code, executed, message } = JSON.parse(text) as ErrorBody
    return { kind: 'error', code, executed, message }
  } catch {
    return { kind: 'error', code: `HTTP_${status}`, executed: 'unknown', message: text.slice(0, 200) }
  }
}
