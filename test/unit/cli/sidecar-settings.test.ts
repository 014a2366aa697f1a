// What each flag of daprd, and each variable that it reads, comes to; and what is refused.
import { describe, expect, it } from 'vitest'
import { sidecarSettings } from '../../../cli/sidecar-settings.ts'
import { flagsOf, settingsOf as read } from './daprd-command-lines.ts'

const options = (words: string | readonly string[], env = {}) => read(words, env).options
const app = (words: string, env = {}) => options(`--app-port 3000 ${words}`, env).app!

describe('without flags', () => {
  it('the sidecar is as daprd is, on loopback, and stores nothing anywhere yet', () => {
    expect(read('')).toEqual({
      options: {
        appId: 'shop', app: undefined, resourcesPaths: [], configFiles: [], strict: false, maxBodyBytes: 4 * 1024 * 1024,
        doors: { listen: ['127.0.0.1'], httpPort: 3500, grpcPort: 50001, publicPort: undefined, security: { insecure: false } },
        host: {
          listen: { host: '127.0.0.1', port: 0 }, placementPort: 0, shardBits: 10, weight: 1, leaseTtl: 2000, stallBudget: 10_000, joinTimeout: 30_000,
          callTimeout: 300_000, drainTimeout: 5000, insecure: false,
        },
        defaultStore: 'lmdb:./.troupe', blockShutdownMs: 0, env: {},
      },
      appProtocol: 'http', unused: [], logLevel: 'info', logFormat: expect.stringMatching(/json|pretty/) as string, stopTimeoutMs: 35_000,
    })
  })

  it('troupe run lets the system choose the ports', () => {
    expect(read('', {}, 'run').options.doors).toMatchObject({ httpPort: 0, grpcPort: 0 })
  })
})

describe('the application', () => {
  it('is there when it has a port', () => {
    expect(app('')).toEqual({ port: 3000, protocol: 'http', address: '127.0.0.1', maxConcurrency: 0, apiToken: undefined, health: undefined, wantsList: false })
    for (const none of ['--app-port 0', '--app-port=', '--app-port -1', '']) expect(options(none).app).toBeUndefined()
  })

  it('needs none for the event stream', () => {
    expect(options('--app-protocol grpc').app).toMatchObject({ protocol: 'grpc', port: 0 })
    expect(app('--app-protocol GRPCS')).toMatchObject({ protocol: 'grpc', port: 3000 })
  })

  it.each(['http', 'https', 'h2c'])('is asked by %s', protocol => {
    expect(app(`--app-protocol ${protocol}`).protocol).toBe(protocol)
    expect(read(`--app-protocol ${protocol}`).appProtocol).toBe(protocol)
  })

  it('has TLS by its older flag too', () => {
    expect(read('--app-ssl').appProtocol).toBe('https')
    expect(app('--app-ssl').protocol).toBe('https')
    expect(read('--app-ssl --app-protocol grpc').appProtocol).toBe('grpcs')
    expect(read('--app-ssl=false').appProtocol).toBe('http')
    expect(() => read('--app-ssl --app-protocol h2c')).toThrow(/--app-ssl does not go with --app-protocol h2c/)
  })

  it('is elsewhere, and takes so many requests at once', () => {
    expect(app('--app-channel-address 10.0.0.5 --app-max-concurrency 8')).toMatchObject({ address: '10.0.0.5', maxConcurrency: 8 })
    for (const none of ['-1', '0', '']) expect(app(`--app-max-concurrency=${none}`).maxConcurrency).toBe(0)
  })

  it('gets the token of APP_API_TOKEN', () => {
    expect(app('', { APP_API_TOKEN: 's3cret' }).apiToken).toBe('s3cret')
    expect(app('', { APP_API_TOKEN: '' }).apiToken).toBeUndefined()
    expect(() => app('', { APP_API_TOKEN: 'a b' })).toThrow(/APP_API_TOKEN: a token must be/)
  })

  it('is asked for its health only when that is enabled', () => {
    expect(app('--app-health-check-path /up').health).toBeUndefined()
    expect(app('--enable-app-health-check=false').health).toBeUndefined()
    expect(app('--enable-app-health-check').health).toEqual({ path: '/healthz', intervalMs: 5000, timeoutMs: 500, threshold: 3 })
    expect(app('--enable-app-health-check --app-health-check-path up --app-health-probe-interval 2 --app-health-probe-timeout 900 --app-health-threshold 1').health)
      .toEqual({ path: '/up', intervalMs: 2000, timeoutMs: 900, threshold: 1 })
    expect(() => app('--enable-app-health-check --app-health-probe-timeout 6000')).toThrow(/--app-health-probe-timeout 6000 \(ms\) is longer than --app-health-probe-interval 5/)
  })
})

