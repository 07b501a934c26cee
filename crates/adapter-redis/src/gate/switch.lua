-- Puts what was written beside the gate in its place, all at one instant.
-- KEYS 1 to 7 as everywhere, 8 to 12 the new rows, undecided, holds, deadlines and answer keys.
-- ARGV: epoch, or '' for the next one; the history that the new keys were written in; how many fields each has.

local history = string.match(redis.call('INFO', 'replication'), 'master_replid:(%w+)')
if history ~= ARGV[2] then
  return redis.error_reply('REBUILD its server was replaced while it was being rebuilt')
end
local marker = redis.call('GET', KEYS[1])
local before = marker and tonumber(string.match(marker, '^%d+')) or 0
local epoch = ARGV[1] == '' and before + 1 or tonumber(ARGV[1])
if epoch < before then
  return redis.error_reply('STALE it was rebuilt under a later epoch')
end
for i = 1, 5 do
  local made = KEYS[7 + i]
  local count = i == 4 and redis.call('ZCARD', made) or redis.call('HLEN', made)
  if count ~= tonumber(ARGV[2 + i]) then
    return redis.error_reply('REBUILD what it was to be rebuilt of has gone')
  end
end
for i = 1, 5 do
  local place, made = KEYS[1 + i], KEYS[7 + i]
  if redis.call('EXISTS', made) == 1 then
    redis.call('RENAME', made, place)
    redis.call('PERSIST', place)
  else
    redis.call('UNLINK', place)
  end
end
redis.call('SET', KEYS[1], string.format('%.0f', epoch) .. ' ' .. history)
return string.format('%.0f', epoch)
