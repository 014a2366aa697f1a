/**
 * Loads app files: modules given by path, whose exported classes that extend Actor are hosted.
 *
 * Files are imported as they are; Node strips the types of TypeScript. A class exported under several names, or from
 * several files (re-exports), counts once. What goes wrong names the file and, where Node tells it, the line.
 */
import { readFile, stat } from 'node:fs/promises'
import { findPackageJSON } from 'node:module'
import { resolve } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { isActorClass, readActorType, type ActorClass } from '../actors/actor-type.ts'
import { TroupeError, messageOf } from '../core/errors.ts'

/**
 * The actor classes that `files` export, in order of appearance.
 * @throws APP_LOAD_FAILED when a file is missing, fails to load, or exports no actor class
 * @throws BAD_ACTOR_CLASS when a class is not well-formed, or two different classes have one type
 */
export async function loadApps(files: readonly string[]): Promise<ActorClass[]> {
  const byType = new Map<string, { actorClass: ActorClass; file: string }>()
  for (const file of files) {
    for (const actorClass of await loadApp(file)) {
      const type = readActorType(actorClass).name
      const earlier = byType.get(type)
      if (earlier === undefined) byType.set(type, { actorClass, file })
      else if (earlier.actorClass !== actorClass) {
        throw new TroupeError('BAD_ACTOR_CLASS', `two actor classes have the type ${type}: one from ${earlier.file}, another from ${file};`
          + ` rename one, or give it another type by 'static readonly type'`)
      }
    }
  }
  return [...byType.values()].map(entry => entry.actorClass)
}

async function loadApp(file: string): Promise<ActorClass[]> {
  const path = resolve(file)
  const found = await stat(path).catch(() => undefined)
  if (found === undefined) throw new TroupeError('APP_LOAD_FAILED', `app file ${file} does not exist (looked for ${path}); check the path`)
  if (!found.isFile()) throw new TroupeError('APP_LOAD_FAILED', `app file ${file} is no file; give the module itself, such as ${file}/app.ts`)
  let exported: Record<string, unknown>
  try {
    exported = await import(pathToFileURL(path).href) as Record<string, unknown>
  } catch (error) {
    throw await loadFailure(file, path, error)
  }
  const classes = Object.values(exported).filter(isActorClass)
  if (classes.length > 0) return classes
  const names = Object.keys(exported)
  throw new TroupeError('APP_LOAD_FAILED', `app file ${file} exports no class that extends Actor`
    + ` (${names.length === 0 ? 'it exports nothing' : `it exports ${names.slice(0, 8).join(', ')}`});`
    + ` write 'export class … extends Actor', importing Actor from 'troupe'`)
}

async function loadFailure(file: string, path: string, error: unknown): Promise<TroupeError> {
  const name = error instanceof Error && error.name !== 'Error' ? `${error.name}: ` : ''
  const place = placeOf(error) ?? path
  return new TroupeError('APP_LOAD_FAILED', `app file ${file} failed to load: ${name}${messageOf(error)} (${place}); ${await remedy(path, error)}`, { cause: error })
}

/** `FILE:LINE` where it happened: the head line of a syntax error, else the first frame outside of Node. */
function placeOf(error: unknown): string | undefined {
  const lines = error instanceof Error ? error.stack?.split('\n') ?? [] : []
  const head = /^((?:file:\/\/)?\/.*:\d+)$/.exec(lines[0] ?? '')?.[1]
  const place = head ?? lines.map(l => /(?:\(|at (?:async )?)(file:\/\/[^)]+:\d+):\d+\)?$/.exec(l)?.[1]).find(p => p !== undefined)
  return place?.startsWith('file:') === true ? place.replace(/^file:\/\/[^:]*/, fileURLToPath) : place
}

async function remedy(path: string, error: unknown): Promise<string> {
  const code = (error as { code?: unknown } | null)?.code
  if (code === 'ERR_UNSUPPORTED_TYPESCRIPT_SYNTAX') {
    return 'Node only strips types: write it without enum, namespace, decorators and parameter properties'
  }
  if (code === 'ERR_MODULE_NOT_FOUND') return 'relative imports carry their extension (./account.ts), packages must be installed'
  if (error instanceof SyntaxError && moduleSyntax.test(error.message)) {
    const commonJs = await commonJsPackageOf(path)
    if (commonJs !== undefined) return `${commonJs} says "type": "commonjs"; run 'npm pkg set type=module' there`
  }
  return 'mend it and start again'
}

/** What V8 says about the syntax of modules in what it was told is CommonJS. */
const moduleSyntax = /outside a module|Unexpected token 'export'|await is only valid in async functions/

/** The package.json that makes `path` CommonJS, as `npm init -y` writes it. Without a "type" Node looks at the syntax. */
async function commonJsPackageOf(path: string): Promise<string | undefined> {
  if (!/\.[jt]s$/.test(path)) return undefined
  const found = findPackageJSON(pathToFileURL(path))
  const text = found === undefined ? undefined : await readFile(found, 'utf8').catch(() => undefined)
  return text !== undefined && /"type"\s*:\s*"commonjs"/.test(text) ? found : undefined
}