describe('the doors', () => {
  const doors = (words: string, env = {}) => options(words, env).doors

  it('are where they are told to be', () => {
    expect(doors('--dapr-http-port 1 --dapr-grpc-port 2 --dapr-public-port 3')).toMatchObject({ httpPort: 1, grpcPort: 2, publicPort: 3 })
    expect(doors('--dapr-http-port off --dapr-grpc-port 0 --dapr-public-port=')).toMatchObject({ httpPort: 'off', grpcPort: 0, publicPort: undefined })
    expect(doors('--dapr-http-port -1').httpPort).toBe(0)
  })

  it('are on the addresses of daprd, else on that of all ports', () => {
    expect(doors('--listen 10.0.0.1').listen).toEqual(['10.0.0.1'])
    expect(doors('--listen 10.0.0.1 --dapr-listen-addresses [::1],127.0.0.1').listen).toEqual(['::1', '127.0.0.1'])
  })

  it('ask for the token of DAPR_API_TOKEN, or of the flag', () => {
    expect(doors('', { DAPR_API_TOKEN: 'abc' }).security.apiToken).toBe('abc')
    expect(doors('', { DAPR_API_TOKEN: '' }).security.apiToken).toBeUndefined()
    expect(doors('--api-token old:x,new:y', { DAPR_API_TOKEN: 'abc' }).security.apiToken).toEqual({ old: 'x', new: 'y' })
  })

  it('have TLS by the flags of hosts', () => {
    const tls = { ca: 'a', cert: 'b', key: 'c' }
    expect(doors('--tls-ca a --tls-cert b --tls-key c --doors-tls mutual --insecure', { NAMESPACE: 'shop' }).security)
      .toEqual({ tls: { ...tls, clients: 'demanded', namespace: 'shop' }, insecure: true })
    expect(options('--tls-ca a --tls-cert b --tls-key c').host.tls).toEqual(tls)
    expect(() => options('--tls-ca a')).toThrow(/--tls-cert and --tls-key is missing/)
  })

  it.each([
    ['--max-body-size 8Mi', 8 * 2 ** 20], ['--max-body-size 16MB', 16_000_000], ['--max-body-size 1.5M', 1_500_000], ['--max-body-size 2048', 2048],
    ['--max-body-size 64Ki', 65_536], ['--max-body-size 100k', 100_000], ['--max-body-size -1', 4 * 2 ** 20], ['--dapr-http-max-request-size 16', 16 * 2 ** 20],
    ['--dapr-http-max-request-size 16Mi', 16 * 2 ** 20], ['--dapr-http-max-request-size -1', 4 * 2 ** 20], ['--dapr-http-max-request-size 16 --max-body-size 1Mi', 2 ** 20],
  ])('take bodies up to %s', (words, bytes) => {
    expect(options(words).maxBodyBytes).toBe(bytes)
  })
})

describe('components and configuration', () => {
  it('may be named again and again, under the older name too, and with commas', () => {
    expect(options('--resources-path a --components-path b --resources-path c,d --config x --config=y,z')).toMatchObject({ resourcesPaths: ['a', 'b', 'c', 'd'], configFiles: ['x', 'y', 'z'] })
    expect(options('--resources-path=').resourcesPaths).toEqual([])
  })
})

