/** An application behind a sidecar in this process, with both doors of it at hand; and two of them on one store. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { ServiceError } from '@grpc/grpc-js'
import { expect, onTestFinished } from 'vitest'
import { ask, DaprApplication } from './dapr-application.ts'
import { daprStub } from './dapr-stub.ts'
import { sidecarOf, type SidecarSetting } from './running-sidecar.ts'

type Reply = Awaited<ReturnType<typeof ask>>

export interface Served {
  readonly app: DaprApplication
  readonly http: string
  readonly grpc: string
  /** `POST`, `/actors/Cart/1/method/m`. */
  call(verb: string, path: string, body?: string, headers?: Record<string, string>): Promise<Reply>
  rpc(name: string, request: object): Promise<any>
  /** How it fails. */
  fails(name: string, request: object): Promise<readonly [code: number, details: string]>
  stop(): Promise<void>
}

export async function served(config: object = { entities: ['Cart'] }, setting: SidecarSetting = {}): Promise<Served> {
  const app = await new DaprApplication(config).start()
  onTestFinished(() => app.stop())
  const sidecar = await sidecarOf({ appPort: app.port, ...setting })
  const { http, grpc } = sidecar
  const stub = daprStub(grpc)
  const rpc = (name: string, request: object): Promise<any> => stub.call(name, request)
  return {
    app, http, grpc, rpc,
    call: (verb, path, body, headers) => ask(http, verb, path, body, headers),
    fails: (name, request) => rpc(name, request).then(() => { throw new Error('it did not fail') }, ({ code, details }: ServiceError) => [code, details] as const),
    stop: () => sidecar.stop(),
  }
}

/** A store that hosts share; gone when the test is. */
export function sharedStore(): string {
  const folder = mkdtempSync(join(tmpdir(), 'troupe-shared-'))
  onTestFinished(() => { rmSync(folder, { recursive: true, force: true }) })
  return `lmdb:${folder}`
}

/**
 * Two sidecars of one application on one store, an id of `type` that lives with the second, and one that lives with the first. Both
 * answer `where` with their place.
 */
export async function servedTwice(config: object, setting: SidecarSetting = {}, type = 'Cart'): Promise<{ here: Served; there: Served; id: string; ownId: string }> {
  const store = sharedStore()
  const [here, there] = [await served(config, { store, ...setting }), await served(config, { store, ...setting })]
  for (const [i, { app }] of [here, there].entries()) app.on('where', () => String(i))
  const ids = Array.from({ length: 16 }, (_, i) => `id-${i}`)
  let places: string[] = []
  // Until the second one is a member, all of them live with the first.
  await expect.poll(async () => {
    places = await Promise.all(ids.map(async id => (await here.call('POST', `/actors/${type}/${id}/method/where`)).text))
    return places.includes('1')
  }, { timeout: 15_000 }).toBe(true)
  return { here, there, id: ids[places.indexOf('1')]!, ownId: ids[places.indexOf('0')]! }
}
