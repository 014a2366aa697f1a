/** A store that freezes under reminders and sends until their commits are given up, and then carries them out late: every effect once. */
import { it } from 'vitest'
import { startPostgres } from '../servers/postgres.ts'
import { startRedis } from '../servers/redis.ts'
import { CrashLedger } from './crash-ledger.ts'
import { TestProcesses } from './processes.ts'

it.each([['Redis', startRedis], ['PostgreSQL', startPostgres]] as const)('%s freezes and thaws', async (_, start) => {
  const server = await start()
  try {
    await using processes = new TestProcesses()
    const { address: placement } = await processes.placement({ store: server.url })
    const ledger = new CrashLedger(processes, 8, 50)
    const settings = { apps: [ledger.app], placement, store: server.url }
    const [a, b] = await Promise.all(['a', 'b'].map(name => processes.host(name, settings)))
    await ledger.start(a!)
    await ledger.caughtUp(a!)
    server.freeze()
    try {
      // Given up as unknown: they may still land, and do when the server thaws.
      await Promise.race([a!, b!].map(host => host.process.waitFor('a write whose outcome is unknown', process => process.lines.find(line => line.result === 'unknown'), 30_000)))
    } finally {
      server.thaw()
    }
    await ledger.caughtUp(b!)
    await ledger.check(a!)
  } finally {
    await server.stop()
  }
}, 90_000)
