/**
 * Components as their documents have them: type, version, metadata. What a piece of metadata refers to (a secret, a variable of the
 * environment) is looked up by secrets.ts, and only for a component that is used.
 */
import type { ComponentFact } from '../door-facts.ts'
import type { Field } from './field-reader.ts'
import type { Resource } from './resource-files.ts'

/** One entry of spec.metadata; its value is given, or is found by one of the two references. */
export interface MetadataItem {
  /** As it is written. */
  readonly name: string
  /** Undefined also when it is no single value. */
  readonly value: string | undefined
  readonly secret: { readonly name: string; readonly key: string } | undefined
  readonly variable: string | undefined
  /** The item itself, for problems. */
  readonly field: Field
}

export interface Component {
  readonly name: string
  readonly type: string
  readonly version: string
  /** By name in lower case: names are compared without case. */
  readonly metadata: ReadonlyMap<string, MetadataItem>
  readonly secretStore: string | undefined
  /** The document, for problems. */
  readonly root: Field
}

export function readComponents(resources: readonly Resource[]): Component[] {
  const components: Component[] = []
  const names = new Set<string>()
  for (const { name, root } of resources) {
    if (name === '') root.at('metadata').at('name').refuse('is missing; write it')
    else if (names.has(name)) root.at('metadata').at('name').refuse(`there is another component ${JSON.stringify(name)}; give each a name of its own`)
    names.add(name)
    const spec = root.at('spec')
    const type = spec.at('type').neededText()
    const version = spec.at('version').text() || 'v1'
    const metadata = readMetadata(spec.at('metadata'))
    const secretStore = root.at('auth').at('secretStore').text() || undefined
    if (name !== '' && type !== undefined) components.push({ name, type: type.trim().toLowerCase(), version, metadata, secretStore, root })
  }
  return components
}

function readMetadata(list: Field): Map<string, MetadataItem> {
  const items = new Map<string, MetadataItem>()
  for (const field of list.items()) {
    const name = field.at('name').neededText()
    if (name === undefined) continue
    if (items.has(name.toLowerCase())) field.at('name').refuse(`${name} is given twice; leave one out`)
    const reference = field.at('secretKeyRef')
    const secretName = reference.given ? reference.at('name').neededText() : undefined
    const { value } = field.at('value')
    items.set(name.toLowerCase(), {
      name,
      // Components that Troupe does not use may have lists and mappings here.
      value: typeof value === 'string' ? value : undefined,
      secret: secretName === undefined ? undefined : { name: secretName, key: reference.at('key').text() || secretName },
      variable: field.at('envRef').text() || undefined,
      field,
    })
  }
  return items
}

/** What a state store of this type is shown to do; Troupe serves actors alone with it. */
const capabilities: Readonly<Record<string, readonly string[]>> = {
  'state.redis': ['ETAG', 'TRANSACTIONAL', 'TTL', 'ACTOR'],
  'state.postgresql': ['ETAG', 'TRANSACTIONAL', 'TTL', 'ACTOR'],
  'state.postgres': ['ETAG', 'TRANSACTIONAL', 'TTL', 'ACTOR'],
  'state.sqlite': ['ETAG', 'TRANSACTIONAL', 'TTL', 'ACTOR'],
  'state.in-memory': ['ETAG', 'TRANSACTIONAL', 'TTL', 'DELETE_WITH_PREFIX', 'ACTOR'],
}

export const componentFact = ({ name, type, version }: Component): ComponentFact => ({ name, type, version, capabilities: capabilities[type] ?? [] })
