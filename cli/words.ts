/** What people type for `troupe call` and `troupe status`: `Account/alice` and arguments. */
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
