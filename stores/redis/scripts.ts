/** The Lua that runs inside Redis: each script is one atomic step, the fence included (P4). */
import { redisScript } from './connection.ts'

/**
 * Raises claims. KEYS: one claim row each. ARGV: epoch, nonce for each.
 * Returns for each '' when it holds now, else the row "epoch nonce" that refused it.
 */
export const claimScript = redisScript(`
local results = {}
for i, key in ipairs(KEYS) do
  local epoch, nonce = ARGV[2 * i - 1], ARGV[2 * i]
  local held, refused = redis.call('GET', key), false
  if held then
    local space = string.find(held, ' ', 1, true)
    local heldEpoch = tonumber(string.sub(held, 1, space - 1))
    refused = heldEpoch > tonumber(epoch) or (heldEpoch == tonumber(epoch) and string.sub(held, space + 1) ~= nonce)
  end
  if not refused then redis.call('SET', key, epoch .. ' ' .. nonce) end
  results[i] = refused and held or ''
end
return results
`)

/**
 * Writes of some shards; each write is applied whole or not at all.
 * KEYS, a shard: claim row, heads; then for each of its writes with entries: entries, names.
 * ARGV: number of shards; a shard: its claim "epoch nonce", number of writes; a write: id, previous version (8 bytes),
 * new head (version, epoch, bytes), number of entries; an entry: name, '+' or '-', value.
 * Returns one letter a write: o(k), d(uplicate), f(enced), c(onflict).
 */
export const commitScript = redisScript(`
local none = string.rep('\\0', 8)
local key, arg = 1, 2
local results = {}
for _ = 1, tonumber(ARGV[1]) do
  local held = redis.call('GET', KEYS[key]) == ARGV[arg]
  local heads = KEYS[key + 1]
  local writes = tonumber(ARGV[arg + 1])
  key, arg = key + 2, arg + 2
  for _ = 1, writes do
    local id, head, entries = ARGV[arg], ARGV[arg + 2], tonumber(ARGV[arg + 3])
    local result = 'f'
    if held then
      local stored = redis.call('HGET', heads, id)
      if (stored and string.sub(stored, 1, 8) or none) == ARGV[arg + 1] then
        result = 'o'
        redis.call('HSET', heads, id, head)
      elseif stored and string.sub(stored, 1, 16) == string.sub(head, 1, 16) then
        result = 'd'
      else
        result = 'c'
      end
    end
    arg = arg + 4
    if entries > 0 then
      if result == 'o' then
        for entry = arg, arg + 3 * entries - 1, 3 do
          if ARGV[entry + 1] == '-' then
            redis.call('HDEL', KEYS[key], ARGV[entry])
            redis.call('ZREM', KEYS[key + 1], ARGV[entry])
          elseif redis.call('HSET', KEYS[key], ARGV[entry], ARGV[entry + 2]) == 1 then
            redis.call('ZADD', KEYS[key + 1], 0, ARGV[entry])
          end
        end
      end
      key, arg = key + 2, arg + 3 * entries
    end
    results[#results + 1] = result
  end
end
return table.concat(results)
`)

/** A page of entries. KEYS: entries, names. ARGV: from, to (as ZRANGEBYLEX has them), limit. Returns name, value, … */
export const listEntriesScript = redisScript(`
local found = {}
for i, name in ipairs(redis.call('ZRANGEBYLEX', KEYS[2], ARGV[1], ARGV[2], 'LIMIT', 0, ARGV[3])) do
  found[2 * i - 1] = name
  found[2 * i] = redis.call('HGET', KEYS[1], name)
end
return found
`)

/** KEYS: leader. ARGV: nonce, address, ttlMs. Returns nonce, address, term of the row as it is now. */
export const campaignScript = redisScript(`
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local held = redis.call('HMGET', KEYS[1], 'nonce', 'address', 'term', 'ends')
local nonce, term = held[1] or '', tonumber(held[3] or '0')
if nonce ~= ARGV[1] then
  if nonce ~= '' and tonumber(held[4]) > now then return { nonce, held[2], held[3] } end
  term = term + 1
end
local shown = string.format('%.0f', term)
redis.call('HSET', KEYS[1], 'nonce', ARGV[1], 'address', ARGV[2], 'term', shown, 'ends', string.format('%.0f', now + ARGV[3]))
return { ARGV[1], ARGV[2], shown }
`)

/** KEYS: leader. ARGV: nonce. */
export const resignScript = redisScript(`
if redis.call('HGET', KEYS[1], 'nonce') == ARGV[1] then redis.call('HSET', KEYS[1], 'nonce', '', 'address', '', 'ends', '0') end
return ''
`)

/** KEYS: leader, table. ARGV: term, version, bytes. Returns 'ok' or 'stale'. */
export const saveTableScript = redisScript(`
local term, version = tonumber(ARGV[1]), tonumber(ARGV[2])
local leader = tonumber(redis.call('HGET', KEYS[1], 'term') or '0')
local saved = redis.call('HMGET', KEYS[2], 'term', 'version')
if term < leader or term < tonumber(saved[1] or '0') or version <= tonumber(saved[2] or '-1') then return 'stale' end
redis.call('HSET', KEYS[2], 'term', ARGV[1], 'version', ARGV[2], 'bytes', ARGV[3])
return 'ok'
`)
