// How flag values are read: what is taken, what is refused.
import { describe, expect, it } from 'vitest'
import { flag, readAddresses, readDuration, readHostId, readHttpUrl, readListenAddress, readNumber, readPort, readPortOrOff } from '../../../cli/flags.ts'

describe('a flag', () => {
  it('has an environment variable named after it', () => {
    expect(flag('--http-port <port>', '').envVar).toBe('TROUPE_HTTP_PORT')
    expect(flag('--json', '').envVar).toBe('TROUPE_JSON')
  })
})

describe('values', () => {
  it('of ports are whole numbers from 0 to 65535', () => {
    expect(['0', '80', '65535'].map(readPort)).toEqual([0, 80, 65535])
    for (const wrong of ['', '-1', '65536', '1e3', '0x10', ' 80', '99999', 'off']) expect(() => readPort(wrong)).toThrow(/must be a port/)
    expect(readPortOrOff('off')).toBe('off')
  })

  it('of durations have units, or are milliseconds', () => {
    expect(['250', '500ms', '2s', '1h30m'].map(readDuration)).toEqual([250, 500, 2000, 5_400_000])
    for (const wrong of ['', 'soon', '-1s', '2 s', '1y']) expect(() => readDuration(wrong)).toThrow(/is no duration/)
  })

  it('of numbers lie in their range', () => {
    expect(readNumber(0.5, 2)('1.5')).toBe(1.5)
    for (const wrong of ['', ' ', 'x', 'NaN', 'Infinity', '0.4', '2.1']) expect(() => readNumber(0.5, 2)(wrong)).toThrow(/number from 0.5 to 2/)
    expect(() => readNumber(0, 14, true)('1.5')).toThrow(/whole number/)
  })

  it('of addresses are HOST:PORT, several with commas', () => {
    expect(readAddresses('a:1, [::1]:50005,')).toEqual(['a:1', '[::1]:50005'])
    for (const wrong of ['a', 'a:0', 'a:65536', 'http://a:1', 'a:b', ':1']) expect(() => readAddresses(wrong)).toThrow(/is no HOST:PORT/)
    for (const wrong of ['', ',']) expect(() => readAddresses(wrong)).toThrow(/at least one/)
  })

  it('of addresses to listen on have no port', () => {
    for (const right of ['127.0.0.1', 'localhost', '::1', '::', 'fe80::1:2']) expect(readListenAddress('--port')(right)).toBe(right)
    for (const wrong of ['127.0.0.1:50005', 'localhost:1', '[::1]:50005', ':50005', 'a:']) expect(() => readListenAddress('--port')(wrong)).toThrow(/give the port with --port/)
  })

  it('of host ids are legal names', () => {
    expect(readHostId('a b')).toBe('a b')
    for (const wrong of ['', 'a/b', '..', 'x'.repeat(129)]) expect(() => readHostId(wrong)).toThrow(/cannot be used/)
  })

  it('of targets are http URLs; a slash at the end does not count', () => {
    expect(readHttpUrl('http://a:1/')).toBe('http://a:1')
    for (const wrong of ['', 'a:1', 'ftp://a', '127.0.0.1:3500']) expect(() => readHttpUrl(wrong)).toThrow(/must be a URL/)
  })
})