describe('the cluster', () => {
  const host = (words: string, env = {}) => options(words, env).host

  it('is that of the namespace', () => {
    expect(host('', { NAMESPACE: 'shop' }).namespace).toBe('shop')
    expect(host('--namespace mine', { NAMESPACE: 'shop' }).namespace).toBe('mine')
    expect(host('', { NAMESPACE: '' }).namespace).toBeUndefined()
  })

  it("has Troupe's options", () => {
    expect(host('--store memory: --cluster-store etcd://h:1 --placement h:2 --placement-port 3 --host-id a --weight 2 --shard-bits 4 --lease-ttl 3s --stall-budget 20s --join-timeout 1s --call-timeout 1m --insecure'))
      .toMatchObject({
        store: 'memory:', clusterStore: 'etcd://h:1', placement: ['h:2'], placementPort: 3, hostId: 'a', weight: 2, shardBits: 4, leaseTtl: 3000, stallBudget: 20_000,
        joinTimeout: 1000, callTimeout: 60_000, insecure: true,
      })
    expect(options('--dapr-strict').strict).toBe(true)
  })

  it('is reached by the internal port', () => {
    expect(host('--listen 10.0.0.1 --dapr-internal-grpc-port 50002').listen).toEqual({ host: '10.0.0.1', port: 50002 })
    expect(host('--dapr-internal-grpc-listen-address 10.0.0.2 --dapr-internal-grpc-port=').listen).toEqual({ host: '10.0.0.2', port: 0 })
    expect(host('--listen 0.0.0.0 --advertise a:1', { DAPR_HOST_IP: '10.0.0.3' }).listen).toEqual({ host: '0.0.0.0', port: 0, advertise: 'a:1' })
    expect(host('--listen 0.0.0.0', { DAPR_HOST_IP: '10.0.0.3' }).listen).toEqual({ host: '0.0.0.0', port: 0, advertise: '10.0.0.3' })
    expect(host('', { DAPR_HOST_IP: '10.0.0.3' }).listen).toEqual({ host: '127.0.0.1', port: 0 })
  })

  it("is never looked for at Dapr's placement address", () => {
    expect(host('--placement-host-address localhost:50005').placement).toBeUndefined()
    expect(host('--placement-host-address localhost:50005 --placement h:1').placement).toEqual(['h:1'])
  })
})

describe('the end', () => {
  it('waits for turns, and before that as long as it is told', () => {
    expect(read('--dapr-graceful-shutdown-seconds 20 --dapr-block-shutdown-duration 1m30s')).toMatchObject({
      stopTimeoutMs: 140_000, options: { blockShutdownMs: 90_000, host: { drainTimeout: 20_000 } },
    })
    for (const none of ['--dapr-block-shutdown-duration 0', '--dapr-block-shutdown-duration=']) expect(options(none).blockShutdownMs).toBe(0)
  })
})

describe('logs', () => {
  it('have a level, and a form', () => {
    expect(read('--log-level debug --log-as-json')).toMatchObject({ logLevel: 'debug', logFormat: 'json' })
    expect(read('--log-level FATAL --log-format pretty --log-as-json=false')).toMatchObject({ logLevel: 'error', logFormat: 'pretty' })
    expect(read('--log-level warning').logLevel).toBe('warn')
  })
})

const valued = [
  'placement-host-address', 'scheduler-host-address', 'scheduler-job-streams', 'actors-service', 'reminders-service', 'actors-disseminate-timeout',
  'sentry-address', 'sentry-request-jwt-audiences', 'control-plane-address', 'control-plane-trust-domain', 'control-plane-namespace', 'trust-domain',
  'trust-anchors-file', 'kubeconfig', 'metrics-port', 'metrics-listen-address', 'profile-port', 'profile-listen-address', 'dapr-public-listen-address',
  'dapr-http-read-buffer-size', 'read-buffer-size', 'allowed-origins', 'disable-init-endpoints', 'runtime-path', 'unix-domain-socket',
]

