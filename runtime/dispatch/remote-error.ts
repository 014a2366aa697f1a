/**
 * Which host an error came from: one that a peer answered with keeps that peer's id, unseen by authors and logs. For doors
 * that tell what a caller of another host is told.
 */
const HOST = Symbol.for('troupe.error.host')

/** `error`, as the answer of `host`. */
export const fromHost = <E extends Error>(error: E, host: string): E => Object.defineProperty(error, HOST, { value: host })

/** Undefined: it arose here. */
export const remoteHostOf = (error: unknown): string | undefined =>
  typeof error === 'object' && error !== null ? (error as { [HOST]?: string })[HOST] : undefined
