-- KEYS 8: that this order has ended. ARGV: order, longest stream, how long it is remembered in ms (0: not at all).

local lost = refusal()
if lost then
  return lost
end
finish(ARGV[1], 'release', ARGV[2])
if ARGV[3] ~= '0' then
  redis.call('SET', KEYS[8], '1', 'PX', ARGV[3])
end
return 'ok'
