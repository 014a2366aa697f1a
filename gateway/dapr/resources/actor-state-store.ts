/**
 * Which component keeps the state of actors, and the Troupe store that it becomes: the one state component whose metadata says
 * `actorStateStore: "true"`. The data lies in Troupe's own form; what a Dapr sidecar has written there is neither read nor touched.
 */
import type { Logger } from '../../../core/logger.ts'
import type { Component } from './components.ts'
import { isTruthy } from './field-reader.ts'
import { Metadata } from './metadata.ts'
import { postgresUrl } from './postgres-url.ts'
import { redisUrl } from './redis-url.ts'
import type { Secrets } from './secrets.ts'
import { sqliteUrl } from './sqlite-url.ts'

const MARK = 'actorstatestore'

interface Adapter {
  readonly versions: readonly string[]
  url(metadata: Metadata, warn: (text: string) => void): string | undefined
}

const adapters: Readonly<Record<string, Adapter>> = {
  'state.redis': { versions: ['v1'], url: redisUrl },
  'state.postgresql': { versions: ['v1', 'v2'], url: postgresUrl },
  'state.postgres': { versions: ['v1', 'v2'], url: postgresUrl },
  'state.sqlite': { versions: ['v1'], url: sqliteUrl },
  'state.in-memory': { versions: ['v1'], url: () => 'memory:' },
}

export const isActorStateStore = ({ type, metadata }: Component): boolean =>
  type.startsWith('state.') && isTruthy(metadata.get(MARK)?.value)

/** The component that is marked; a second one is noted as a problem. */
export function findActorStateStore(components: readonly Component[]): Component | undefined {
  const [first, ...others] = components.filter(isActorStateStore)
  for (const { metadata, name } of others) {
    metadata.get(MARK)!.field.refuse(`${name} is marked actorStateStore, and so is ${first!.name}; an application has one store for its actors: leave the mark to one`)
  }
  return first
}

/** The store URL, which may hold a password; undefined when there is none, which is noted. */
export function actorStoreUrl(component: Component, secrets: Secrets, log: Logger): string | undefined {
  const adapter = Object.hasOwn(adapters, component.type) ? adapters[component.type] : undefined
  const spec = component.root.at('spec')
  if (adapter === undefined) {
    const known = Object.keys(adapters).join(', ')
    return spec.at('type').refuse(`Troupe keeps no actors in ${component.type}; there are ${known}: use one of these, or remove actorStateStore and name a store with --store`)
  }
  if (!adapter.versions.includes(component.version.replace(/^v0$/, 'v1'))) {
    return spec.at('version').refuse(`there is no version ${component.version} of ${component.type}; there ${adapter.versions.length > 1 ? 'are' : 'is'} ${adapter.versions.join(', ')}`)
  }
  const about = { component: component.name, type: component.type }
  const metadata = new Metadata(component, secrets)
  const url = adapter.url(metadata, text => log.warn(about, `component ${component.name}: ${text}`))
  const { unread } = metadata
  if (unread.length > 0) log.debug({ ...about, unread }, `component ${component.name}: Troupe has settings of its own for ${unread.join(', ')}`)
  return url
}
