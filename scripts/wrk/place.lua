-- Orders of one piece on spread products, each for another user. Run by scripts/measure.sh.
local thread_number = 0

function setup(thread)
   thread:set("number", thread_number)
   thread_number = thread_number + 1
end

function init(args)
   -- Products 1 to `products` must exist and have plenty of stock.
   products = tonumber(args[1] or "24")
   count = 0
   wrk.method = "POST"
   wrk.headers["Content-Type"] = "application/json"
end

function request()
   count = count + 1
   local user = 1 + number * 1000000000 + count
   local body = string.format(
      '{"user_id":"%d","items":[{"product_id":"%d","quantity":1}],"address":"1 Harbour Street"}',
      user, 1 + count % products)
   return wrk.format(nil, "/v1/orders", nil, body)
end

function response(status)
   if status ~= 201 then refused = (refused or 0) + 1 end
end
