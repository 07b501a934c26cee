-- ARGV: order, deadline.

local lost = refusal()
if lost then
  return lost
end
redis.call('ZADD', KEYS[5], 'XX', ARGV[2], ARGV[1])
return 'ok'
