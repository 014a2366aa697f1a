/**
 * The Lua that runs inside Redis: each script is one atomic step, the fence included (P4). Packed arguments are all in the
 * first (packed-arguments.ts).
 *
 * Scripts that may write begin with a write that changes nothing, and costs next to nothing: a server that has become a replica
 * refuses it (READONLY), instead of deciding by rows that may be old or another cluster's.
 */
import { redisScript } from './connection.ts'

/**
 * Raises claims. KEYS: one claim row each. ARGV: epoch, nonce for each.
 * Returns for each '' when it holds, '+' when it does so only now, else the row "epoch nonce" that refused it.
 */
export const claimScript = redisScript(`
redis.call('SETRANGE', KEYS[1], 0, '')
local results = {}
for i, key in ipairs(KEYS) do
  local epoch, nonce = ARGV[2 * i - 1], ARGV[2 * i]
  local held, refused = redis.call('GET', key), false
  if held then
    local space = string.find(held, ' ', 1, true)
    local heldEpoch = tonumber(string.sub(held, 1, space - 1))
    refused = heldEpoch > tonumber(epoch) or (heldEpoch == tonumber(epoch) and string.sub(held, space + 1) ~= nonce)
  end
  local mine = epoch .. ' ' .. nonce
  if not refused and held ~= mine then redis.call('SET', key, mine) end
  results[i] = refused and held or held == mine and '' or '+'
end
return results
`)

/**
 * What is there of a shard. KEYS: claim row, heads. ARGV: ids.
 * Returns the row "epoch nonce" or '', then for each id version and epoch (8 bytes each) or ''.
 */
export const holdingScript = redisScript(`
local found = { redis.call('GET', KEYS[1]) or '' }
for i, id in ipairs(ARGV) do
  local head = redis.call('HGET', KEYS[2], id)
  found[i + 1] = head and string.sub(head, 1, 16) or ''
end
return found
`)

/**
 * Writes of some shards; each write is applied whole or not at all.
 * KEYS, a shard: claim row, heads; dated, due if it says so; then for each of its writes with entries: entries, names.
 * ARGV, packed: number of shards; a shard: its claim "epoch nonce", number of writes, '1' when some of them say something of due
 * times, else '0'; a write: id, previous version (8 bytes), new head (version, epoch, bytes) or '' for none, number of
 * entries; an entry: name, what to do, value. To do: '+' put and '-' remove one that never had a due time; a number: put it
 * with this due time; 'p' put and 'r' remove one that may have had one.
 * Returns one letter a write: o(k), d(uplicate), f(enced), c(onflict).
 */
