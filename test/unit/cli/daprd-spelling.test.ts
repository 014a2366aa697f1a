// However a flag of daprd is spelled, commander reads one form of it.
import { describe, expect, it } from 'vitest'
import { daprdOptions } from '../../../cli/daprd-flags.ts'
import { spelledOut } from '../../../cli/daprd-spelling.ts'

const long = daprdOptions({ httpPort: 0, grpcPort: 0, short: false })
const short = daprdOptions({ httpPort: 0, grpcPort: 0, short: true })
const sidecar = (...words: string[]): string[] => spelledOut(words, long, { commandFollows: false })
const run = (...words: string[]): string[] => spelledOut(words, short, { commandFollows: true })

describe('a flag with a value', () => {
  it('may have one dash or two, = or a blank', () => {
    for (const words of [['--app-id', 'x'], ['-app-id', 'x'], ['--app-id=x'], ['-app-id=x']]) expect(sidecar(...words)).toEqual(['--app-id=x'])
  })

  it('may be in camelCase, as in annotations and run files', () => {
    expect(sidecar('--appId', 'x', '-appPort=1', '--daprHTTPPort', '2', '--daprGRPCPort=3', '--daprHTTPMaxRequestSize', '8', '--appID', 'y'))
      .toEqual(['--app-id=x', '--app-port=1', '--dapr-http-port=2', '--dapr-grpc-port=3', '--dapr-http-max-request-size=8', '--app-id=y'])
  })

  it('may have an older name', () => {
    expect(sidecar('--components-path', 'a', '--protocol=grpc', '-max-concurrency', '1', '--placement-address', 'h:1', '--http-port', '2'))
      .toEqual(['--resources-path=a', '--app-protocol=grpc', '--app-max-concurrency=1', '--placement-host-address=h:1', '--dapr-http-port=2'])
  })

  it('keeps a value that looks like a flag, is empty, or holds = and line breaks', () => {
    expect(sidecar('--app-max-concurrency', '-1', '--app-port=', '--store=redis://h?a=b', '--app-id', '--config', '--config=a\nb'))
      .toEqual(['--app-max-concurrency=-1', '--app-port=', '--store=redis://h?a=b', '--app-id=--config', '--config=a\nb'])
  })

  it('without one is left for commander to refuse', () => {
    expect(sidecar('--app-id')).toEqual(['--app-id'])
  })
})

describe('a boolean', () => {
  it('is bare or has =value, and never takes the next word', () => {
    expect(sidecar('--enable-mtls', '-enable-mtls=false', '--enableAppHealthCheck', 'word')).toEqual(['--enable-mtls=true', '--enable-mtls=false', '--enable-app-health-check=true', 'word'])
  })

  it("of Troupe's own reads the same way", () => {
    expect(sidecar('--insecure', '--dapr-strict=true', '--insecure=false', '-dapr-strict')).toEqual(['--insecure', '--dapr-strict', '--dapr-strict'])
  })
})

describe('words that no flag fits', () => {
  it('are left for commander, with two dashes so that it can suggest', () => {
    expect(sidecar('--ap-id', '-ap-id', '-h', '--help', '-')).toEqual(['--ap-id', '--ap-id', '-h', '--help', '-'])
  })

  it('of daprd are no one-letter flags: it has none', () => {
    expect(sidecar('-p', '3000')).toEqual(['-p', '3000'])
  })
})

describe('the command of troupe run', () => {
  it('begins after --, or with the first word that is no flag', () => {
    expect(run('--app-id', 'x', '--', 'python', 'app.py', '--app-id', 'y')).toEqual(['--app-id=x', '--', 'python', 'app.py', '--app-id', 'y'])
    expect(run('--app-id', 'x', 'python', 'app.py', '--version', '--', '-p')).toEqual(['--app-id=x', '--', 'python', 'app.py', '--version', '--', '-p'])
  })

  it('may follow a bare boolean', () => {
    expect(run('--enable-api-logging', 'true')).toEqual(['--enable-api-logging=true', '--', 'true'])
  })

  it('has the one-letter flags of dapr run', () => {
    expect(run('-a', 'x', '-p', '3000', '-P', 'h2c', '-H', '1', '-G=2', '-d', 'c', '-M', '9', '-I7'))
      .toEqual(['--app-id=x', '--app-port=3000', '--app-protocol=h2c', '--dapr-http-port=1', '--dapr-grpc-port=2', '--resources-path=c', '--metrics-port=9', '--dapr-internal-grpc-port=7'])
  })
})
