/**
 * Errors as gRPC statuses: codes and texts of the Dapr API (dapr/door-errors.ts), and what they prove as metadata.
 *
 * Trailing metadata: `troupe-code`, `troupe-executed`, `troupe-retryable`, `troupe-retry-after-ms` where known, and
 * `troupe-data-bin`, the JSON of the error's data. Author's errors have `troupe-actor-error: true` and their own code.
 */
import { Metadata } from '@grpc/grpc-js'
import { isActorError } from '../actors/errors.ts'
import { jsonText } from '../actors/json-values.ts'
import type { DoorAnswer } from './dapr/door-errors.ts'
import { failureOf } from './error-body.ts'

export interface GrpcStatus {
  readonly code: number
  readonly details: string
  readonly metadata: Metadata
}

/** Larger data would not fit into the headers of an HTTP/2 reply; the error goes without. */
const MAX_DATA_BYTES = 4096
/** The same for texts. */
const MAX_TEXT = 1024

/** `answer`: what is said of it, where it failed a work that the standard has words for. */
export function statusOf(thrown: unknown, answer?: DoorAnswer): { status: GrpcStatus; expected: boolean } {
  const { grpc, body, expected } = failureOf(thrown)
  const metadata = new Metadata()
  metadata.set('troupe-code', metadataText(body.code.slice(0, MAX_TEXT)))
  metadata.set('troupe-executed', body.executed)
  metadata.set('troupe-retryable', String(body.retryable))
  if (body.retryAfterMs !== undefined) metadata.set('troupe-retry-after-ms', String(body.retryAfterMs))
  if (isActorError(thrown)) metadata.set('troupe-actor-error', 'true')
  const data = dataBytes(body.data)
  if (data !== undefined) metadata.set('troupe-data-bin', data)
  const details = (answer?.details ?? body.message).slice(0, MAX_TEXT).toWellFormed()
  return { status: { code: answer?.grpc ?? grpc, details, metadata }, expected }
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
