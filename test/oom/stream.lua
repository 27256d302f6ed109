-- Messages arrive whole and in their order: those that a write took, but for
-- one that it failed in the middle of, which is the last. What no reader got is
-- still there.
local tide = require "tide"
local net = require "tide.net"
local testing = require "tide.testing"

-- on LuaJIT `tostring` does not survive it
local MESSAGES = { "<1>", "<2>", "<3>", "<4>", "<5>", "<6>", "<7>", "<8>" }
local a, b, near, far, server, client, conn
local got, count, wrote, host, port -- with room for all of it: to note it cannot fail

local function write(stream)
  for i = 1, #MESSAGES do
    local ok, _, code
    if i % 2 == 0 then
      ok, _, code = stream:write("<", { MESSAGES[i]:sub(2) })
    else
      ok, _, code = stream:write(MESSAGES[i])
    end
    if ok then
      wrote[i] = true
    else
      assert(code == "ENOMEM", code)
    end
  end
  if not stream:shutdown() then
    stream:close()
  end
end

local function take(data, _, code, part)
  if data then
    count = count + 1
    got[count] = data
  elseif code == "EOF" then
    count = count + 1
    got[count] = part or ""
    return true
  else
    assert(code == "ENOMEM", code)
  end
end

local SEPARATORS, LONG = { ">", "nothing" }, { limit = 1000 }

local function read(stream)
  repeat
    local ended = take(stream:readexactly(3)) or take(stream:readuntil(SEPARATORS))
      or take(stream:read(-1)) or take(stream:readline(LONG))
  until ended
end

--- The rest, whoever has failed.
local function finish(from, to)
  local function shut()
    if not from:shutdown() then
      from:close()
    end
  end
  tide.task(shut)
  local rest, _, code = to:read(-1)
  assert(rest or code == "ENOMEM" or code == "ECANCELED", code)
  count = count + 1
  got[count] = rest or to:read(-1) or ""
end

--- Each is once there, if its write said so, and no other than the last cut short.
local function check()
  local all, i = table.concat(got), 0
  for message, at in all:gmatch "(<%d>)()" do
    local n = tonumber(message:match "%d")
    assert(n > i, "out of order: " .. all)
    for lost = i + 1, n - 1 do
      assert(not wrote[lost], "lost: " .. lost .. " of " .. all)
    end
    i = n
    assert(all:sub(at, at) ~= "" or at == #all + 1)
  end
  local whole = all:gsub("<%d>", "")
  assert(whole == "" or all:sub(-#whole) == whole, "cut short: " .. all)
  for lost = i + 1, #MESSAGES do
    assert(not wrote[lost], "lost: " .. lost .. " of " .. all)
  end
end

local function over(group)
  group:task(write, a)
  group:task(read, b)
end

local function accept()
  conn = assert(server:accept())
end

local function connect()
  client = assert(net.connect(host, port))
end

local function over_tcp(group)
  group:task(accept)
  group:task(connect)
end

return {
  prepare = function()
    got, count, wrote = {}, 0, {}
    for i = 1, 40 do
      got[i], wrote[i] = "", false
    end
    a, b = testing.stream_pair { limit = 3, high_water = 1 }
    server = assert(net.listen("127.0.0.1", 0))
    host, port = server:sockname()
  end,
  main = function()
    tide.group(over)
    tide.group(over_tcp)
    assert(client:write("hello\nmore"))
    assert(conn:readline() == "hello")
    conn:close()
    client:readline()
    client:close()
    server:close()
    near, far = testing.stream_pair()
    assert(far:shutdown() and not near:read())
  end,
  before = function()
    tide.run(finish, a, b)
    for _, it in ipairs { a, b, server, client or a, conn or a, near or a, far or a } do
      it:close()
    end
    collectgarbage()
  end,
  after = check,
}
