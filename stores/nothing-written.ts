/**
 * STORE_UNAVAILABLE with the proof that nothing was written, nor will be: the request was not sent, or the store refused it
 * before its first write. An adapter makes 'unavailable' of it where any other error of a commit is 'unknown'.
 */
import { TroupeError } from '../core/errors.ts'

export class NothingWritten extends TroupeError {
  constructor(message: string, details: { readonly retryable?: boolean; readonly cause?: unknown } = {}) {
    super('STORE_UNAVAILABLE', message, { executed: 'no', ...details })
  }
}
