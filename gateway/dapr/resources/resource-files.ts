/**
 * Resource files: the YAML documents of folders, each with its kind and where it lies. The one importer of yaml.
 *
 * All scalars are taken as the text that stands in the file (a password `0123` stays one), null as nothing. Messages about broken
 * YAML tell the place, never the text: it may hold a password.
 */
import { readdirSync, readFileSync, statSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { LineCounter, parseAllDocuments, visit, type Document } from 'yaml'
import { messageOf } from '../../../core/errors.ts'
import { Field, type Problems } from './field-reader.ts'

/** A document of the group dapr.io. */
export interface Resource {
  readonly kind: string
  /** metadata.name; '' when it has none. */
  readonly name: string
  readonly namespace: string | undefined
  /** Ids of the applications that it is for; empty: all. */
  readonly scopes: readonly string[]
  /** The whole document. */
  readonly root: Field
}

const MAX_BYTES = 4 * 1024 * 1024

/** Of the files that lie in `folder` itself, by name. */
export function readFolder(folder: string, cwd: string, problems: Problems): Resource[] {
  const path = resolve(cwd, folder)
  const what = `resources path ${JSON.stringify(folder)}`
  try {
    if (!statSync(path).isDirectory()) {
      problems.add(what, 'is a file; give the folder that it lies in')
      return []
    }
    const names = readdirSync(path).filter(name => /\.ya?ml$/i.test(name)).sort()
    return names.filter(name => statSync(join(path, name)).isFile()).flatMap(name => readResourceFile(join(folder, name), cwd, problems))
  } catch (error) {
    problems.add(what, `cannot be read: ${reasonOf(error)}; give a folder that exists`)
    return []
  }
}

export function readResourceFile(file: string, cwd: string, problems: Problems): Resource[] {
  let text: string
  try {
    const path = resolve(cwd, file)
    if (statSync(path).size > MAX_BYTES) {
      problems.add(file, 'is larger than 4 MiB; move what is no resource of Dapr elsewhere')
      return []
    }
    text = readFileSync(path, 'utf8')
  } catch (error) {
    problems.add(file, `cannot be read: ${reasonOf(error)}`)
    return []
  }
  const lines = new LineCounter()
  const documents = parseAllDocuments(text, { merge: true, prettyErrors: false, lineCounter: lines })
  return [...documents].flatMap((document, i) => resourceOf(document, documents.length > 1 ? `${file}, document ${i + 1}` : file, lines, problems))
}

function resourceOf(document: Document.Parsed, place: string, lines: LineCounter, problems: Problems): Resource[] {
  const [error] = document.errors
  if (error !== undefined) {
    const { line, col } = lines.linePos(error.pos[0])
    problems.add(place, `is no YAML at line ${line}, column ${col} (${error.code}); correct it there or just before`)
    return []
  }
  const value = valueOf(document, place, problems)
  if (!(value instanceof Map)) return []
  const kind = textOf(value.get('kind'))
  const group = textOf(value.get('apiVersion'))
  // Other things may lie there: deployments, services, values of charts.
  if (kind === '' || group !== '' && !group.startsWith('dapr.io/')) return []
  const metadata = value.get('metadata')
  const name = metadata instanceof Map ? textOf(metadata.get('name')) : ''
  const root = new Field(value, `${place} (${kind}${name === '' ? '' : ` ${name}`})`, '', problems)
  const namespace = root.at('metadata').at('namespace').text() || undefined
  return [{ kind, name, namespace, scopes: root.at('scopes').texts(), root }]
}

function valueOf(document: Document.Parsed, place: string, problems: Problems): unknown {
  visit(document, {
    Scalar(_, node) {
      if (typeof node.value === 'number' || typeof node.value === 'boolean') node.value = node.source ?? String(node.value)
    },
  })
  try {
    return document.toJS({ mapAsMap: true })
  } catch {
    problems.add(place, 'repeats its aliases (*name) too often; write the values out')
    return undefined
  }
}

const textOf = (value: unknown): string => typeof value === 'string' ? value : ''

/** Without the path: the message has it as it was given. */
const reasonOf = (error: unknown): string => (error as NodeJS.ErrnoException).code ?? messageOf(error)
