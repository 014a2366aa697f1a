/**
 * A child process as an object with typed methods, over IPC; the child's side is `serveParent` in serve-parent.ts.
 *
 * A child never outlives its parent: it exits when the channel closes, whatever closed it. `stop` lets it clean up and
 * kills it when it does not.
 */
import { fork } from 'node:child_process'
import { once } from 'node:events'
import { basename } from 'node:path'
import { fileURLToPath } from 'node:url'

/** Methods of a child; their arguments and results travel by structured clone. */
// eslint-disable-next-line @typescript-eslint/no-explicit-any
export type ChildApi = Record<string, (...args: any[]) => unknown>

export type ToChild = { readonly call: number; readonly method: string; readonly args: readonly unknown[] }
export type FromChild =
  | { readonly ready: true }
  | { readonly call: number; readonly value: unknown }
  | { readonly call: number; readonly error: string }

/** Methods that every child has. */
export interface BuiltInApi {
  /** CPU seconds since its start. */
  cpuSeconds(): number
  /** Runs the child's own `stop`, if it has one, then exits. */
  exit(): void
}

export interface Child<Api extends ChildApi> {
  /** @throws what the method threw, or when the child has ended or does not answer within `answerMs` */
  ask<M extends keyof Api & string>(method: M, ...args: Parameters<Api[M]>): Promise<Awaited<ReturnType<Api[M]>>>
  cpuSeconds(): Promise<number>
  /** Ends the process. Never throws. */
  stop(): Promise<void>
}

const answerMs = 120_000
const exitMs = 10_000

export async function startChild<Api extends ChildApi>(module: URL, nodeFlags: readonly string[] = []): Promise<Child<Api>> {
  const file = fileURLToPath(module)
  const name = basename(file)
  const proc = fork(file, [], {
    serialization: 'advanced',
    execArgv: [...nodeFlags],
    // Standard output belongs to the report.
    stdio: ['ignore', 2, 2, 'ipc'],
    env: { ...process.env, NODE_ENV: 'production' },
  })
  const exited = once(proc, 'exit')
  const waiting = new Map<number, { resolve(value: unknown): void; reject(error: Error): void }>()
  let calls = 0

  const ready = new Promise<void>((resolve, reject) => {
    proc.on('message', (message: FromChild) => {
      if ('ready' in message) return resolve()
      const call = waiting.get(message.call)
      if (call === undefined) return
      waiting.delete(message.call)
      if ('error' in message) call.reject(new Error(`${name}: ${message.error}`))
      else call.resolve(message.value)
    })
    proc.on('exit', (code, signal) => {
      const reason = new Error(`${name} ended (${signal ?? `code ${code}`})`)
      reject(reason)
      for (const call of waiting.values()) call.reject(reason)
      waiting.clear()
    })
  })

  const ask = (method: string, args: readonly unknown[], withinMs: number): Promise<unknown> =>
    new Promise((resolve, reject) => {
      if (!proc.connected) return reject(new Error(`${name} has ended`))
      const call = calls++
      const timer = setTimeout(() => {
        waiting.delete(call)
        reject(new Error(`${name}: no answer to ${method} within ${withinMs} ms`))
      }, withinMs)
      waiting.set(call, {
        resolve: value => { clearTimeout(timer); resolve(value) },
        reject: error => { clearTimeout(timer); reject(error) },
      })
      proc.send({ call, method, args } satisfies ToChild)
    })

  const stop = async (): Promise<void> => {
    if (proc.exitCode !== null || proc.signalCode !== null) return
    const kill = setTimeout(() => { proc.kill('SIGKILL') }, exitMs)
    // The child leaves without answering.
    ask('exit', [], exitMs).catch(() => {})
    await exited
    clearTimeout(kill)
  }

  const startTimer = setTimeout(() => { proc.kill('SIGKILL') }, answerMs)
  try {
    await ready
  } finally {
    clearTimeout(startTimer)
  }
  return {
    ask: (method, ...args) => ask(method, args, answerMs) as never,
    cpuSeconds: () => ask('cpuSeconds', [], answerMs) as Promise<number>,
    stop,
  }
}
