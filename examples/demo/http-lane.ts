/**
 * One line of callers: a keep-alive connection to one host, one call at a time, from outside over HTTP.
 *
 * A lane stays with its host until that says `connection: close` or refuses the connection; a refused connection proves
 * that nothing was sent, so the call goes to the next host. Every other failure is the caller's to judge.
 */
import { Agent, request } from 'node:http'

/** The hosts that are up, shared by all lanes: URLs of their HTTP gateways. */
export class HostList {
  readonly #urls: string[] = []

  add(url: string): void {
    if (!this.#urls.includes(url)) this.#urls.push(url)
  }

  remove(url: string): void {
    const at = this.#urls.indexOf(url)
    if (at >= 0) this.#urls.splice(at, 1)
  }

  /** Some host other than `not`, spread over the lanes by `lane`. */
  pick(lane: number, not?: string): string | undefined {
    const others = this.#urls.filter(url => url !== not)
    return others[lane % others.length] ?? this.#urls[0]
  }
}

export interface Reply {
  readonly value: unknown
  /** Id of the host that ran the call. */
  readonly host: string
}

/** A call without a result: what is proved about it, and whether the same call may succeed later. */
export class CallFailed extends Error {
  readonly code: string
  readonly executed: 'no' | 'yes' | 'unknown'
  readonly retryable: boolean

  constructor(code: string, executed: 'no' | 'yes' | 'unknown', retryable: boolean, message: string) {
    super(`${code}: ${message}`)
    this.code = code
    this.executed = executed
    this.retryable = retryable
  }
}

export class HttpLane {
  readonly #hosts: HostList
  readonly #number: number
  readonly #agent = new Agent({ keepAlive: true, maxSockets: 1 })
  #url: string | undefined

  constructor(hosts: HostList, number: number) {
    this.#hosts = hosts
    this.#number = number
  }

  close(): void {
    this.#agent.destroy()
  }

  /** @throws CallFailed */
  async call(type: string, id: string, method: string, args: readonly unknown[], timeoutMs = 10_000): Promise<Reply> {
    for (let attempt = 0; attempt < 16; attempt++) {
      const url = this.#url ??= this.#hosts.pick(this.#number)
      if (url === undefined) break
      try {
        return await this.#send(url, `/v1.0/actors/${encodeURIComponent(type)}/${encodeURIComponent(id)}/method/${method}`, args, timeoutMs)
      } catch (error) {
        if (!(error instanceof ConnectionRefused)) throw error
        this.#hosts.remove(url)
        this.#url = undefined
      }
    }
    throw new CallFailed('NO_HOST', 'no', true, 'every host refuses connections')
  }

  #send(url: string, path: string, args: readonly unknown[], timeoutMs: number): Promise<Reply> {
    const { promise, resolve, reject } = Promise.withResolvers<Reply>()
    const body = JSON.stringify(args)
    const headers = { 'content-type': 'application/json', 'content-length': Buffer.byteLength(body) }
    const call = request(url + path, { method: 'POST', agent: this.#agent, headers, timeout: timeoutMs }, response => {
      let text = ''
      response.setEncoding('utf8').on('data', (chunk: string) => { text += chunk })
      response.on('error', error => reject(lost(error)))
      response.on('end', () => {
        if (response.headers.connection === 'close') this.#url = this.#hosts.pick(this.#number, url)
        const status = response.statusCode ?? 0
        if (status >= 200 && status < 300) {
          resolve({ value: text === '' ? undefined : JSON.parse(text) as unknown, host: String(response.headers['troupe-host'] ?? '') })
        } else reject(failureOf(status, text))
      })
    })
    call.on('timeout', () => call.destroy(new Error(`no answer within ${timeoutMs} ms`)))
    call.on('error', error => reject((error as NodeJS.ErrnoException).code === 'ECONNREFUSED' ? new ConnectionRefused() : lost(error)))
    call.end(body)
    return promise
  }
}

class ConnectionRefused extends Error {}

const lost = (error: Error): CallFailed => new CallFailed((error as NodeJS.ErrnoException).code ?? 'LOST', 'unknown', true, error.message)

interface ErrorBody {
  readonly code: string
  readonly message: string
  readonly executed: 'no' | 'yes' | 'unknown'
  readonly retryable: boolean
}

function failureOf(status: number, text: string): CallFailed {
  try {
    const { code, executed, retryable, message } = JSON.parse(text) as ErrorBody
    return new CallFailed(code, executed, retryable, message)
  } catch {
    return new CallFailed(String(status), 'unknown', false, text.slice(0, 200))
  }
}
