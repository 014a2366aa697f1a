/**
 * The resource files of an application as Dapr has them (`--resources-path`, `--config`), read once at the start: its components
 * and which store they name for actors, the features it turns on, what is to be done when calls fail.
 *
 * Everything that is wrong is told at once. What is right but not Troupe's (a message broker, tracing) is passed over with one
 * warning each. docs/decisions/028-dapr-components.md says what becomes what.
 */
import type { Logger } from '../../core/logger.ts'
import type { ComponentFact } from './door-facts.ts'
import { actorStoreUrl, findActorStateStore } from './resources/actor-state-store.ts'
import { componentFact, readComponents, type Component } from './resources/components.ts'
import { readConfiguration } from './resources/configuration.ts'
import { Problems } from './resources/field-reader.ts'
import { readResiliency } from './resources/resiliency-files.ts'
import { readFolder, readResourceFile, type Resource } from './resources/resource-files.ts'
import { Secrets } from './resources/secrets.ts'
import type { ResiliencySpec } from './resiliency/resiliency-spec.ts'

export interface ResourceOptions {
  /** Folders, or lists of them separated by commas. */
  readonly paths: readonly string[]
  readonly configFiles?: readonly string[]
  /** Resources that name another one are left out; undefined or '': none are. */
  readonly namespace?: string | undefined
  /** Resources with scopes are taken when it is among them. */
  readonly appId?: string | undefined
  readonly env: Readonly<Record<string, string | undefined>>
  /** What relative paths are relative to. */
  readonly cwd: string
  readonly log: Logger
}

export interface DaprResources {
  /** Of the store for actors, with its password; undefined: no component is marked as one. */
  readonly storeUrl: string | undefined
  /** The name of that component. */
  readonly storeName: string | undefined
  readonly components: readonly ComponentFact[]
  readonly enabledFeatures: readonly string[]
  readonly resiliency: ResiliencySpec
}

/** @throws BAD_OPTION that lists all problems, one a line: file, document, field, remedy */
export function readResources(options: ResourceOptions): DaprResources {
  const { cwd, log, env, configFiles = [] } = options
  const problems = new Problems()
  const folders = new Set(options.paths.flatMap(path => path.split(',')).map(path => path.trim()).filter(path => path !== ''))
  const resources = [...folders].flatMap(folder => readFolder(folder, cwd, problems)).filter(resource => isOurs(resource, options))
  const components = readComponents(resources.filter(({ kind }) => kind === 'Component'))
  const store = findActorStateStore(components)
  const secrets = new Secrets(components, { env, cwd, namespace: options.namespace, appId: options.appId })
  const storeUrl = store === undefined ? undefined : actorStoreUrl(store, secrets, log)
  const enabledFeatures = [...new Set(configFiles.flatMap(file => readConfiguration(file, readResourceFile(file, cwd, problems), log, problems)))]
  const resiliency = readResiliency(resources.filter(({ kind }) => kind === 'Resiliency'), log)
  problems.throwIfAny()
  for (const component of components) if (component !== store) tellPassedOver(component, log)
  return { storeUrl, storeName: store?.name, components: components.map(componentFact), enabledFeatures, resiliency }
}

const KINDS = ['Component', 'Resiliency']

function isOurs({ kind, name, namespace, scopes }: Resource, options: ResourceOptions): boolean {
  const why = !KINDS.includes(kind) ? `${kind === 'Configuration' ? 'a Configuration is given as a file of its own (--config)' : 'Troupe does nothing with this kind'}`
    : namespace !== undefined && options.namespace && namespace !== options.namespace ? `it is for the namespace ${namespace}`
    : scopes.length > 0 && !(options.appId !== undefined && scopes.includes(options.appId)) ? `it is for ${scopes.join(', ')}`
    : undefined
  if (why !== undefined) options.log.debug({ kind, name }, `resource ${kind} ${name} is left out: ${why}`)
  return why === undefined
}

function tellPassedOver({ name, type }: Component, log: Logger): void {
  if (/^secretstores\.local\.(?:env|file)$/.test(type)) return
  const what = type.startsWith('state.') ? 'it is not marked actorStateStore, and Troupe keeps no other state' : 'Troupe runs actors alone'
  log.warn({ component: name, type }, `component ${name} (${type}) is shown in the metadata and otherwise passed over: ${what}`)
}
