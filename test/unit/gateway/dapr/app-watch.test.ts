import { describe, expect, it } from 'vitest'
import { ManualClock } from '../../../../core/clock.ts'
import type { Logger } from '../../../../core/logger.ts'
import { AppWatch, defaultHealthCheck, type AppWatchOptions, type WatchedApp } from '../../../../gateway/dapr/app-watch.ts'
import type { PortState } from '../../../../gateway/dapr/channel/port-look.ts'

/** An application whose behaviour is set by hand, and what a watch of it says. */
class Scene {
  readonly clock = new ManualClock()
  port: PortState = 'refused'
  health: number | 'silent' = 200
  config: { status?: number; text: string } | 'broken' | 'silent' = { text: '{"entities":["A"]}' }
  readonly asked: string[] = []
  readonly headers: (readonly string[])[] = []
  looks = 0
  readonly events: string[] = []
  readonly log: string[] = []
  readonly watch: AppWatch

  constructor(state: Partial<Pick<Scene, 'port' | 'health' | 'config'>> = {}, options: Partial<AppWatchOptions> = {}) {
    Object.assign(this, state)
    const say = (_: object, message: string): void => void this.log.push(message)
    const log: Logger = { debug() {}, info: say, warn: say, error: say, child: () => log }
    this.watch = new AppWatch(
      { app: this.#app(), port: 3000, appId: 'shop', health: undefined, strict: false, clock: this.clock, log, ...options },
      {
        ready: types => this.events.push(`ready ${types.map(type => type.name)}`),
        unhealthy: () => this.events.push('unhealthy'),
        healthy: types => this.events.push(`healthy ${types.map(type => type.name)}`),
      },
    )
    this.watch.start()
  }

  #app(): WatchedApp {
    const silence = (signal: AbortSignal) => new Promise<never>((_, reject) => signal.addEventListener('abort', () => reject(new Error('aborted'))))
    return {
      name: 'http://127.0.0.1:3000',
      look: signal => {
        this.looks++
        return this.port === 'silent' ? silence(signal).catch(() => 'silent' as const) : Promise.resolve(this.port)
      },
      get: async (path, headers, signal) => {
        this.asked.push(path)
        this.headers.push(headers)
        const answer = path === '/dapr/config' ? this.config : typeof this.health === 'number' ? { status: this.health, text: '' } : this.health
        if (answer === 'silent') return silence(signal)
        if (answer === 'broken') throw new Error('reset')
        return { status: answer.status ?? 200, body: Buffer.from(answer.text) }
      },
    }
  }
}

describe('a watch without a health check', () => {
  it('waits for the port, says so once, and then asks what is hosted', async () => {
    const scene = new Scene()
    await scene.clock.advance(60_000)
    expect(scene.events).toEqual([])
    expect(scene.looks).toBeGreaterThan(100)
    expect(scene.log).toEqual(['waiting for the application on port 3000', expect.stringMatching(/^the application does not answer on port 3000 yet/) as string])
    scene.port = 'open'
    await scene.clock.advance(500)
    expect(scene.events).toEqual(['ready A'])
    expect(scene.asked).toEqual(['/dapr/config'])
    expect(scene.headers).toEqual([['dapr-app-id', 'shop']])
    await scene.clock.advance(3_600_000)
    expect(scene.asked).toEqual(['/dapr/config'])
    expect(scene.events).toEqual(['ready A'])
  })

  it('finds a started application at once', async () => {
    const scene = new Scene({ port: 'open' })
    await scene.clock.advance(0)
    expect(scene.events).toEqual(['ready A'])
    expect(scene.log).toEqual([])
  })

  it.each([
    [{ status: 404, text: 'not found' }, '/dapr/config answered 404; the application hosts no actors'],
    [{ text: '<html>' }, '/dapr/config answered no JSON; the application hosts no actors'],
    [{ text: '"x"' }, 'the document: "x" is no object; it is ignored'],
  ])('takes %j for an application without actors', async (config, warning) => {
    const scene = new Scene({ port: 'open', config })
    await scene.clock.advance(0)
    expect(scene.events).toEqual(['ready '])
    expect(scene.log).toEqual([`application: ${warning}`])
  })

  it('tells what is wrong in the config', async () => {
    const scene = new Scene({ port: 'open', config: { text: '{"entities":["A"],"drainOngoingCallTimeout":"60s","actorIdleTimeout":7}' } })
    await scene.clock.advance(0)
    expect(scene.log).toEqual([
      'application: actorIdleTimeout: 7 is no duration such as \'1h30m\' or \'500ms\'; it is ignored',
      'application: drainOngoingCallTimeout (1m0s) for entities=A meets or exceeds the dissemination timeout (30s); 24s is used instead',
    ])
  })

  it.each(['broken', 'silent'] as const)('asks again when the answer is %s', async config => {
    const scene = new Scene({ port: 'open', config })
    await scene.clock.advance(30_000)
    expect(scene.events).toEqual([])
    expect(scene.asked.length).toBeGreaterThan(2)
    scene.config = { text: '{"entities":["B"]}' }
    await scene.clock.advance(11_000)
    expect(scene.events).toEqual(['ready B'])
  })
})

