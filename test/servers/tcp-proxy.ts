/** A TCP proxy that tests use to hold back, or cut off, what one side sends. */
import { once } from 'node:events'
import { connect, createServer, type Socket } from 'node:net'

export interface TcpProxy {
  readonly port: number
  /** From now on keeps what clients send; `release` lets it through, also what came from clients that left meanwhile. */
  holdRequests(): void
  release(): void
  /** Resolves when bytes of a client are being held. */
  held(): Promise<void>
  /** Breaks all connections; new ones go to this port. */
  retarget(port: number): void
  /** The next bytes from the server are thrown away and the client's connection is reset. */
  cutNextReply(): void
  stop(): Promise<void>
}

export async function startTcpProxy(targetPort: number): Promise<TcpProxy> {
  const sockets = new Set<Socket>()
  let target = targetPort
  let holding = false
  let cutting = false
  const kept: (() => void)[] = []
  const heldWaiters: (() => void)[] = []
  const server = createServer(client => {
    const upstream = connect(target, '127.0.0.1')
    for (const socket of [client, upstream]) {
      sockets.add(socket)
      socket.on('error', () => undefined)
      socket.on('close', () => sockets.delete(socket))
    }
    client.on('data', bytes => {
      if (!holding) {
        upstream.write(bytes)
        return
      }
      kept.push(() => upstream.write(bytes))
      for (const resolve of heldWaiters.splice(0)) resolve()
    })
    upstream.on('data', bytes => {
      if (!cutting) {
        client.write(bytes)
        return
      }
      cutting = false
      client.resetAndDestroy()
      upstream.destroy()
    })
    // A client that goes away leaves what it sent: that is how late writes come about.
    client.on('close', () => { if (!holding) upstream.destroy() })
    upstream.on('close', () => client.destroy())
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return {
    port: (server.address() as { port: number }).port,
    holdRequests: () => { holding = true },
    release() {
      holding = false
      for (const send of kept.splice(0)) send()
    },
    held: () => kept.length > 0 ? Promise.resolve() : new Promise(resolve => { heldWaiters.push(resolve) }),
    retarget(port) {
      target = port
      for (const socket of sockets) socket.destroy()
    },
    cutNextReply: () => { cutting = true },
    async stop() {
      for (const socket of sockets) socket.destroy()
      server.close()
      await once(server, 'close')
    },
  }
}