describe('flags of parts that Troupe does without', () => {
  it.each(valued)('--%s is accepted and told', name => {
    expect(read(`--${name} x`).unused).toEqual([`--${name}`])
    expect(read(`-${name}=x`).unused).toEqual([`--${name}`])
    expect(read(`--${name}=`).unused).toEqual([])
    expect(read(`--${name} x`, {}, 'run').unused).toEqual([`--${name}`])
  })

  it.each(['enable-metrics', 'enable-profiling', 'enable-api-logging'])('--%s is told unless it is off', name => {
    expect(read(`--${name}`).unused).toEqual([`--${name}`])
    expect(read(`--${name}=false`).unused).toEqual([])
  })

  it('are one list', () => {
    expect(read('--metrics-port 9090 --placement-host-address p:1 --disable-builtin-k8s-secret-store').unused).toEqual(['--placement-host-address', '--metrics-port'])
  })
})

describe('harmless flags', () => {
  it.each(['--mode standalone', '--mode=', '--enable-mtls=false', '--enable-mtls --tls-ca a --tls-cert b --tls-key c'])('%s changes nothing', words => {
    expect(read(words).unused).toEqual([])
  })
})

describe('refused', () => {
  it.each<[words: string, says: RegExp]>([
    ['--mode kubernetes', /--mode kubernetes reads components.*--resources-path/],
    ['--mode cloud', /--mode cloud is not known/],
    ['--enable-mtls', /--enable-mtls: certificates do not come from Dapr's Sentry.*--tls-ca/],
    ['--enable-mtls=perhaps', /--enable-mtls \[bool\]' argument 'perhaps'.*true or false/],
    ['--app-port 70000', /--app-port.*must be a port/],
    ['--app-port 8080x', /--app-port.*must be a port/],
    ['--dapr-http-port on', /--dapr-http-port.*must be a port/],
    ['--dapr-grpc-port 1.5', /--dapr-grpc-port.*must be a port/],
    ['--app-protocol thrift', /--app-protocol.*'thrift'.*one of http, https, h2c, grpc, grpcs/],
    ['--app-max-concurrency many', /--app-max-concurrency.*whole number/],
    ['--app-health-probe-interval 0', /--app-health-probe-interval.*from 1/],
    ['--app-health-probe-timeout 1s', /--app-health-probe-timeout.*whole number/],
    ['--app-health-threshold 0', /--app-health-threshold.*from 1/],
    ['--max-body-size 4Mib', /--max-body-size.*size such as 4Mi/],
    ['--max-body-size 0', /--max-body-size.*from 1Ki to 256Mi/],
    ['--max-body-size 1Gi', /--max-body-size.*from 1Ki to 256Mi/],
    ['--dapr-http-max-request-size big', /--dapr-http-max-request-size.*size such as/],
    ['--dapr-graceful-shutdown-seconds 5s', /--dapr-graceful-shutdown-seconds.*whole number/],
    ['--dapr-block-shutdown-duration 10', /--dapr-block-shutdown-duration.*with units/],
    ['--dapr-block-shutdown-duration PT10S', /--dapr-block-shutdown-duration.*with units/],
    ['--dapr-block-shutdown-duration -10s', /--dapr-block-shutdown-duration.*with units/],
    ['--dapr-listen-addresses 127.0.0.1:80', /--dapr-listen-addresses.*no address alone.*--dapr-http-port/],
    ['--dapr-listen-addresses ,', /--dapr-listen-addresses.*at least one/],
    ['--listen 127.0.0.1:80', /--listen.*give the port with --dapr-http-port/],
    ['--placement localhost', /--placement.*no HOST:PORT/],
    ['--log-level loud', /--log-level.*'loud'/],
    ['--app-id a/b', /--app-id.*cannot be used/],
    ['--app-prt 1', /unknown option '--app-prt'\n\(Did you mean --app-port\?\)/],
    ['-app-prt 1', /unknown option '--app-prt'/],
    ['--app-port', /--app-port <port>' argument missing/],
  ])('%s', (words, says) => {
    expect(() => read(words)).toThrow(says)
  })

  it('no app id at all', () => {
    expect(() => read(['--app-id', ''])).toThrow(/--app-id/)
    expect(() => sidecarSettings(flagsOf([]).flags, {})).toThrow(/--app-id is missing/)
  })
})
