-- Gets pages with LuaSocket, all at once: tide examples/bridges/http.lua http://www.lua.org/ ...
-- With LuaSec installed also those of https.
-- check: no
local tide = require "tide"
local socket = require "tide.luasocket"

local SECONDS = 10

--- A line about a page, or why it did not come.
local function describe(url)
  local body, status = socket.http.request(url)
  if not body then
    return ("%s: %s"):format(url, status)
  end
  return ("%s: %s, %d bytes"):format(url, status, #body)
end

--- The same, in so many seconds at most.
local function get(url)
  local in_time, line = tide.move_on_after(SECONDS, describe, url)
  return in_time and line or url .. ": too slow"
end

--- The lines of all, in their order, as soon as the slowest has come.
local function get_all(urls)
  local tasks = {}
  for i, url in ipairs(urls) do
    tasks[i] = tide.task(get, url)
  end
  return tide.gather(tasks)
end

local function main(...)
  for _, line in ipairs(get_all { ... }) do
    print(line)
  end
end

if arg and arg[0] and arg[0]:match "http%.lua$" then
  tide.run(main, (table.unpack or unpack)(arg))
end

return { get_all = get_all }
