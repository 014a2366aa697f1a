/** Ports that cannot be bound, as errors that say which one and what to do. */
import { TroupeError } from '../core/errors.ts'
import type { DoorFacts } from './dapr/door-facts.ts'

/** Of a host's door, or a sidecar's. */
export const portFlag = (door: 'http' | 'grpc', facts: DoorFacts | undefined): string => `--${facts?.appId === undefined ? '' : 'dapr-'}${door}-port`

/** What a failed `listen` means; `flag` is the option that chooses another port. */
export function listenProblem(
  cause: Error & { code?: string | undefined }, what: string, host: string, port: number, flag: string,
): TroupeError {
  const where = `${what} port ${port} on ${host}`
  const details = { cause, data: { host, port } }
  return cause.code === 'EADDRINUSE'
    ? new TroupeError('PORT_TAKEN', `${where} is taken by another process; choose another with ${flag}, or 0 for any free one`, details)
    : new TroupeError('BAD_OPTION', `cannot listen at ${where}: ${cause.message}`, details)
}
