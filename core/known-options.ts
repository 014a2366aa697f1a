/** Options as objects from callers in plain JavaScript: a misspelt name must not pass as if it had not been given. */
import { TroupeError } from './errors.ts'

/** @throws BAD_OPTION naming what is unknown and what there is; `what` names the call */
export function checkKnown(what: string, given: unknown, known: readonly string[]): void {
  if (typeof given !== 'object' || given === null) {
    throw new TroupeError('BAD_OPTION', `${what} must be an object, not ${given === null ? 'null' : typeof given}`)
  }
  const unknown = Object.keys(given).filter(key => !known.includes(key))
  if (unknown.length > 0) throw new TroupeError('BAD_OPTION', `${what}: there is no ${unknown.join(', ')}; there are ${known.join(', ')}`)
}
