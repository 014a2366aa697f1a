/** Asks an address whether a process listens there, by opening a TCP connection and closing it at once. */
import { connect } from 'node:net'
import type { Clock } from '../core/clock.ts'
import { splitAddress } from './addresses.ts'
import type { Probe } from './prober.ts'

export const tcpProbe = (clock: Clock, timeoutMs = 1_000): Probe => address => new Promise(resolve => {
  const socket = connect(splitAddress(address))
  const settle = (result: 'refused' | 'reached' | 'unknown'): void => {
    timer.cancel()
    socket.destroy()
    resolve(result)
  }
  const timer = clock.after(timeoutMs, () => settle('unknown'))
  socket.once('connect', () => settle('reached'))
  // A refusal comes from the machine itself: it is up and nothing listens. Any other error proves nothing.
  socket.on('error', (error: NodeJS.ErrnoException) => settle(error.code === 'ECONNREFUSED' ? 'refused' : 'unknown'))
})
