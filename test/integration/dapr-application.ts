/**
 * An application as Dapr's SDKs make them, over HTTP: `GET /dapr/config`, and its actors at `/actors/…`. It keeps a record of what it
 * was asked, and can be stopped and started again on its port.
 */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'

export interface Asked {
  readonly verb: string
  readonly path: string
  readonly headers: Readonly<Record<string, string | string[] | undefined>>
  readonly body: string
}

export interface Answer {
  readonly status?: number
  readonly headers?: Record<string, string>
  readonly body?: string
}

/** Of a method, a reminder (`remind/NAME`) or a timer (`timer/NAME`). */
export type Handler = (asked: Asked, id: string, type: string) => Promise<Answer | string> | Answer | string

export class DaprApplication {
  readonly asked: Asked[] = []
  readonly handlers = new Map<string, Handler>()
  config: object
  healthy = true
  #server: Server | undefined
  #port = 0
  readonly #waiting: { readonly fits: () => boolean; readonly resolve: () => void }[] = []

  constructor(config: object) {
    this.config = config
  }

  get port(): number {
    return this.#port
  }

  on(method: string, handler: Handler): this {
    this.handlers.set(method, handler)
    return this
  }

  /** On the same port as before, the first time on a free one. */
  async start(): Promise<this> {
    const server = createServer((request, response) => void this.#answer(request, response))
    this.#server = server
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject)
      server.listen(this.#port, '127.0.0.1', resolve)
    })
    this.#port = (server.address() as AddressInfo).port
    return this
  }

  async stop(): Promise<void> {
    const server = this.#server
    if (server === undefined) return
    this.#server = undefined
    const closed = new Promise<void>(resolve => server.close(() => resolve()))
    server.closeAllConnections()
    await closed
  }

  /** Requests whose path ends so. */
  of(end: string): Asked[] {
    return this.asked.filter(({ path }) => path.endsWith(end))
  }

  get deactivated(): string[] {
    return this.asked.filter(({ verb }) => verb === 'DELETE').map(({ path }) => decodeURIComponent(path.split('/').at(-1)!))
  }

  /** Until what was asked so far fits, 10 s at most. */
  async until(fits: () => boolean, what: string): Promise<void> {
    if (fits()) return
    let timer: NodeJS.Timeout | undefined
    const late = new Promise<never>((_, reject) => { timer = setTimeout(() => reject(new Error(`waited for ${what}; asked was ${this.asked.map(({ verb, path }) => `${verb} ${path}`).join(', ')}`)), 10_000) })
    await Promise.race([new Promise<void>(resolve => this.#waiting.push({ fits, resolve })), late]).finally(() => clearTimeout(timer))
  }

  #note(asked: Asked): void {
    this.asked.push(asked)
    for (const each of [...this.#waiting]) {
      if (!each.fits()) continue
      this.#waiting.splice(this.#waiting.indexOf(each), 1)
      each.resolve()
    }
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    let body = ''
    for await (const chunk of request) body += String(chunk)
    const { method: verb = '', url = '', headers } = request
    if (url === '/dapr/config') return void response.end(JSON.stringify(this.config))
    if (url === '/healthz') return void response.writeHead(this.healthy ? 200 : 500).end()
    const asked = { verb, path: url, headers, body }
    this.#note(asked)
    const [, type, id, method] = /^\/actors\/([^/]+)\/([^/]+)(?:\/method\/([^?]+))?/.exec(url) ?? []
    if (verb === 'DELETE') return void response.end()
    const handler = this.handlers.get(method ?? '')
    if (handler === undefined) return void response.writeHead(404).end('no such method')
    try {
      const answer = await handler(asked, decodeURIComponent(id!), type!)
      const { status = 200, headers: given = { 'content-type': 'application/json' }, body: text = '' } = typeof answer === 'string' ? { body: answer } : answer
      response.writeHead(status, given).end(text)
    } catch (error) {
      response.writeHead(500).end((error as Error).message)
    }
  }
}

/** One request to a sidecar. */
export async function ask(base: string, verb: string, path: string, body?: string, headers: Record<string, string> = {}): Promise<{ status: number; text: string; headers: Headers }> {
  const response = await fetch(`${base}/v1.0${path}`, {
    method: verb, headers, signal: AbortSignal.timeout(20_000), ...body === undefined ? {} : { body },
  })
  return { status: response.status, text: await response.text(), headers: response.headers }
}