export const commitScript = redisScript(`
redis.call('HDEL', KEYS[2], '')
local ARGV, none = cmsgpack.unpack(ARGV[1]), string.rep('\\0', 8)
local key, arg = 1, 2
local results = {}
for _ = 1, tonumber(ARGV[1]) do
  local held = redis.call('GET', KEYS[key]) == ARGV[arg]
  local heads, dated, due = KEYS[key + 1]
  local writes = tonumber(ARGV[arg + 1])
  if ARGV[arg + 2] == '1' then
    dated, due = KEYS[key + 2], KEYS[key + 3]
    key = key + 2
  end
  key, arg = key + 2, arg + 3
  for _ = 1, writes do
    local id, head, entries = ARGV[arg], ARGV[arg + 2], tonumber(ARGV[arg + 3])
    local result = 'f'
    if held then
      local stored = head ~= '' and redis.call('HGET', heads, id)
      if head == '' then
        result = 'o'
      elseif (stored and string.sub(stored, 1, 8) or none) == ARGV[arg + 1] then
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
        local plain, names = KEYS[key], KEYS[key + 1]
        for entry = arg, arg + 3 * entries - 1, 3 do
          local name, what, value = ARGV[entry], ARGV[entry + 1], ARGV[entry + 2]
          if what == '-' then
            redis.call('HDEL', plain, name)
            redis.call('ZREM', names, name)
          elseif what == '+' then
            if redis.call('HSET', plain, name, value) == 1 then redis.call('ZADD', names, 0, name) end
          else
            local member = id .. '\\0' .. name
            if what == 'r' then
              redis.call('ZREM', due, member)
              if redis.call('HDEL', dated, member) + redis.call('HDEL', plain, name) > 0 then redis.call('ZREM', names, name) end
            elseif what == 'p' then
              redis.call('ZREM', due, member)
              local known = redis.call('HDEL', dated, member) == 1
              if redis.call('HSET', plain, name, value) == 1 and not known then redis.call('ZADD', names, 0, name) end
            else
              redis.call('ZADD', due, what, member)
              if redis.call('HSET', dated, member, value) == 1 and redis.call('HDEL', plain, name) == 0 then
                redis.call('ZADD', names, 0, name)
              end
            end
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

/**
 * Entries by name, as long as there is room for their values, but at least the first. Looking costs as much as 4 KiB.
 * KEYS, a read: entries, dated. ARGV, packed: room in bytes; a read: id, where they are ('p' plain, 'd' dated, '?' either), number
 * of names, names. Returns a value or nil for each name.
 */
export const loadEntriesScript = redisScript(`
local ARGV = cmsgpack.unpack(ARGV[1])
local room, found, arg = tonumber(ARGV[1]), {}, 2
for key = 1, #KEYS, 2 do
  local id, where, last = ARGV[arg], ARGV[arg + 1], arg + 2 + ARGV[arg + 2]
  for at = arg + 3, last do
    local value = where ~= 'd' and redis.call('HGET', KEYS[key], ARGV[at])
    if not value and where ~= 'p' then value = redis.call('HGET', KEYS[key + 1], id .. '\\0' .. ARGV[at]) end
    found[#found + 1] = value
    room = room - 4096 - (value and #value or 0)
    if room <= 0 then return found end
  end
  arg = last + 1
end
return found
`)

/** A page of entries. KEYS: entries, names, dated. ARGV: id, from, to (as ZRANGEBYLEX has them), limit. Returns name, value, … */
export const listEntriesScript = redisScript(`
local found = {}
for i, name in ipairs(redis.call('ZRANGEBYLEX', KEYS[2], ARGV[2], ARGV[3], 'LIMIT', 0, ARGV[4])) do
  found[2 * i - 1] = name
  found[2 * i] = redis.call('HGET', KEYS[1], name) or redis.call('HGET', KEYS[3], ARGV[1] .. '\\0' .. name)
end
return found
`)

/**
 * Pages of due entries, as long as there is room for their rows, but at least the first.
 * KEYS, a query: due, dated. ARGV: room in rows; a query: the place after which (due or '', member), until, limit.
 * Returns for each page: due time of what follows or '', then member, due, value of each row.
 *
 * A sorted set orders by score (a due time is a whole number, hence exact) and then by the members' bytes: just as it is
 * to be. The place is searched for by halves among those of its score, since its row may be gone; and bytes are compared
 * one by one, since Lua would compare as the server's locale does.
 */
export const dueScript = redisScript(`
local function follows(a, b)
  for i = 1, math.min(#a, #b) do
    local x, y = string.byte(a, i), string.byte(b, i)
    if x ~= y then return x > y end
  end
  return #a > #b
end
local function firstAfter(due, time, place)
  if time == '' then return 0 end
  local low, high = redis.call('ZCOUNT', due, '-inf', '(' .. time), redis.call('ZCOUNT', due, '-inf', time)
  while low < high do
    local middle = math.floor((low + high) / 2)
    if follows(redis.call('ZRANGE', due, middle, middle)[1], place) then high = middle else low = middle + 1 end
  end
  return low
end
local room, pages = tonumber(ARGV[1]), {}
for query = 1, #KEYS / 2 do
  local due, dated, arg = KEYS[2 * query - 1], KEYS[2 * query], 4 * query - 2
  local first = firstAfter(due, ARGV[arg], ARGV[arg + 1])
  local count = math.max(0, math.min(tonumber(ARGV[arg + 3]), redis.call('ZCOUNT', due, '-inf', ARGV[arg + 2]) - first))
  local found = redis.call('ZRANGE', due, first, first + count, 'WITHSCORES')
  local page = { found[2 * count + 2] or '' }
  for row = 1, count do
    local member = found[2 * row - 1]
    page[3 * row - 1], page[3 * row], page[3 * row + 1] = member, found[2 * row], redis.call('HGET', dated, member)
  end
  pages[query] = page
  room = room - count
  if room <= 0 then break end
end
return pages
`)
