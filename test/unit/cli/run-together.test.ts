// An application, which is a real process, and its sidecar, which is none: who starts first, who ends first, and what is left.
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { PassThrough } from 'node:stream'
import { afterEach, describe, expect, it, vi } from 'vitest'
import { startTogether } from '../../../cli/run.ts'
import type { RunningService } from '../../../cli/service-life.ts'
import { silentLogger } from '../../../core/logger.ts'
import type { Sidecar, SidecarOptions } from '../../../gateway/dapr/sidecar.ts'
import { settingsOf } from './daprd-command-lines.ts'

/** What happened, in order: lines of the application (with its prefix) and what became of the sidecar. */
class Events {
  readonly seen: string[] = []
  readonly #waiting = new Set<() => void>()

  add(event: string): void {
    this.seen.push(event)
    for (const look of this.#waiting) look()
  }

  async until(event: string | RegExp): Promise<string> {
    const found = Promise.withResolvers<string>()
    const look = (): void => {
      const match = this.seen.find(each => (typeof event === 'string' ? each === event : event.test(each)))
      if (match !== undefined) found.resolve(match)
    }
    this.#waiting.add(look)
    look()
    const deadline = setTimeout(() => found.reject(new Error(`no ${String(event)} in ${JSON.stringify(this.seen)}`)), 10_000)
    return await found.promise.finally(() => clearTimeout(deadline))
  }
}

interface Together extends RunningService {
  readonly events: Events
  readonly asked: SidecarOptions
  readonly sidecarEnded: PromiseWithResolvers<void>
}

const stops: (() => Promise<void>)[] = []
afterEach(async () => { for (const stop of stops.splice(0)) await stop().catch(() => undefined) })

interface Given {
  readonly words?: string
  readonly graceMs?: number
  readonly beforeStop?: (events: Events) => Promise<unknown>
}

async function together(command: readonly string[] | undefined, { words = '--app-port 3000', graceMs = 10_000, beforeStop }: Given = {}): Promise<Together> {
  const events = new Events()
  const sidecarEnded = Promise.withResolvers<void>()
  let asked!: SidecarOptions
  const start = (options: SidecarOptions): Promise<Sidecar> => {
    asked = options
    events.add('sidecar started')
    const stop = async (): Promise<void> => {
      events.add('sidecar draining')
      await beforeStop?.(events)
      events.add('sidecar stopped')
      sidecarEnded.resolve()
    }
    return Promise.resolve({ addresses: { http: 'http://127.0.0.1:41000', grpc: '127.0.0.1:41001' }, stop, ended: sidecarEnded.promise })
  }
  const output = (): PassThrough => {
    const stream = new PassThrough({ encoding: 'utf8' })
    stream.on('data', (text: string) => { for (const line of text.trimEnd().split('\n')) events.add(line) })
    return stream
  }
  const settings = settingsOf(words, { PATH: process.env.PATH }, 'run')
  const application = command === undefined ? undefined : { command, prefix: '== APP == ', stdout: output(), stderr: output(), graceMs }
  const running = await startTogether({ settings, application, metricsPort: undefined, log: silentLogger, start }).catch((error: unknown) => {
    throw Object.assign(error as Error, { seen: events.seen })
  })
  stops.push(() => running.stop())
  return { ...running, events, asked, sidecarEnded }
}

const node = (code: string, ...args: string[]): string[] => [process.execPath, '-e', code, ...args]
/** Says so and lives until it is told to end. */
const patient = "process.on('SIGTERM', () => { console.log('told to end'); process.exit(0) }); setInterval(() => {}, 1000); console.log('up', process.pid)"
const stubborn = "process.on('SIGTERM', () => console.log('no')); setInterval(() => {}, 1000); console.log('up', process.pid)"

const pidIn = (line: string): number => Number(/\d+/.exec(line)![0])
const gone = (pid: number): Promise<void> => vi.waitFor(() => {
  expect(() => process.kill(pid, 0)).toThrow(/ESRCH/)
}, { timeout: 10_000, interval: 20 })

describe('an application and its sidecar', () => {
  it('start in that order that the application finds its sidecar', async () => {
    const { events } = await together(node("console.log(process.env.APP_ID, process.env.APP_PORT, process.env.DAPR_HTTP_PORT, process.env.DAPR_GRPC_PORT)"))
    await events.until('== APP == shop 3000 41000 41001')
    expect(events.seen[0]).toBe('sidecar started')
  })

  it('end with the exit code of the application when that ends', async () => {
    const { events, finished, stop } = await together(node("console.error('failed'); process.exitCode = 7"))
    expect(await finished).toEqual({ reason: 'the application ended with code 7', code: 7 })
    expect(events.seen).toContain('== APP == failed')
    await stop()
    expect(events.seen.slice(-2)).toEqual(['sidecar draining', 'sidecar stopped'])
  })

  it('tell by 128 and its number which signal ended the application', async () => {
    const { finished } = await together(node("process.kill(process.pid, 'SIGKILL')"))
    expect(await finished).toMatchObject({ code: 137 })
  })

  it('stop in that order that running turns can end: the sidecar while the application still answers', async () => {
    const { events, stop, finished } = await together(node(`process.on('SIGUSR2', () => console.log('still here')); ${patient}`), {
      beforeStop: async events => {
        process.kill(pidIn(await events.until(/ up /)), 'SIGUSR2')
        await events.until('== APP == still here')
      },
    })
    await events.until(/ up /)
    await stop()
    expect(events.seen.slice(2)).toEqual(['sidecar draining', '== APP == still here', 'sidecar stopped', '== APP == told to end'])
    expect(await finished).toMatchObject({ code: 0 })
  })

  it('stop all the same when the sidecar does not stop cleanly', async () => {
    const { events, stop } = await together(node(patient), { beforeStop: () => Promise.reject(new Error('store away')) })
    const pid = pidIn(await events.until(/ up /))
    await expect(stop()).rejects.toThrow('store away')
    await gone(pid)
  })

  it('do not wait for an application that will not end', async () => {
    const { events, stop, finished } = await together(node(stubborn), { graceMs: 200 })
    const pid = pidIn(await events.until(/ up /))
    await stop()
    expect(events.seen).toContain('== APP == no')
    expect(await finished).toMatchObject({ code: 137 })
    await gone(pid)
  })

  it('leave no process of the application behind, and let each end in order', async () => {
    const child = "process.on('SIGTERM', () => setTimeout(() => { console.log('child ends'); process.exit(0) }, 50)); setInterval(() => {}, 1000); console.log('child', process.pid)"
    const { events, stop } = await together(node("require('node:child_process').spawn(process.execPath, ['-e', process.argv[1]], { stdio: 'inherit' }); setInterval(() => {}, 1000)", child))
    const pid = pidIn(await events.until(/ child \d/))
    await stop()
    expect(events.seen.at(-1)).toBe('== APP == child ends')
    await gone(pid)
  })

  it('end what the application left in the background when it ends by itself', async () => {
    const leaver = "require('node:child_process').spawn(process.execPath, ['-e', process.argv[1]], { stdio: ['ignore', 'inherit', 'inherit', 'ipc'] }).on('message', () => process.exit(3))"
    const { events, finished } = await together(node(leaver, `${stubborn}; process.send('up')`), { graceMs: 300 })
    const pid = pidIn(await events.until(/ up /))
    expect(await finished).toMatchObject({ code: 3 })
    await gone(pid)
  })

  it('end together when the sidecar has to end', async () => {
    const { events, sidecarEnded, ended, finished } = await together(node(patient))
    await events.until(/ up /)
    let first: unknown
    void finished!.then(how => { first ??= how })
    const over = expect(ended!.catch((error: unknown) => { first ??= error; throw error })).rejects.toThrow('taken over')
    sidecarEnded.reject(new Error('taken over'))
    await over
    expect(events.seen).toContain('== APP == told to end')
    // The end of the application is what came of it, not why.
    expect(first).toMatchObject({ message: 'taken over' })
  })

  it('end when a client asks for it', async () => {
    const { events, asked, finished, stop } = await together(node(patient))
    await events.until(/ up /)
    asked.onShutdownRequested()
    expect(await finished).toMatchObject({ code: 0 })
    await stop()
    expect(events.seen).toContain('== APP == told to end')
  })

  it('do not start when there is no such program', async () => {
    const failure = await together(['/no/such/program']).catch((error: unknown) => error)
    expect(failure).toMatchObject({ code: 'APP_LOAD_FAILED', message: expect.stringMatching(/"\/no\/such\/program" cannot be started: there is no such program/) as string })
    expect((failure as { seen: string[] }).seen).toEqual(['sidecar started', 'sidecar draining', 'sidecar stopped'])
  })
})

describe('a sidecar alone', () => {
  it('is what troupe run without a command starts', async () => {
    const { events, stop } = await together(undefined)
    await stop()
    expect(events.seen).toEqual(['sidecar started', 'sidecar draining', 'sidecar stopped'])
  })
})

describe('a troupe run that ends at once', () => {
  it('kills its application', async () => {
    const code = `
      import { Application } from ${JSON.stringify(new URL('../../../cli/application.ts', import.meta.url).href)}
      await Application.start({ command: [process.execPath, '-e', ${JSON.stringify(stubborn)}], env: process.env, prefix: '', stdout: process.stdout, stderr: process.stderr, graceMs: 10_000 })
      process.on('SIGUSR2', () => process.exit(1))`
    const parent = spawn(process.execPath, ['--input-type=module', '-e', code], { stdio: ['ignore', 'pipe', 'inherit'] })
    const [line] = await once(parent.stdout.setEncoding('utf8'), 'data', { signal: AbortSignal.timeout(10_000) }) as [string]
    parent.kill('SIGUSR2')
    await once(parent, 'exit', { signal: AbortSignal.timeout(10_000) })
    await gone(pidIn(line))
  })
})
