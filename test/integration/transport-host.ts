// One process with a transport, driven by messages of its parent: it listens, connects, floods, and reports.
import { SystemClock } from '../../core/clock.ts'
import { openLogger } from '../../core/logger.ts'
import { GrpcTransport } from '../../runtime/transport/grpc-transport.ts'

const [id = 'child', keepaliveMs = '1000', keepaliveTimeoutMs = '2000'] = process.argv.slice(2)
let heard = 0
let disordered = 0
const transport = new GrpcTransport({
  hostId: id, incarnation: `${process.pid}`, bind: { host: '127.0.0.1', port: 0 }, clock: new SystemClock(), log: openLogger('silent'), tableVersion: () => 1,
  limits: { maxMessageBytes: 4 << 20, maxQueuedBytes: 16 << 20 }, keepaliveMs: Number(keepaliveMs), keepaliveTimeoutMs: Number(keepaliveTimeoutMs),
  handler: {
    onMessage: (link, message) => {
      if (message[0] === 'stats') return void link.send(['stats', heard, disordered, process.memoryUsage.rss()])
      if (message[1] !== heard++) disordered++
      link.send([2, message[1], 5, 7])
    },
    onClosed: (link, reason) => process.send?.({ closed: link.peerId, reason: reason.message }),
  },
})
process.send!({ address: (await transport.listen()).address })
process.on('message', async (order: { connect: string; address: string }) => {
  const link = await transport.connect(order.connect, order.address, 5000)
  link.send(['hello'])
})
process.on('disconnect', () => process.exit(0))
