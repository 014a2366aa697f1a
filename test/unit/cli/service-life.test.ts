// How a serving process ends: told by a signal, or by itself with a code of its own.
import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { afterEach, describe, expect, it } from 'vitest'

const children: ChildProcess[] = []
afterEach(() => { for (const child of children.splice(0)) child.kill('SIGKILL') })

/** `finished` and `ended` are expressions; the process says `ready` and `stopped`, and errors with their reasons. */
function serving(finished: string, ended = 'undefined'): ChildProcess {
  const code = `
    import { serve } from ${JSON.stringify(new URL('../../../cli/service-life.ts', import.meta.url).href)}
    const log = { debug() {}, info: (_, message) => console.log(message), warn: (_, message) => console.log(message), error: ({ reason }, message) => console.log(reason === undefined ? message : message + ': ' + reason), child: () => log }
    await serve({ log, stopTimeoutMs: 5000, start: async () => {
      setInterval(() => {}, 1000)
      console.log('ready')
      return { stop: async () => { await new Promise(setImmediate); console.log('service stopped') }, finished: ${finished}, ended: ${ended} }
    } })`
  const child = spawn(process.execPath, ['--input-type=module', '-e', code], { stdio: ['ignore', 'pipe', 'inherit'] })
  children.push(child)
  return child
}

async function outcome(child: ChildProcess, afterReady: () => void = () => undefined): Promise<{ code: number; said: string[] }> {
  let said = ''
  child.stdout!.setEncoding('utf8').on('data', (text: string) => {
    if (!said.includes('ready') && (said + text).includes('ready')) afterReady()
    said += text
  })
  const [code] = await once(child, 'close', { signal: AbortSignal.timeout(20_000) }) as [number]
  return { code, said: said.trim().split('\n') }
}

describe('a service', () => {
  it('that has finished is stopped, and its word is the exit code', async () => {
    expect(await outcome(serving("Promise.resolve({ reason: 'done', code: 7 })"))).toEqual({ code: 7, said: ['ready', 'stopping', 'service stopped', 'stopped'] })
  })

  it('that cannot go on says why, and ends with 1', async () => {
    const never = 'new Promise(() => {})'
    expect(await outcome(serving(never, "Promise.reject(new Error('the store is away'))"))).toEqual({ code: 1, said: ['ready', 'the service ended by itself: the store is away'] })
    expect(await outcome(serving(never, 'Promise.resolve()'))).toEqual({ code: 1, said: ['ready', 'the service ended by itself'] })
  })

  it('that is told to stop ends with 0, whatever it would say afterwards', async () => {
    const child = serving("new Promise(resolve => { process.on('SIGTERM', () => resolve({ reason: 'done', code: 7 })) })")
    expect(await outcome(child, () => child.kill('SIGTERM'))).toEqual({ code: 0, said: ['ready', 'stopping', 'service stopped', 'stopped'] })
  })
})
