// By what an application finds its sidecar.
import { describe, expect, it } from 'vitest'
import { applicationEnvironment } from '../../../cli/application-environment.ts'
import { settingsOf } from './daprd-command-lines.ts'

const addresses = { http: 'http://127.0.0.1:41000', grpc: '127.0.0.1:41001', peer: '127.0.0.1:41002' }
const environment = (words: string, env: Record<string, string> = {}, at: Record<string, string> = addresses, metricsPort?: string) =>
  Object.fromEntries(Object.entries(applicationEnvironment(env, { settings: settingsOf(words, env, 'run'), addresses: at, metricsPort })).filter(([, value]) => value !== undefined))

describe('the environment of an application', () => {
  it('has its own name and port, and the ports of the sidecar', () => {
    expect(environment('--app-port 3000 --app-protocol h2c', { PATH: '/bin' })).toEqual({
      PATH: '/bin', APP_ID: 'shop', APP_PORT: '3000', APP_PROTOCOL: 'h2c', DAPR_HTTP_PORT: '41000', DAPR_GRPC_PORT: '41001',
    })
  })

  it('has no port of an application that has none, nor of a door that is not there', () => {
    expect(environment('--app-protocol grpc', { APP_PORT: '1', DAPR_GRPC_PORT: '2' }, { http: 'http://127.0.0.1:41000' })).toEqual({ APP_ID: 'shop', APP_PROTOCOL: 'grpc', DAPR_HTTP_PORT: '41000' })
  })

  it('has tokens as they are, and one of the flag for the application too', () => {
    expect(environment('', { DAPR_API_TOKEN: 'a', APP_API_TOKEN: 'b' })).toMatchObject({ DAPR_API_TOKEN: 'a', APP_API_TOKEN: 'b' })
    expect(environment('--api-token one:x,two:y').DAPR_API_TOKEN).toBe('x')
  })

  it('has the namespace that counts', () => {
    expect(environment('', { NAMESPACE: 'a' }).NAMESPACE).toBe('a')
    expect(environment('--namespace b', { NAMESPACE: 'a' }).NAMESPACE).toBe('b')
  })

  it('has the metrics port that was given', () => {
    expect(environment('', {}, addresses, '9090').DAPR_METRICS_PORT).toBe('9090')
  })

  it('never leads to another sidecar', () => {
    const env = { DAPR_HTTP_ENDPOINT: 'http://elsewhere:1', DAPR_GRPC_ENDPOINT: 'elsewhere:2', DAPR_HTTP_PORT: '3', DAPR_GRPC_PORT: '4' }
    expect(environment('', env)).toEqual({ APP_ID: 'shop', APP_PROTOCOL: 'http', DAPR_HTTP_PORT: '41000', DAPR_GRPC_PORT: '41001' })
  })

  it.each([
    ['--dapr-listen-addresses 10.0.0.1 --insecure', 'http://10.0.0.1:41000', 'http://10.0.0.1:41001'],
    ['--dapr-listen-addresses ::1', 'http://[::1]:41000', 'http://[::1]:41001'],
    ['--tls-ca a --tls-cert b --tls-key c --doors-tls server', 'https://127.0.0.1:41000', 'https://127.0.0.1:41001'],
    ['--dapr-listen-addresses 0.0.0.0 --insecure', undefined, undefined],
    ['--dapr-listen-addresses ::1,127.0.0.1', undefined, undefined],
  ])('names endpoints where a port alone does not lead there: %s', (words, http, grpc) => {
    const env = environment(words)
    expect([env.DAPR_HTTP_ENDPOINT, env.DAPR_GRPC_ENDPOINT]).toEqual([http, grpc])
  })
})
