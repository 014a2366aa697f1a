/**
 * `ioredis` with one `EVALSHA` an operation, all that are sent in one tick in one pipeline (`enableAutoPipelining`).
 * The script only writes the value.
 */
import { createHash } from 'node:crypto'
import { Redis } from 'ioredis'
import type { Scope } from '../harness/scope.ts'
import type { BareStore } from './bare-store.ts'

const script = "redis.call('SET', KEYS[1], ARGV[1]) return 1"
const sha = createHash('sha1').update(script).digest('hex')

export async function openBareRedis(scope: Scope, url: string, valueBytes: number): Promise<BareStore> {
  const redis = new Redis(url, { enableAutoPipelining: true, lazyConnect: true, maxRetriesPerRequest: 0 })
  scope.defer(() => redis.disconnect())
  await redis.connect()
  await redis.script('LOAD', script)
  const value = Buffer.alloc(valueBytes, 1)
  return {
    servers: { redis: { cpuSeconds: async () => cpuSecondsIn(await redis.info('cpu')) } },
    put: key => redis.evalsha(sha, 1, `bare:${key}`, value),
    get: key => redis.getBuffer(`bare:${key}`),
  }
}

/** User and system time of the server in its answer to `INFO cpu`. */
export function cpuSecondsIn(info: string): number {
  const seconds = (field: string) => Number(new RegExp(`^${field}:([\\d.]+)`, 'm').exec(info)?.[1] ?? NaN)
  return seconds('used_cpu_sys') + seconds('used_cpu_user')
}
