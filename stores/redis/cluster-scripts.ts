/**
 * The Lua of the cluster's rows: each script is one atomic step, and Redis's own clock says what is over. All keys are in one slot.
 *
 *     leader   hash: nonce ('' when nobody leads), address, term, ends
 *     table    hash: term, version, bytes
 *     leases   hash: id → when it is over
 */
import { redisScript } from './connection.ts'

/** Milliseconds since 1970. The write changes nothing: see scripts.ts. */
const now = `
redis.call('HDEL', KEYS[1], '')
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
`

/** KEYS: leader. ARGV: nonce, address, ttlMs, nonce to depose or ''. Returns nonce, address, term of the row as it is now. */
export const campaignScript = redisScript(`${now}local held = redis.call('HMGET', KEYS[1], 'nonce', 'address', 'term', 'ends')
local nonce, term = held[1] or '', tonumber(held[3] or '0')
if nonce ~= ARGV[1] then
  if nonce ~= '' and nonce ~= ARGV[4] and tonumber(held[4]) > now then return { nonce, held[2], held[3] } end
  term = term + 1
end
local shown = string.format('%.0f', term)
redis.call('HSET', KEYS[1], 'nonce', ARGV[1], 'address', ARGV[2], 'term', shown, 'ends', string.format('%.0f', now + ARGV[3]))
return { ARGV[1], ARGV[2], shown }
`)

/** KEYS: leader. ARGV: nonce. */
export const resignScript = redisScript(`
redis.call('HDEL', KEYS[1], '')
if redis.call('HGET', KEYS[1], 'nonce') == ARGV[1] then redis.call('HSET', KEYS[1], 'nonce', '', 'address', '', 'ends', '0') end
return ''
`)

/** KEYS: leader, table. ARGV: term, version, bytes. Returns 'ok' or 'stale'. */
export const saveTableScript = redisScript(`
redis.call('HDEL', KEYS[1], '')
local term, version = tonumber(ARGV[1]), tonumber(ARGV[2])
local leader = tonumber(redis.call('HGET', KEYS[1], 'term') or '0')
local saved = redis.call('HMGET', KEYS[2], 'term', 'version')
if term < leader or term < tonumber(saved[1] or '0') or version <= tonumber(saved[2] or '-1') then return 'stale' end
redis.call('HSET', KEYS[2], 'term', ARGV[1], 'version', ARGV[2], 'bytes', ARGV[3])
return 'ok'
`)

/** KEYS: leases. ARGV: id, ttlMs. */
export const openLeaseScript = redisScript(`${now}
redis.call('HSET', KEYS[1], ARGV[1], string.format('%.0f', now + ARGV[2]))
return ''
`)

/** KEYS: leases, leader, table. ARGV: id, ttlMs. Returns '1' or '0' (held), version of the table; then the leader, if any: nonce, address, term. */
export const renewLeaseScript = redisScript(`${now}
local held = redis.call('HEXISTS', KEYS[1], ARGV[1]) == 1
if held then redis.call('HSET', KEYS[1], ARGV[1], string.format('%.0f', now + ARGV[2])) end
local version = redis.call('HGET', KEYS[3], 'version') or '0'
local leader = redis.call('HMGET', KEYS[2], 'nonce', 'address', 'term', 'ends')
if (leader[1] or '') == '' or tonumber(leader[4]) <= now then return { held and '1' or '0', version } end
return { held and '1' or '0', version, leader[1], leader[2], leader[3] }
`)

/** KEYS: leases. ARGV: id. Returns 'revoked' or 'held'. */
export const revokeLeaseScript = redisScript(`${now}
local ends = redis.call('HGET', KEYS[1], ARGV[1])
if ends and tonumber(ends) > now then return 'held' end
redis.call('HDEL', KEYS[1], ARGV[1])
return 'revoked'
`)

/** KEYS: leases. Returns id, milliseconds left, … */
export const leasesScript = redisScript(`${now}
local rows = redis.call('HGETALL', KEYS[1])
for i = 2, #rows, 2 do rows[i] = string.format('%.0f', rows[i] - now) end
return rows
`)
