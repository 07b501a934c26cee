-- Reads one order after the other, out of a page of the newest. Arguments: the paths' file, one path a line.
local paths = {}

function init(args)
   for line in io.lines(args[1]) do paths[#paths + 1] = line end
   if #paths == 0 then error("no path in " .. args[1]) end
end

function request()
   return wrk.format("GET", paths[math.random(#paths)])
end
