/** Ports that cannot be bound, as errors that say which one and what to do. */
import { TroupeError } from '../core/errors.ts'

/** @throws BAD_OPTION */
export function checkPort(port: unknown, what: string): void {
  if (!Number.isInteger(port) || (port as number) < 0 || (port as number) > 65_535) {
    throw new TroupeError('BAD_OPTION', `${what}: ${String(port)} is no port; give a whole number from 0 (any free one) to 65535`)
  }
}

/** What a failed `listen` means; `flag` is the option that chooses another port. */
export function listenProblem(error: Error & { code?: string | undefined }, what: string, host: string, port: number, flag: string): TroupeError {
  const where = `${what} port ${port} on ${host}`
  return error.code === 'EADDRINUSE'
    ? new TroupeError('PORT_TAKEN', `${where} is taken by another process; choose another with ${flag}, or 0 for any free one`, { cause: error, data: { host, port } })
    : new TroupeError('BAD_OPTION', `cannot listen at ${where}: ${error.message}`, { cause: error, data: { host, port } })
}
