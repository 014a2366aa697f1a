import { describe, expect, it } from 'vitest'
import { replyHeaders, requestHeaders } from '../../../../gateway/dapr/passed-headers.ts'

describe('headers', () => {
  it('of a caller reach the application, but for those of its connection and of its sidecar', () => {
    expect(requestHeaders([
      'host', 'sidecar:3500', 'connection', 'close, X-Mine', 'x-mine', '1', 'keep-alive', 'timeout=5', 'te', 'trailers', 'transfer-encoding', 'chunked',
      'upgrade', 'h2c', 'content-length', '3', 'expect', '100-continue', 'dapr-api-token', 'of the sidecar', 'dapr-api-call', 'false',
      'content-type', 'text/x', 'traceparent', '00-1', 'x-a', '1', 'x-a', '2', 'dapr-reentrancy-id', 'r1', 'authorization', 'Bearer x', 'x-raw-bin', 'AA==',
    ])).toEqual([
      'content-type', 'text/x', 'traceparent', '00-1', 'x-a', '1', 'x-a', '2', 'dapr-reentrancy-id', 'r1', 'authorization', 'Bearer x', 'x-raw-bin', 'AA==',
    ])
  })

  it('of an application reach the caller, but for those of its connection, its length and bytes', () => {
    expect(replyHeaders([
      ':status', '200', 'connection', 'keep-alive', 'keep-alive', 'timeout=5', 'content-length', '99', 'trailer', 'x', 'x-raw-bin', 'AA==',
      'content-type', 'text/x', 'x-daprerrorresponseheader', 'true', 'set-cookie', 'a=1', 'set-cookie', 'b=2', 'content-encoding', 'gzip',
    ])).toEqual(['content-type', 'text/x', 'x-daprerrorresponseheader', 'true', 'set-cookie', 'a=1', 'set-cookie', 'b=2', 'content-encoding', 'gzip'])
  })
})
