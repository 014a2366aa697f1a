/**
 * Errors as gRPC statuses: the codes of core/errors.ts, the texts of the Dapr API, and what they prove as metadata.
 *
 * Trailing metadata: `troupe-code`, `troupe-executed`, `troupe-retryable`, `troupe-retry-after-ms` where known, and
 * `troupe-data-bin`, the JSON of the error's data. Author's errors have `troupe-actor-error: true` and their own code.
 */
import { Metadata } from '@grpc/grpc-js'
import { isActorError } from '../actors/errors.ts'
import { failureOf } from './error-body.ts'
import { jsonText } from '../actors/json-values.ts'

export interface GrpcStatus {
  readonly code: number
  readonly details: string
  readonly metadata: Metadata
}

/** Larger data would not fit into the headers of an HTTP/2 reply; the error goes without. */
const MAX_DATA_BYTES = 4096
/** The same for texts. */
const MAX_TEXT = 1024

/** `prefix`: what the text begins with, where the standard has more to say than its table of codes. */
export function statusOf(thrown: unknown, type: string, id: string, prefix?: string): { status: GrpcStatus; expected: boolean } {
  const { grpc, body, status, expected } = failureOf(thrown)
  const metadata = new Metadata()
  metadata.set('troupe-code', metadataText(body.code.slice(0, MAX_TEXT)))
  metadata.set('troupe-executed', body.executed)
  metadata.set('troupe-retryable', String(body.retryable))
  if (body.retryAfterMs !== undefined) metadata.set('troupe-retry-after-ms', String(body.retryAfterMs))
  if (isActorError(thrown)) metadata.set('troupe-actor-error', 'true')
  const data = dataBytes(body.data)
  if (data !== undefined) metadata.set('troupe-data-bin', data)
  const text = isActorError(thrown) ? `error from actor service: (${status}) ${body.message}` : body.message
  const details = standardText(body.errorCode, text, prefix ?? standardPrefix(body.errorCode, type, id)).slice(0, MAX_TEXT).toWellFormed()
  return { status: { code: grpc, details, metadata }, expected }
}

/** The text of the standard before ours, unless ours begins with it. */
function standardText(errorCode: string, text: string, standard: string | undefined): string {
  if (errorCode === 'ERR_ACTOR_STACK_DEPTH') return 'maximum stack depth exceeded'
  return standard === undefined || text.startsWith(standard) ? text : `${standard}: ${text}`
}

function standardPrefix(errorCode: string, type: string, id: string): string | undefined {
  switch (errorCode) {
    case 'ERR_ACTOR_INVOKE_METHOD': return 'error invoke actor method'
    case 'ERR_ACTOR_NO_ADDRESS': return `did not find address for actor '${type}/${id}'`
    case 'ERR_ACTOR_RUNTIME_CLOSED': return 'actor runtime is closed'
    case 'ERR_ACTOR_NO_PLACEMENT': return 'placement service is not configured'
    default: return undefined
  }
}

function dataBytes(data: unknown): Buffer | undefined {
  if (data === undefined) return undefined
  try {
    const bytes = Buffer.from(jsonText(data))
    return bytes.length <= MAX_DATA_BYTES ? bytes : undefined
  } catch {
    return undefined
  }
}

/** Metadata values are visible ASCII; other texts travel percent-encoded. */
export const metadataText = (text: string): string => /^[\x21-\x7e]+$/.test(text) ? text : encodeURIComponent(text.toWellFormed())
