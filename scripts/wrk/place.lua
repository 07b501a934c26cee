-- Orders of one piece on spread products, each for another user. Argument: how many products, from number 1.
local threads = {}

function setup(thread)
   thread:set("number", #threads)
   threads[#threads + 1] = thread
end

function init(args)
   products = tonumber(args[1] or "24")
   -- Another begin at each run, so that two runs hardly meet in their users.
   first_user = 1 + (os.time() % 900000) * 10000000000 + number * 100000000
   count, refused = 0, 0
   wrk.method = "POST"
   wrk.headers["Content-Type"] = "application/json"
end

function request()
   count = count + 1
   local body = string.format(
      '{"user_id":"%d","items":[{"product_id":"%d","quantity":1}],"address":"1 Harbour Street"}',
      first_user + count, 1 + count % products)
   return wrk.format(nil, "/v1/orders", nil, body)
end

function response(status)
   if status ~= 201 then refused = refused + 1 end
end

function done()
   local sum = 0
   for _, thread in ipairs(threads) do sum = sum + thread:get("refused") end
   print("Answers that were not 201: " .. sum)
end
