local tide = require "tide"
local net = require "tide.net"
local support = require "spec.support"
local streams = require "spec.stream_support"

require("tide.busted").configure { timeout = 60 }

local misuse, pack = support.misuse, support.pack
local opens, fails = streams.opens, streams.fails

local EOF = pack(nil, "end of stream", "EOF")

--- Everything that a peer that does not read can be sent, and more.
local function stuff(stream)
  local chunk = ("x"):rep(65536)
  while tide.move_on_after(0.05, stream.write, stream, chunk) do end -- luacheck: ignore 542
end

describe("a Unix socket", function()
  local path
  before_each(function() path = streams.unused_path() end)
  streams.close_after_each(after_each)
  after_each(function() os.remove(path) end)

  it("connects, and bytes go both ways", function()
    local server = opens(assert(net.listen("unix:" .. path)))
    local client = opens(assert(net.connect("unix:" .. path)))
    local conn = opens(assert(server:accept()))
    client:write("abc\n")
    assert.equal("abc", conn:readline())
    conn:write("def")
    conn:shutdown()
    assert.equal("def", client:read(-1))
    client:shutdown()
    assert.same(EOF, pack(conn:read()))
  end)

  it("tells its names: paths, the empty string where there is none", function()
    local server = opens(assert(net.listen("unix:" .. path)))
    local client = opens(assert(net.connect("unix:" .. path)))
    local conn = opens(assert(server:accept()))
    assert.same(pack(path), pack(server:sockname()))
    assert.same(pack(path), pack(client:peername()))
    assert.same(pack(path), pack(conn:sockname()))
    assert.same(pack(""), pack(client:sockname()))
    assert.same(pack(""), pack(conn:peername()))
  end)

  it("takes the options of streams", function()
    local server = opens(assert(net.listen("unix:" .. path, { limit = 3 })))
    local client = opens(assert(net.connect("unix:" .. path, { high_water = 1 })))
    local conn = opens(assert(server:accept()))
    client:write("abcdef\n")
    fails("EMSGSIZE", conn:readline())
    stuff(client)
    assert.is_true(client:stats().unsent > 1)
  end)

  it("takes options also where those of TCP are", function()
    local server = opens(assert(net.listen("unix:" .. path, nil, { limit = 3 })))
    local client = opens(assert(net.connect("unix:" .. path, nil, { limit = 3 })))
    local conn = opens(assert(server:accept()))
    client:write("abcdef\n")
    fails("EMSGSIZE", conn:readline())
    conn:write("abcdef\n")
    fails("EMSGSIZE", client:readline())
    local connect, listen = net.connect, net.listen
    misuse("bad option 'limit'", function() connect("unix:" .. path, nil, { limit = 0 }) end)
    misuse("bad option 'limit'", function() listen("unix:" .. path, nil, { limit = 0 }) end)
    misuse("table expected, got number", function() connect("unix:" .. path, 80, {}) end)
  end)

  --- How many it lets in before one has to wait; nil where none waits.
  local function fill()
    for n = 0, 100 do
      local ok, stream, _, code = tide.move_on_after(0.1, net.connect, "unix:" .. path)
      if not ok then return n end
      if code == "ECONNREFUSED" then return nil end
      opens(assert(stream, code))
    end
  end

  it("that lets nobody in just now is waited for", function()
    local server = opens(assert(net.listen("unix:" .. path, { backlog = 1 })))
    local n = fill()
    if not n then return end
    local waiting = {}
    for i = 1, 3 do waiting[i] = tide.task(net.connect, "unix:" .. path) end
    for _ = 1, n + #waiting do
      opens(assert(server:accept()))
    end
    for _, task in ipairs(waiting) do
      opens(assert(task:await()))
    end
  end)

  it("... also where time stands still", { clock = "virtual" }, function()
    local server = opens(assert(net.listen("unix:" .. path, { backlog = 1 })))
    tide.group(function(group)
      for _ = 1, 10 do
        group:task(function() opens(assert(net.connect("unix:" .. path))) end)
      end
      for _ = 1, 10 do opens(assert(server:accept())) end
    end)
  end)

  it("that is waited for may go away", function()
    local server = opens(assert(net.listen("unix:" .. path, { backlog = 1 })))
    if not fill() then return end
    local waiting = tide.task(net.connect, "unix:" .. path)
    tide.sleep(0)
    server:close()
    fails("ENOENT", waiting:await())
  end)

  it("that is not there, or that nobody listens at", function()
    fails("ENOENT", net.connect("unix:" .. path))
    fails("ENOENT", net.listen("unix:/nowhere/at/all"))
    io.open(path, "w"):close()
    fails("ECONNREFUSED", net.connect("unix:" .. path))
    fails("EADDRINUSE", net.listen("unix:" .. path))
  end)

  it("of a name that cannot be", function()
    fails("EINVAL", net.connect("unix:"))
    fails("EINVAL", net.listen("unix:"))
    fails("EINVAL", net.connect("unix:/tmp/a\0b"))
    fails("ENAMETOOLONG", net.connect("unix:/" .. ("x"):rep(200)))
    fails("ENAMETOOLONG", net.listen("unix:/" .. ("x"):rep(200)))
  end)

  it("of an abstract name has no file", function()
    local name = "unix:\0" .. path .. "\0x"
    local server, _, code = net.listen(name)
    if code == "ENOTSUP" then return end
    opens(server)
    assert.same(pack(name:sub(6)), pack(server:sockname()))
    fails("ECONNREFUSED", net.connect("unix:\0" .. path))
    local client = opens(assert(net.connect(name)))
    assert.same(pack(name:sub(6)), pack(client:peername()))
    opens(assert(server:accept())):write("x")
    assert.equal("x", client:read())
    fails("EADDRINUSE", net.listen(name))
    server:close()
    fails("ECONNREFUSED", net.connect(name))
    fails("ENAMETOOLONG", net.listen("unix:\0" .. ("x"):rep(200)))
  end)

  --- A socket file that nobody listens at.
  local function leave_stale()
    local server = assert(net.listen("unix:" .. path))
    assert(os.rename(path, path .. ".moved"))
    server:close()
    assert(os.rename(path .. ".moved", path))
  end

  it("replace: takes the place of one that nobody listens at", function()
    leave_stale()
    fails("EADDRINUSE", net.listen("unix:" .. path))
    fails("ECONNREFUSED", net.connect("unix:" .. path))
    local server = opens(assert(net.listen("unix:" .. path, { replace = true })))
    opens(assert(net.connect("unix:" .. path)))
    opens(assert(server:accept()))
  end)

  it("replace: not of one that is listened at, nor of another file", function()
    local server = opens(assert(net.listen("unix:" .. path)))
    fails("EADDRINUSE", net.listen("unix:" .. path, { replace = true }))
    opens(assert(net.connect("unix:" .. path)))
    server:close()
    local file = io.open(path, "w")
    file:write("precious")
    file:close()
    fails("EADDRINUSE", net.listen("unix:" .. path, { replace = true }))
    file = io.open(path)
    assert.equal("precious", file:read("*a"))
    file:close()
  end)

  it("a peer that is gone is an error to write to, and not a signal", function()
    local server = opens(assert(net.listen("unix:" .. path)))
    local client = opens(assert(net.connect("unix:" .. path)))
    opens(assert(server:accept())):close()
    assert.same(EOF, pack(client:read()))
    fails("EPIPE", client:write("x"))
    fails("EPIPE", client:drain())
  end)
end)
