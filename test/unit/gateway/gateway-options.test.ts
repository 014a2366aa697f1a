import { expect, test } from 'vitest'
import { connect } from '../../../gateway/client.ts'
import { grpcGateway } from '../../../gateway/grpc.ts'
import { httpGateway } from '../../../gateway/http.ts'

const refused = (make: () => unknown, ...parts: string[]): void => {
  for (const part of parts) expect(make).toThrow(expect.objectContaining({ code: 'BAD_OPTION', message: expect.stringContaining(part) as string }))
}

test('every problem is told at once', () => {
  refused(() => httpGateway({ port: 70_000, maxBodyBytes: 0, stallTimeout: 'soon', host: '', nonsense: 1 } as never),
    'httpGateway: ', 'nonsense: unknown option', 'port: 70000 is no port', 'maxBodyBytes: 0', 'stallTimeout: "soon" is no duration', 'host: must be')
})

test.each([
  {}, { port: '3500' }, { port: 1.5 }, { port: 1, maxInFlight: Infinity }, { port: 1, requestTimeout: 0 }, { port: 1, clock: null },
])('httpGateway(%j) is refused', options => {
  refused(() => httpGateway(options as never), 'httpGateway')
})

test('the others check alike', () => {
  refused(() => grpcGateway({ port: 1, maxMessageBytes: -1 }), 'maxMessageBytes')
  refused(() => grpcGateway({} as never), 'port: is missing')
  refused(() => connect('http://x', { retries: 3 } as never), 'retries: unknown option')
})

test('undefined is as good as missing', () => {
  expect(httpGateway({ port: 0, host: undefined } as never).name).toBe('http')
})
