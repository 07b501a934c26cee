-- Stands in front of every other script of the gate.
-- KEYS 1 marker, 2 rows, 3 undecided, 4 holds, 5 deadlines, 6 answer keys, 7 stream, then those of a script's own.
--
-- The marker names the epoch of the last rebuild and the history of the server that it was made on. A server gets
-- another history when it is started, and when a replica is promoted: then holds may be missing, and nothing is served.

-- Why nothing may be answered, or nothing and the epoch.
local function refusal()
  local marker = redis.call('GET', KEYS[1])
  if not marker then
    return redis.error_reply('REBUILD it is empty and must be rebuilt')
  end
  local history = string.match(redis.call('INFO', 'replication'), 'master_replid:(%w+)')
  if string.match(marker, '^%d+ (%w+)$') ~= history then
    return redis.error_reply('REBUILD its server was restarted or replaced, it must be rebuilt')
  end
  return nil, string.match(marker, '^%d+')
end

-- Ends a hold, if there is one.
local function finish(order, why, stream_len_max)
  local hold = redis.call('HGET', KEYS[4], order)
  if not hold then
    return
  end
  local lines, key = string.match(hold, '^([^\n]*)\n(.*)$')
  for product, qty in string.gmatch(lines, '(%d+):(%d+)') do
    if redis.call('HINCRBY', KEYS[3], product, 0 - tonumber(qty)) == 0 then
      redis.call('HDEL', KEYS[3], product)
    end
  end
  redis.call('HDEL', KEYS[4], order)
  redis.call('ZREM', KEYS[5], order)
  if key ~= '' and redis.call('HGET', KEYS[6], key) == order then
    redis.call('HDEL', KEYS[6], key)
  end
  redis.call('XADD', KEYS[7], 'MAXLEN', '~', stream_len_max, '*', 'what', why, 'order', order, 'lines', lines)
end
