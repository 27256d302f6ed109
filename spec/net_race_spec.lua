local tide = require "tide"
local core = require "tide.core"
local dns = require "tide.dns"
local net = require "tide.net"

require("tide.busted").configure { clock = "virtual" }

describe("net.connect by a name, in time", function()
  local tcp_connect, opened, getaddrinfo = core.tcp_connect, core.opened, dns.getaddrinfo
  local begun, open

  after_each(function()
    core.tcp_connect, core.opened, dns.getaddrinfo = tcp_connect, opened, getaddrinfo
  end)

  --- Addresses that take so many seconds, and then have one or not.
  local function addresses(list)
    local of, found, start = {}, {}, tide.loop():time()
    begun, open = {}, 0
    for i, address in ipairs(list) do
      local host = address[1]
      of[host] = address
      found[i] = { family = host:find(":") and "inet6" or "inet", host = host, port = 80 }
    end
    dns.getaddrinfo = function() return found end
    core.tcp_connect = function(host)
      local stream = { host = host }
      function stream:close()
        open, self.close = open - 1, function() end
      end
      open = open + 1
      begun[#begun + 1] = ("%s at %.2f"):format(host, tide.loop():time() - start)
      return stream
    end
    core.opened = function(stream)
      local _, seconds, well = (table.unpack or unpack)(of[stream.host])
      local ok, err = tide.pcall(tide.sleep, seconds)
      if ok and well then return stream end
      stream:close()
      if not ok then error(err, 0) end
      return nil, "refused by " .. stream.host, "E" .. stream.host
    end
  end

  local function connect()
    local stream, _, code = net.connect("a.name", 80)
    return stream and stream.host or code
  end

  it("begins the next after 250 ms, or when the last has failed", function()
    addresses { { "a", 0.1 }, { "b", 0.2 }, { "c", 10, true }, { "d", 0.25, true } }
    assert.equal("d", connect())
    assert.same({ "a at 0.00", "b at 0.10", "c at 0.30", "d at 0.55" }, begun)
    assert.equal(1, open)
  end)

  it("begins none the sooner when an earlier one fails", function()
    addresses { { "a", 0.3 }, { "b", 10, true }, { "c", 10, true }, { "d", 0.2, true } }
    assert.equal("d", connect())
    assert.same({ "a at 0.00", "b at 0.25", "c at 0.50", "d at 0.75" }, begun)
    assert.equal(1, open)
  end)

  it("takes one of those that answer at the same time, and closes the others", function()
    addresses { { "a", 10, true }, { "b", 9.75, true }, { "c", 9.5, true }, { "d", 0.1 } }
    assert.is_string(connect())
    assert.equal(1, open)
  end)

  it("waits for all of them, and tells the first failure", function()
    addresses { { "a", 5 }, { "b", 0.1 }, { "::1", 1 } }
    assert.equal("Eb", connect())
    assert.same({ "a at 0.00", "::1 at 0.25", "b at 0.50" }, begun)
    assert.equal(0, open)
  end)

  it("cancelled closes all of them", function()
    addresses { { "a", 9, true }, { "b", 9, true }, { "c", 9, true } }
    assert.is_false(tide.move_on_after(0.6, connect))
    assert.same({ "a at 0.00", "b at 0.25", "c at 0.50" }, begun)
    assert.equal(0, open)
  end)
end)
