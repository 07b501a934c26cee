local lost = refusal()
if lost then
  return lost
end
return redis.call('HLEN', KEYS[4])