describe('a suspected application', () => {
  const upScene = async (options: Partial<AppWatchOptions> = {}): Promise<Scene> => {
    const scene = new Scene({ port: 'open' }, options)
    await scene.clock.advance(0)
    expect(scene.events.splice(0)).toEqual(['ready A'])
    scene.asked.length = 0
    return scene
  }

  it('is away when its port refuses, and comes back with what it hosts now', async () => {
    const scene = await upScene()
    await scene.clock.advance(2000)
    scene.port = 'refused'
    scene.watch.suspect()
    await scene.clock.advance(5000)
    expect(scene.events).toEqual(['unhealthy'])
    Object.assign(scene, { port: 'open', config: { text: '{"entities":["A","B"]}' } })
    await scene.clock.advance(500)
    expect(scene.events).toEqual(['unhealthy', 'healthy A,B'])
  })

  it('is asked again when its port is open, and told only when it hosts other types', async () => {
    const scene = await upScene()
    scene.watch.suspect()
    await scene.clock.advance(2000)
    expect(scene.asked).toEqual(['/dapr/config'])
    expect(scene.events).toEqual([])
    scene.config = { text: '{"entities":["C"]}' }
    scene.watch.suspect()
    await scene.clock.advance(2000)
    expect(scene.events).toEqual(['healthy C'])
  })

  it('is not asked in a circle', async () => {
    const scene = await upScene()
    for (let i = 0; i < 100; i++) {
      scene.watch.suspect()
      await scene.clock.advance(100)
    }
    expect(scene.asked.length).toBeGreaterThan(5)
    expect(scene.asked.length).toBeLessThan(15)
  })

  it('is looked at again when it broke the connection', async () => {
    const scene = await upScene()
    scene.config = 'broken'
    scene.watch.suspect()
    await scene.clock.advance(100)
    expect(scene.events).toEqual([])
    scene.port = 'refused'
    await scene.clock.advance(2000)
    expect(scene.events).toEqual(['unhealthy'])
  })

  it('is believed when it is silent for a moment, not when for longer', async () => {
    const scene = await upScene()
    scene.port = 'silent'
    scene.watch.suspect()
    await scene.clock.advance(1500)
    scene.port = 'open'
    await scene.clock.advance(3000)
    expect(scene.events).toEqual([])
    scene.port = 'silent'
    scene.watch.suspect()
    await scene.clock.advance(3000)
    expect(scene.events).toEqual(['unhealthy'])
  })

  it('is not looked at in strict mode', async () => {
    const scene = await upScene({ strict: true })
    const { looks } = scene
    scene.port = 'refused'
    scene.watch.suspect()
    await scene.clock.advance(60_000)
    expect(scene.looks).toBe(looks)
    expect(scene.events).toEqual([])
  })

  it('is let be after stop', async () => {
    const scene = await upScene()
    scene.watch.stop()
    scene.port = 'refused'
    scene.watch.suspect()
    await scene.clock.advance(60_000)
    expect(scene.events).toEqual([])
    expect(scene.log).toEqual([])
  })
})

describe('a watch with a health check', () => {
  const health = defaultHealthCheck

  it('is unhealthy after three failures in a row, and healthy with the first success', async () => {
    const scene = new Scene({ port: 'open' }, { health })
    await scene.clock.advance(0)
    expect(scene.events.splice(0)).toEqual(['ready A'])
    scene.health = 500
    await scene.clock.advance(14_999)
    expect(scene.events).toEqual([])
    await scene.clock.advance(1)
    expect(scene.events).toEqual(['unhealthy'])
    Object.assign(scene, { health: 204, config: { text: '{"entities":["B"]}' } })
    await scene.clock.advance(500)
    expect(scene.events).toEqual(['unhealthy', 'healthy B'])
  })

  it('forgets failures with a success', async () => {
    const scene = new Scene({ port: 'open' }, { health })
    await scene.clock.advance(0)
    for (let i = 0; i < 5; i++) {
      scene.health = 500
      await scene.clock.advance(10_000)
      scene.health = 200
      await scene.clock.advance(5000)
    }
    expect(scene.events).toEqual(['ready A'])
  })

  it('counts silence as failure', async () => {
    const scene = new Scene({ port: 'open' }, { health: { path: '/ok', intervalMs: 1000, timeoutMs: 100, threshold: 2 } })
    await scene.clock.advance(0)
    scene.health = 'silent'
    await scene.clock.advance(2200)
    expect(scene.events).toEqual(['ready A', 'unhealthy'])
    expect(new Set(scene.asked)).toEqual(new Set(['/ok', '/dapr/config']))
  })

  it('is not ready before the first success', async () => {
    const scene = new Scene({ port: 'open', health: 503 }, { health })
    await scene.clock.advance(20_000)
    expect(scene.events).toEqual([])
    scene.health = 200
    await scene.clock.advance(500)
    expect(scene.events).toEqual(['ready A'])
  })

  it('counts failures over suspicions', async () => {
    const scene = new Scene({ port: 'open' }, { health })
    await scene.clock.advance(0)
    scene.health = 500
    for (let i = 0; i < 5; i++) {
      await scene.clock.advance(6500)
      scene.watch.suspect()
    }
    expect(scene.events).toContain('unhealthy')
  })
})
