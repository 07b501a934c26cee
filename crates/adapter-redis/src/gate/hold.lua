-- KEYS 8: whether this order has ended already.
-- ARGV: order, deadline, answer key or '', lines, longest stream, then product and summed pieces of each.
-- Answers held EPOCH | ended EPOCH | progress ORDER | short and, for each product that is short, its number, its free pieces
-- and whether it is known at all.

local lost, epoch = refusal()
if lost then
  return lost
end
local order, deadline, key, lines = ARGV[1], ARGV[2], ARGV[3], ARGV[4]
if redis.call('HEXISTS', KEYS[4], order) == 1 then
  return { 'held', epoch }
end
if redis.call('EXISTS', KEYS[8]) == 1 then
  return { 'ended', epoch }
end
if key ~= '' then
  local other = redis.call('HGET', KEYS[6], key)
  if other then
    return { 'progress', other }
  end
end

local short = { 'short' }
for i = 6, #ARGV, 2 do
  local product, wanted = ARGV[i], tonumber(ARGV[i + 1])
  local row = redis.call('HGET', KEYS[2], product)
  local free = 0
  if row then
    free = tonumber(string.match(row, '^%d+ (%-?%d+)')) - tonumber(redis.call('HGET', KEYS[3], product) or 0)
  end
  if free < wanted then
    short[#short + 1] = product
    short[#short + 1] = string.format('%.0f', math.max(free, 0))
    short[#short + 1] = row and 'known' or 'unknown'
  end
end
if #short > 1 then
  return short
end

for i = 6, #ARGV, 2 do
  redis.call('HINCRBY', KEYS[3], ARGV[i], ARGV[i + 1])
end
redis.call('HSET', KEYS[4], order, lines .. '\n' .. key)
redis.call('ZADD', KEYS[5], deadline, order)
if key ~= '' then
  redis.call('HSET', KEYS[6], key, order)
end
redis.call('XADD', KEYS[7], 'MAXLEN', '~', ARGV[5], '*', 'what', 'hold', 'order', order, 'lines', lines)
return { 'held', epoch }
