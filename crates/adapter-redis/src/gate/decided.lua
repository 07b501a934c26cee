-- KEYS from 8 on: that each order has ended, in the order of the orders.
-- ARGV: longest stream, how long an order is remembered in ms (0: not at all), number of rows, then product and packed
-- row of each, then the orders. Rows come first: the hold of a decided order stands until its deduction is known.

local lost = refusal()
if lost then
  return lost
end
local rows = tonumber(ARGV[3])
local at = 4
for _ = 1, rows do
  local product, row = ARGV[at], ARGV[at + 1]
  at = at + 2
  local known = redis.call('HGET', KEYS[2], product)
  if not known or tonumber(string.match(known, '^%d+')) < tonumber(string.match(row, '^%d+')) then
    redis.call('HSET', KEYS[2], product, row)
  end
end
for i = at, #ARGV do
  finish(ARGV[i], 'decided', ARGV[1])
  if ARGV[2] ~= '0' then
    redis.call('SET', KEYS[8 + i - at], '1', 'PX', ARGV[2])
  end
end
return 'ok'
