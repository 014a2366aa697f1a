/** Ports that cannot be bound, as errors that say which one and what to do. */
import { TroupeError } from '../core/errors.ts'

/** What a failed `listen` means; `flag` is the option that chooses another port. */
export function listenProblem(error: Error & { code?: string | undefined }, what: string, host: string, port: number, flag: string): TroupeError {
  const where = `${what} port ${port} on ${host}`
  return error.code === 'EADDRINUSE'
    ? new TroupeError('PORT_TAKEN', `${where} is taken by another process; choose another with ${flag}, or 0 for any free one`, { cause: error, data: { host, port } })
    : new TroupeError('BAD_OPTION', `cannot listen at ${where}: ${error.message}`, { cause: error, data: { host, port } })
}
