require("tide.busted").configure { timeout = 20 }

local tide = require "tide"
local net = require "tide.net"
local streams = require "spec.stream_support"

local sleep = tide.sleep

--- Two ends of a connection, over TCP or to `at`; what the first has sent is
-- there at the second.
local function pair(sent, at)
  local server = tide.check(at and net.listen(at) or net.listen("127.0.0.1", 0))
  local host, port = server:sockname()
  local here = tide.check(net.connect(at or host, port))
  local there = server:accept()
  server:close()
  here:write(sent)
  there:readexactly(1)
  return here, there
end

--- How reading ends.
local function ends(stream)
  local data, _, code = stream:read()
  while data do
    data, _, code = stream:read()
  end
  return code
end

describe("a peer that closes without having read all", function()
  -- So much that some of it is with the kernel: that is what makes a reset.
  local much = ("x"):rep(1000000)

  it("cuts short what it has sent: that is no end of the stream", function()
    local here, there = pair(much)
    there:write("a beginning")
    there:close()
    assert.equal("ECONNRESET", ends(here))
    here:close()
  end)

  it("does so also where a write has met the reset first", function()
    local here, there = pair(much)
    there:write("a beginning")
    there:close()
    while here:write(much) do end
    assert.equal("ECONNRESET", ends(here))
    here:close()
  end)

  it("has broken the pipe for who writes next, however the reset was read", function()
    local methods = {
      function(stream) return stream:read() end,
      function(stream) return stream:readline() end,
      function(stream) return stream:read(-1) end,
    }
    for _, at in ipairs { false, "unix:" .. streams.unused_path() } do
      for _, method in ipairs(methods) do
        local here, there = pair("x", at)
        here:write("never read")
        local reader = tide.task(function() return select(3, method(here)) end)
        sleep(0)
        there:close()
        assert.equal("ECONNRESET", reader:await())
        for _ = 1, 2 do assert.equal("EPIPE", select(3, here:write("x"))) end
        here:close()
      end
    end
  end)

  it("has ended well what was read before, and all that came before the end", function()
    local here, there = pair("x")
    there:write("all of it")
    there:close()
    assert.equal("all of it", here:read(-1))
    assert.equal("EOF", ends(here))
    here:close()
  end)
end)
