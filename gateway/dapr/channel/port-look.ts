/** Whether anybody listens at a TCP port: a connection is made and dropped at once. */
import { connect } from 'node:net'

/** 'silent': no answer before `signal` was aborted; the listener may be too busy to take connections. */
export type PortState = 'open' | 'refused' | 'silent'

export function lookAt(address: string, port: number, signal: AbortSignal): Promise<PortState> {
  return new Promise(resolve => {
    if (signal.aborted) return resolve('silent')
    const socket = connect({ host: address, port })
    const end = (state: PortState): void => {
      signal.removeEventListener('abort', onAbort)
      socket.destroy()
      resolve(state)
    }
    const onAbort = (): void => end('silent')
    signal.addEventListener('abort', onAbort)
    socket.once('connect', () => end('open')).on('error', () => end('refused'))
  })
}
