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
  socket.on('error', error => settle(isRefusal(error) ? 'refused' : 'unknown'))
})

/**
 * A refusal comes from the machine itself: it is up and nothing listens. Any other error proves nothing. Of a name with several addresses
 * all must refuse: a process may listen at the one that could not be reached, and the error of them all has the code of the first.
 */
export const isRefusal = (error: unknown): boolean =>
  error instanceof AggregateError ? error.errors.length > 0 && error.errors.every(isRefusal) : (error as NodeJS.ErrnoException).code === 'ECONNREFUSED'
