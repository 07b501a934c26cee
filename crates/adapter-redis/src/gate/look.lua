-- Answers the marker, if there is one, and the server's history: what a rebuild begins with.

local history = string.match(redis.call('INFO', 'replication'), 'master_replid:(%w+)')
return { redis.call('GET', KEYS[1]), history }
