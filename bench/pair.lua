--- What the same costs written in Lua: a coroutine.resume and a yield.
--   lua bench/pair.lua N   prints nanoseconds per pair

local n = tonumber(arg[1])
local resume, yield = coroutine.resume, coroutine.yield
local co = coroutine.create(function()
  while true do
    yield()
  end
end)
local start = os.clock()
for _ = 1, n do
  resume(co)
end
print(("%.2f"):format((os.clock() - start) / n * 1e9))
