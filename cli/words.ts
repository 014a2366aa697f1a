/** What people type: `Account/alice`, `Account`, and arguments. */
import { TroupeError, messageOf } from '../core/errors.ts'
import { checkId, checkType, type ActorKey } from '../core/ids.ts'

/** The first `/` splits type and id; the rest may hold anything a name may hold. @throws BAD_OPTION */
export function readActorKey(text: string): ActorKey {
  const slash = text.indexOf('/')
  if (slash < 0) throw new TroupeError('BAD_OPTION', `${JSON.stringify(text)} names no actor; write TYPE/ID, such as Account/alice`)
  const key = { type: text.slice(0, slash), id: text.slice(slash + 1) }
  try {
    checkType(key.type)
    checkId(key.id)
  } catch (error) {
    throw new TroupeError('BAD_OPTION', `${(error as Error).message}; write TYPE/ID, such as Account/alice`, { cause: error })
  }
  return key
}

/** `TYPE/ID`, or `TYPE` for all of a type. @throws BAD_OPTION */
export function readTarget(text: string): { type: string; id: string | undefined } {
  if (text.includes('/')) return readActorKey(text)
  try {
    checkType(text)
  } catch (error) {
    throw new TroupeError('BAD_OPTION', `${(error as Error).message}; write TYPE/ID or TYPE, such as Account/alice`, { cause: error })
  }
  return { type: text, id: undefined }
}

/**
 * JSON where it is JSON (`5`, `true`, `"5"`, `{"a":1}`), else the word itself as a string.
 * @throws BAD_OPTION for what begins like an object, a list or a string of JSON and is none: a slip, never meant as a word
 */
export function readArgument(word: string): unknown {
  try {
    return JSON.parse(word) as unknown
  } catch (error) {
    if (!/^\s*[{["]/.test(word)) return word
    throw new TroupeError('BAD_OPTION', `the argument ${word} begins like JSON and is none (${messageOf(error)}); quote it for the shell, or write a string as '${JSON.stringify(word)}'`, { cause: error })
  }
}
