-- ARGV: now, how many. Answers order, deadline and hold of each, oldest first.

local lost = refusal()
if lost then
  return lost
end
local due = redis.call('ZRANGEBYSCORE', KEYS[5], '-inf', ARGV[1], 'WITHSCORES', 'LIMIT', 0, ARGV[2])
local found = {}
for i = 1, #due, 2 do
  found[#found + 1] = due[i]
  found[#found + 1] = due[i + 1]
  found[#found + 1] = redis.call('HGET', KEYS[4], due[i])
end
return found
