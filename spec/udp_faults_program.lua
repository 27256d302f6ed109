--- lua udp_faults_program.lua: 200 datagrams, each sent again until it is sent.
--
-- Tells what calls came to other than well, a list of "call=code", and what is
-- left: spec/udp_faults_spec.lua runs it where calls of the system fail.

local tide = require "tide"
local net = require "tide.net"

local NUMBER = 200
local codes = {}

--- What it returns when it is well.
local function again(name, f, ...)
  for _ = 1, 9 do
    local result, second, code = f(...)
    if result then
      return result, second
    end
    codes[name .. "=" .. code] = true
  end
  error(name .. " failed nine times")
end

local function send_all(from, port)
  for i = 1, NUMBER do
    again("send", from.send, from, tostring(i), "127.0.0.1", port)
    if i % 10 == 0 then tide.sleep(0) end
  end
end

local function receive_all(to)
  for i = 1, NUMBER do
    local data = again("recv", to.recv, to)
    assert(data == tostring(i), "another datagram came")
  end
end

local function main()
  local from, to = again("udp", net.udp, { family = "inet" }), again("udp", net.udp)
  again("bind", to.bind, to, "127.0.0.1", 0)
  tide.group(function(group)
    group:task(send_all, from, (select(2, to:sockname())))
    group:task(receive_all, to)
  end)
  from:close()
  to:close()
end

tide.run(function()
  tide.timeout(20, main)
  tide.sleep(0.001)
  local list = {}
  for code in pairs(codes) do list[#list + 1] = code end
  table.sort(list)
  print(table.concat(list, " "))
  print(("left handles=%d tasks=%d"):format(tide.stats().handles, #tide.all_tasks() - 1))
end)
