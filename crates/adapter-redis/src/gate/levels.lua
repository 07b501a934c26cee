-- ARGV: products. Answers packed row or nothing, and undecided pieces, of each.

local lost = refusal()
if lost then
  return lost
end
local found = {}
for i = 1, #ARGV do
  found[#found + 1] = redis.call('HGET', KEYS[2], ARGV[i])
  found[#found + 1] = redis.call('HGET', KEYS[3], ARGV[i])
end
return found
