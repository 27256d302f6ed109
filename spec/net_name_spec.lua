local tide = require "tide"
local net = require "tide.net"
local support = require "spec.support"
local streams = require "spec.stream_support"

require("tide.busted").configure { timeout = 60 }

local misuse, raises = support.misuse, support.raises
local opens, fails = streams.opens, streams.fails
local listen = streams.listen

--- Connects until nobody is let in any more: twice, as once may be this test's
-- own slowness.
local function fill_backlog(host, port)
  local late = 0
  while late < 2 do
    local ok, stream = tide.move_on_after(0.1, net.connect, host, port)
    late = ok and 0 or late + 1
    if ok then opens(assert(stream)) end
  end
end

describe("net.connect by a name", function()
  local dns = package.loaded["tide.dns"]
  local asked

  streams.close_after_each(after_each)
  after_each(function() package.loaded["tide.dns"] = dns end)

  --- Names have these addresses.
  local function names(...)
    local list = {}
    for i, host in ipairs { ... } do
      list[i] = { family = host:find(":") and "inet6" or "inet", host = host }
    end
    asked = {}
    package.loaded["tide.dns"] = {
      getaddrinfo = function(host)
        asked[#asked + 1] = host
        tide.sleep(0)
        if #list == 0 then return nil, "unknown node or service", "EAI_NONAME" end
        return list
      end,
    }
  end

  --- A server at 127.0.0.4, one whose backlog is full at .3, none at .2.
  local function servers()
    local good = opens(assert(net.listen("127.0.0.4", 0)))
    local port = select(2, good:sockname())
    local full = opens(assert(net.listen("127.0.0.3", port, { backlog = 1 })))
    fill_backlog("127.0.0.3", port)
    return port, good, full
  end

  it("tries all addresses: one refuses, one never answers, one is good", function()
    local port, good = servers()
    local handles = tide.stats().handles
    for _, hosts in ipairs {
      { "127.0.0.2", "127.0.0.3", "127.0.0.4" }, { "127.0.0.3", "127.0.0.2", "127.0.0.4" },
      { "127.0.0.4", "127.0.0.3" }, { "127.0.0.3", "127.0.0.3", "127.0.0.4", "127.0.0.2" },
      { "127.0.0.4" }, { "127.0.0.2", "127.0.0.4" },
    } do
      names((table.unpack or unpack)(hosts))
      local client = assert(net.connect("a.name", port))
      assert.equal("127.0.0.4", (client:peername()))
      client:close()
      good:accept():close()
      assert.same({ "a.name" }, asked)
      assert.equal(handles, tide.stats().handles)
    end
  end)

  it("families take turns", function()
    if not streams.has_ipv6() then return end
    local port = servers()
    names("127.0.0.3", "127.0.0.3", "127.0.0.3", "127.0.0.4", "::1")
    local six = opens(assert(net.listen("::1", port)))
    local client = opens(assert(net.connect("a.name", port)))
    assert.equal("::1", (client:peername()))
    opens(six:accept())
  end)

  it("that all refuse is the first refusal", function()
    names("127.0.0.1", "127.0.0.2")
    fails("ECONNREFUSED", net.connect("a.name", streams.refusing_port()))
    names("127.0.0.1")
    fails("ECONNREFUSED", net.connect("a.name", streams.refusing_port()))
  end)

  it("from a local address tries those of its family", function()
    local port = streams.refusing_port()
    names("::1", "127.0.0.1")
    fails("ECONNREFUSED", net.connect("a.name", port, { local_address = "127.0.0.1" }))
    fails("ECONNREFUSED", net.connect("a.name", port, { local_address = { "127.0.0.1", 0 } }))
    names("127.0.0.1")
    assert.is_nil((net.connect("a.name", port, { local_address = "::1" })))
  end)

  it("that nobody knows is what the lookup says", function()
    names()
    fails("EAI_NONAME", net.connect("a.name", 80))
    fails("EAI_NONAME", net.listen("a.name", 0))
  end)

  it("with a zero in it is not cut there", function()
    names()
    local _, port = listen()
    fails("EAI_NONAME", net.connect("127.0.0.1\0.example", port))
    fails("EAI_NONAME", net.listen("127.0.0.1\0.example", 0))
    assert.same({ "127.0.0.1\0.example", "127.0.0.1\0.example" }, asked)
  end)

  it("cancelled on the way leaves nothing open", function()
    local port = servers()
    local handles = tide.stats().handles
    names("127.0.0.3", "127.0.0.3", "127.0.0.3")
    for _, seconds in ipairs { 0, 0.01, 0.3 } do
      assert.is_false(tide.move_on_after(seconds, net.connect, "a.name", port))
      assert.equal(handles, tide.stats().handles)
    end
    raises(tide.TimeoutError, tide.timeout, 0.01, net.connect, "a.name", port)
  end)

  it("misused tells the caller's line, before any lookup", function()
    names("127.0.0.1", "127.0.0.2")
    local connect, listen_at, name = net.connect, net.listen, "a.name"
    misuse("bad option 'limit' to", function() connect(name, 80, { limit = 0 }) end)
    misuse("'tide.net.connect'.*table", function() connect(name, 80, 5) end)
    misuse("bad option 'local_address'", function() connect(name, 80, { local_address = "x" }) end)
    misuse("bad option 'backlog' to", function() listen_at(name, 80, { backlog = {} }) end)
    assert.same({}, asked)
  end)

  it("listens at the first of its addresses that will do", function()
    local good = opens(assert(net.listen("127.0.0.4", 0)))
    local port = select(2, good:sockname())
    names("127.0.0.4", "127.0.0.5")
    local server = opens(assert(net.listen("a.name", port)))
    assert.equal("127.0.0.5", (server:sockname()))
    names("127.0.0.4")
    fails("EADDRINUSE", net.listen("a.name", port))
  end)
end)
