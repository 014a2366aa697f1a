/**
 * What the metadata of a component refers to: secrets of the two stores that are read here (secretstores.local.env and
 * secretstores.local.file) and variables of the environment. What is missing is a problem; no problem shows a secret.
 */
import { readFileSync } from 'node:fs'
import { resolve } from 'node:path'
import type { Component, MetadataItem } from './components.ts'
import { isTruthy, type Field } from './field-reader.ts'

export interface SecretsOptions {
  readonly env: Readonly<Record<string, string | undefined>>
  /** What a relative secretsFile is relative to. */
  readonly cwd: string
  /** For `{namespace}` and `{appID}` in values. */
  readonly namespace: string | undefined
  readonly appId: string | undefined
}

/** A secret's values by their keys; undefined: there is no such secret. */
type SecretStore = (name: string) => ReadonlyMap<string, string> | undefined

const KINDS = 'there are secretstores.local.env and secretstores.local.file'
const MAX_DEPTH = 32

/** Values of metadata, with what they refer to looked up. */
export class Secrets {
  readonly #options: SecretsOptions
  readonly #components: ReadonlyMap<string, Component>
  /** Those that have been opened; undefined: it could not be, which has been told. */
  readonly #open = new Map<string, SecretStore | undefined>()

  constructor(components: readonly Component[], options: SecretsOptions) {
    this.#options = options
    this.#components = new Map(components.filter(c => c.type.startsWith('secretstores.')).map(c => [c.name, c]))
  }

  /** Undefined when it is not given, or could not be found, which is noted then. */
  valueOf(component: Component, item: MetadataItem): string | undefined {
    if (item.value !== undefined && item.value !== '') return this.#filled(item.value)
    if (item.variable !== undefined) return this.#variable(item.field.at('envRef'), item.variable)
    if (item.secret === undefined) return item.field.at('value').text()
    const field = item.field.at('secretKeyRef')
    const store = this.#storeOf(component, field)
    if (store === undefined) return undefined
    const { name, key } = item.secret
    const values = store(name)
    const value = values?.get(key)
    if (value !== undefined && value !== '') return value
    const what = values === undefined || name === key ? `secret ${JSON.stringify(name)}` : `key ${JSON.stringify(key)} in its secret ${JSON.stringify(name)}`
    return field.refuse(`secret store ${JSON.stringify(component.secretStore)} has no ${what}; add it there, or correct name and key`)
  }

  #filled(value: string): string {
    const { namespace, appId } = this.#options
    return value.replaceAll('{namespace}', namespace ?? '').replaceAll('{appID}', appId ?? '')
  }

  #variable(field: Field, name: string): string | undefined {
    if (!mayBeRead(name)) return field.refuse(`${name} is one of those that components may not read (DAPR_…, APP_API_TOKEN); use another variable`)
    const value = this.#options.env[name]
    return value === undefined || value === '' ? field.refuse(`the environment has no ${name}; set it`) : value
  }

  #storeOf(component: Component, field: Field): SecretStore | undefined {
    const name = component.secretStore
    if (name === undefined) return field.refuse('auth.secretStore is missing in this document; name the secret store there, beside spec')
    if (this.#open.has(name)) return this.#open.get(name)
    const store = this.#components.get(name)
    const opened = store === undefined
      ? component.root.at('auth').at('secretStore').refuse(`there is no secret store ${JSON.stringify(name)} for this application; add its component: ${KINDS}`)
      : this.#openStore(store)
    this.#open.set(name, opened)
    return opened
  }

  #openStore(store: Component): SecretStore | undefined {
    const text = (name: string): string | undefined => {
      const item = store.metadata.get(name)
      return item === undefined ? undefined : this.valueOf(store, item)
    }
    if (store.type === 'secretstores.local.env') {
      const prefix = text('prefix') ?? ''
      return name => {
        const value = mayBeRead(prefix + name) ? this.#options.env[prefix + name] : undefined
        return value === undefined ? undefined : new Map([[name, value]])
      }
    }
    if (store.type !== 'secretstores.local.file') {
      return store.root.at('spec').at('type').refuse(`Troupe reads no secrets from ${store.type}; ${KINDS}`)
    }
    const separator = text('nestedseparator') || ':'
    const path = text('secretsfile')
    if (path === undefined || path === '') return store.root.at('spec').at('metadata').refuse('there is no secretsFile; name the JSON file that holds the secrets')
    const tree = readTree(path, this.#options.cwd, store.metadata.get('secretsfile')!.field.at('value'))
    if (tree === undefined) return undefined
    return isTruthy(text('multivalued')) ? multiValued(tree, separator) : flat(tree, separator)
  }
}

const mayBeRead = (variable: string): boolean => !/^(?:DAPR_.*|APP_API_TOKEN)$/i.test(variable) && !/\s/.test(variable)

function readTree(path: string, cwd: string, field: Field): object | undefined {
  try {
    const tree: unknown = JSON.parse(readFileSync(resolve(cwd, path), 'utf8'))
    if (typeof tree === 'object' && tree !== null && !Array.isArray(tree)) return tree
    return field.refuse(`${path} holds no JSON object; write { "name": "secret" }`)
  } catch (error) {
    // Without the parser's message: it quotes what it stumbled over.
    const reason = error instanceof SyntaxError ? 'is no JSON' : `cannot be read (${(error as NodeJS.ErrnoException).code ?? 'error'})`
    return field.refuse(`${path} ${reason}; a relative path is relative to the working directory`)
  }
}

/** Each leaf is a secret of its own, under its path: `redis:password`. */
function flat(tree: object, separator: string): SecretStore {
  const leaves = leavesOf(tree, separator)
  return name => leaves.has(name) ? new Map([[name, leaves.get(name)!]]) : undefined
}

/** Each top-level name is a secret; its leaves are the keys. */
const multiValued = (tree: object, separator: string): SecretStore => name => {
  if (!Object.hasOwn(tree, name)) return undefined
  const value = (tree as Record<string, unknown>)[name]
  return typeof value === 'object' && value !== null ? leavesOf(value, separator) : new Map([[name, String(value ?? '')]])
}

function leavesOf(tree: object, separator: string): Map<string, string> {
  const leaves = new Map<string, string>()
  const walk = (node: object, path: string, depth: number): void => {
    for (const [name, value] of Object.entries(node)) {
      const here = path === '' ? name : `${path}${separator}${name}`
      if (typeof value === 'object' && value !== null) {
        if (depth < MAX_DEPTH) walk(value as object, here, depth + 1)
      } else leaves.set(here, String(value ?? ''))
    }
  }
  walk(tree, '', 1)
  return leaves
}
