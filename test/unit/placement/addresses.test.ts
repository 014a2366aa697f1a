/** How what a user advertises becomes an address that others can call. */
import { mkdtempSync, rmSync } from 'node:fs'
import { networkInterfaces, tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { Actor, createHost } from '../../../index.ts'
import { addressProblem, advertisedHost, reachableAt } from '../../../placement/addresses.ts'

test.each([
  [undefined, '10.0.0.1:7000'], ['node', 'node:7000'], ['node:81', 'node:81'], ['10.0.0.9', '10.0.0.9:7000'],
  ['::1', '[::1]:7000'], ['fd00::12', '[fd00::12]:7000'], ['[fd00::12]', '[fd00::12]:7000'], ['[fd00::12]:81', '[fd00::12]:81'],
])('%s of one that listens on port 7000 is reached at %s', (advertised, address) => {
  expect(reachableAt('10.0.0.1:7000', advertised)).toBe(address)
  expect(addressProblem(address)).toBeUndefined()
})

test('its host stands without port and brackets', () => {
  expect(['node', 'node:81', '::1', '[::1]', '[::1]:81'].map(advertisedHost)).toEqual(['node', 'node', '::1', '::1', '::1'])
})

class Counter extends Actor {
  count = 0
  add(): number {
    return ++this.count
  }
}

const hasIpv6 = Object.values(networkInterfaces()).flat().some(face => face?.address === '::1')

test.runIf(hasIpv6).each(['::1', '[::1]'])('hosts that advertise %s find their leader and each other', async advertise => {
  const folder = mkdtempSync(join(tmpdir(), 'troupe-ipv6-'))
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }))
  const options = { actors: [Counter], store: `lmdb:${folder}`, listen: { host: '::1', advertise }, joinTimeout: 10_000 }
  const one = await createHost({ ...options, hostId: 'one' })
  onTestFinished(() => one.stop())
  const two = await createHost({ ...options, hostId: 'two' })
  onTestFinished(() => two.stop())
  for (let i = 0; i < 8; i++) {
    expect(await one.actor(Counter, `c${i}`).add()).toBe(1)
    expect(await two.actor(Counter, `c${i}`).add()).toBe(2)
  }
  expect(one.addresses.placement).toMatch(/^\[::1\]:\d+$/)
}, 30_000)
