-- What the functions of the rock do: run by `make rock` after it was installed.
-- check: no
local tide = require "tide"
local digest = require "digest"

local function equal(got, expected)
  if got ~= expected then
    error(("%s expected, got %s"):format(tostring(expected), tostring(got)), 2)
  end
end

local function raises(pattern, ...)
  local ok, message = tide.pcall(...)
  assert(not ok and tostring(message):find(pattern), tostring(message))
end

local function values()
  equal(digest.crc32("123456789"), "cbf43926")
  equal(digest.crc32(""), "00000000")
  local text = digest.search("tide", 12)
  assert(text:find("^tide%d+$"), text)
  assert(digest.crc32(text):find("000$"), text)
  equal(digest.search("a\0b", 0), "a\0b0")
end

--- Nobody who waits keeps the others from running, or from waiting, too.
local function side_by_side()
  local text, both = ("x"):rep(400000), 0
  local sums = { tide.task(digest.crc32, text), tide.task(digest.crc32, text) }
  tide.task(function()
    both = tide.stats().wakers
  end)
  equal(sums[1]:await(), sums[2]:await())
  equal(both, 2)
end

--- 32 bits take minutes, of which nobody waits for one.
local function cancelled()
  equal(tide.move_on_after(0, digest.search, "tide", 32), false)
  equal(tide.stats().wakers, 0)
  equal(tide.move_on_after(0.01, digest.search, "tide", 32), false)
  local task = tide.task(digest.search, "tide", 32)
  tide.sleep(0.01)
  task:cancel("not needed")
  raises("not needed", task.await, task)
  -- What a thread of the pool has begun is waited for.
  task = tide.task(function()
    digest.crc32(("x"):rep(200000))
    tide.sleep(60)
  end)
  tide.sleep(0)
  task:cancel()
  raises("CancelledError", task.await, task)
end

local function misuse()
  raises("string expected", digest.crc32)
  raises("string expected", digest.search, nil, 1)
  raises("0 to 32 bits expected", digest.search, "tide", 33)
  local message
  tide.loop():call_soon(function()
    message = select(2, pcall(digest.crc32, "tide"))
  end)
  tide.sleep(0)
  assert(tostring(message):find("digest.crc32"), message)
end

local function kilobytes()
  local file = io.open("/proc/self/status")
  local size = file and tonumber(file:read("*a"):match("VmRSS:%s*(%d+)")) or 0
  if file then
    file:close()
  end
  return size
end

--- Four calls, which end in all ways.
local function round(text)
  local work = tide.task(digest.crc32, text)
  local search = tide.task(digest.search, text, 0)
  local stopped = tide.task(digest.search, text, 32)
  tide.task(digest.crc32, text):cancel() -- before it has begun
  tide.sleep(0)
  stopped:cancel()
  tide.wait { work, search, stopped }
end

--- What 50 rounds have held would be 40 MB; nothing is counted any more.
local function nothing_is_left()
  local text, before = ("x"):rep(200000), nil
  for _ = 1, 50 do
    round(text)
    before = before or kilobytes()
  end
  collectgarbage()
  assert(kilobytes() - before < 20000)
  equal(tide.stats().wakers, 0)
end

for _, check in ipairs { values, side_by_side, cancelled, misuse, nothing_is_left } do
  tide.run(check)
end
equal(digest.crc32("123456789"), "cbf43926") -- the main program may wait, too
-- Lua ends while these have not: a thread is stopped, one has posted already.
tide.task(digest.search, "tide", 32)
tide.task(digest.search, "tide", 0)
tide.task(digest.crc32, ("x"):rep(200000))
tide.sleep(0)
print("the rock works")
