-- The orders of place.lua at a rate: each connection waits between its calls so that all of them together stay near it.
-- Arguments: products, orders a second of this thread, connections of this thread.
dofile("scripts/wrk/place.lua")

local place = init

function init(args)
   place(args)
   local rate, connections = tonumber(args[2]), tonumber(args[3])
   pause_ms = 1000 * connections / rate
end

function delay()
   -- Spread, so that the connections do not call in step.
   return math.floor(pause_ms * (0.5 + math.random()))
end
