-- Names: the machine's own, which no server has to be asked for. That slow
-- lookups wait for each other and for nobody else is in test/test_dns.c.
local debugging = require "tide.debug"
local dns = require "tide.dns"
local tide = require "tide"
local support = require "spec.support"

require("tide.busted").configure { clock = "real" }

local misuse, pack, raises = support.misuse, support.pack, support.raises
local pcall = tide.pcall
local getaddrinfo, getnameinfo = dns.getaddrinfo, dns.getnameinfo

local numeric = { numeric = true }

local function fails(code, ...)
  local got = pack(...)
  assert.equal(3, got.n)
  assert.is_nil(got[1])
  assert.is_string(got[2])
  assert.equal(code, got[3])
end

local function inet(host, port)
  return { family = "inet", host = host, port = port }
end

local function inet6(host, port)
  return { family = "inet6", host = host, port = port }
end

--- What f(...) gives, and that the task has had but one turn meanwhile.
local function at_once(f, ...)
  tide.sleep(0) -- after many that did not wait, one gives up its turn
  local turns = tide.stats().turns
  local results = pack(f(...))
  assert.equal(turns, tide.stats().turns)
  return (table.unpack or unpack)(results, 1, results.n)
end

describe("getaddrinfo", function()
  it("of a host in numbers answers at once", function()
    assert.same({ inet("1.2.3.4", 80) }, at_once(getaddrinfo, "1.2.3.4", 80))
    assert.same({ inet6("::1", 65535) }, at_once(getaddrinfo, "::1", "65535"))
    assert.same({ inet("1.2.3.4", 0) }, at_once(getaddrinfo, "1.2.3.4"))
    assert.same({ inet6("2001:db8::1", 1) }, at_once(getaddrinfo, "2001:0DB8:0:0::1", 1, numeric))
    assert.same({ inet6("::ffff:1.2.3.4", 1) }, at_once(getaddrinfo, "::ffff:1.2.3.4", 1))
  end)

  it("of localhost gives each of its addresses once", function()
    local list, seen = getaddrinfo("localhost", 80), {}
    assert.is_true(#list > 0)
    for _, at in ipairs(list) do
      assert.is_nil(seen[at.host])
      seen[at.host] = true
      assert.equal(80, at.port)
      assert.equal(at.host:find(":", 1, true) and "inet6" or "inet", at.family)
    end
    assert.same({ inet("127.0.0.1", 80) }, getaddrinfo("localhost", 80, { family = "inet" }))
  end)

  it("knows services by name", function()
    assert.same({ inet("127.0.0.1", 80) }, getaddrinfo("127.0.0.1", "http"))
    fails("EAI_SERVICE", getaddrinfo("127.0.0.1", "no-such-service"))
    fails("EAI_SERVICE", getaddrinfo("127.0.0.1", "http\0x"))
    fails("EAI_SERVICE", getaddrinfo("127.0.0.1", ""))
  end)

  it("gives addresses of one family alone, if that is wanted", function()
    assert.same({ inet("1.2.3.4", 1) }, getaddrinfo("1.2.3.4", 1, { family = "inet" }))
    assert.same({ inet6("::", 1) }, getaddrinfo("::", 1, { family = "inet6" }))
    fails("EAI_ADDRFAMILY", at_once(getaddrinfo, "1.2.3.4", 1, { family = "inet6" }))
    fails("EAI_ADDRFAMILY", at_once(getaddrinfo, "::", 1, { family = "inet" }))
  end)

  it("numeric asks nobody", function()
    fails("EAI_NONAME", at_once(getaddrinfo, "localhost", 80, numeric))
    fails("EAI_SERVICE", at_once(getaddrinfo, "127.0.0.1", "http", numeric))
  end)

  it("passive, without a host, is all of the machine's addresses", function()
    local passive = { passive = true }
    assert.same({ inet("0.0.0.0", 80), inet6("::", 80) }, at_once(getaddrinfo, nil, 80, passive))
    assert.same({ inet("1.2.3.4", 80) }, getaddrinfo("1.2.3.4", 80, passive))
    passive.family = "inet6"
    assert.same({ inet6("::", 0) }, getaddrinfo(nil, nil, passive))
    passive.family = "inet"
    assert.same({ inet("0.0.0.0", 80) }, getaddrinfo(nil, "http", passive))
  end)

  it("asks nobody for what is no name", function()
    fails("EAI_NONAME", at_once(getaddrinfo, ("a"):rep(254), 80))
    fails("EAI_NONAME", at_once(getaddrinfo, ("a."):rep(126) .. "bb", 80))
    fails("EAI_NONAME", at_once(getaddrinfo, "localhost\0.example.com", 80))
    fails("EAI_NONAME", at_once(getaddrinfo, "127.0.0.1\0", 80))
    fails("EAI_NONAME", at_once(getaddrinfo, "", 80))
  end)

  it("is not misled by names that are too long in the letters of the net", function()
    fails("EAI_NONAME", getaddrinfo(("ü."):rep(84), 80))
    fails("EAI_NONAME", getaddrinfo("\255", 80))
  end)

  it("keeps the zone of an address of one link", function()
    local list = getaddrinfo("fe80::1%lo", 80)
    if list then -- where the loopback device has that name
      assert.same({ inet6("fe80::1%lo", 80) }, list)
    end
    fails("EAI_NONAME", at_once(getaddrinfo, "fe80::1%nowhere", 80, numeric))
    local long = "2001:0db8:0000:0000:0000:0000:0000:0001"
    fails("EAI_NONAME", at_once(getaddrinfo, long .. "x%lo", 80, numeric))
  end)

  it("works outside of run, and in a coroutine", { task = false }, function()
    assert.same({ inet("1.2.3.4", 80) }, getaddrinfo("1.2.3.4", 80))
    assert.equal("127.0.0.1", getaddrinfo("localhost", 80, { family = "inet" })[1].host)
    tide.run(function()
      tide.coroutine.wrap(function()
        assert.equal("127.0.0.1", getaddrinfo("localhost", 80, { family = "inet" })[1].host)
      end)()
    end)
  end)
end)

describe("getnameinfo", function()
  it("gives the names of host and service", function()
    assert.same(pack("localhost", "http"), pack(getnameinfo("127.0.0.1", 80)))
  end)

  it("numeric asks nobody, and gives strings", function()
    assert.same(pack("127.0.0.1", "80"), pack(at_once(getnameinfo, "127.0.0.1", 80, numeric)))
    assert.same(pack("::1", "0"), pack(at_once(getnameinfo, "0:0::1", "0", numeric)))
  end)

  it("takes hosts in numbers", function()
    for _, host in ipairs { "localhost", "", "127.0.0.1\0", "1.2.3", ("1"):rep(300) } do
      fails("EAI_NONAME", at_once(getnameinfo, host, 80))
    end
  end)
end)

describe("a lookup", function()
  --- Tasks that look localhost up; the last one cancels some of them before a
  -- poll can tell that they are over.
  local function cancelled(n, which)
    local tasks = {}
    for i = 1, n do
      tasks[i] = tide.task(getaddrinfo, "localhost", 80, { family = "inet" })
    end
    tide.task(function()
      for _, i in ipairs(which) do
        tasks[i]:cancel()
      end
    end):await()
    return tasks
  end

  it("is left at once by a cancel, running or in line, and the others go on", function()
    local tasks = cancelled(9, { 1, 2, 5, 9 })
    for i, task in ipairs(tasks) do
      if i == 1 or i == 2 or i == 5 or i == 9 then
        raises(tide.CancelledError, task.await, task)
      else
        assert.equal("127.0.0.1", task:await()[1].host)
      end
    end
  end)

  it("is a cancel point, also when it answers at once", function()
    for _, host in ipairs { "127.0.0.1", "localhost", "" } do
      local task = tide.task(function()
        tide.current_task():cancel("why")
        getaddrinfo(host, 80)
      end)
      assert.equal("why", raises(tide.CancelledError, task.await, task).reason)
    end
  end)

  it("is left when its deadline passes", function()
    raises(tide.TimeoutError, tide.timeout, 0, getaddrinfo, "localhost", 80)
    assert.is_false(tide.move_on_after(0, getnameinfo, "127.0.0.1", 80))
  end)

  it("lets others have a turn, if many answer at once", function()
    local others, done = 0, false
    tide.task(function()
      while not done do
        others = others + 1
        tide.sleep(0)
      end
    end)
    for _ = 1, 1000 do
      getaddrinfo("127.0.0.1", 80)
    end
    done = true
    assert.is_true(others > 1)
  end)

  it("in great number is told each its own", function()
    local tasks = {}
    for i = 1, 200 do
      tasks[i] = tide.task(getaddrinfo, "localhost", i, { family = "inet" })
    end
    for i, task in ipairs(tasks) do
      assert.same({ inet("127.0.0.1", i) }, task:await())
    end
  end)

  it("leaves no descriptor open", { task = false }, function()
    --- Once nothing runs any more.
    local function descriptors()
      tide.loop():close()
      local name = os.tmpname()
      os.execute("ls /proc/$PPID/fd 2>/dev/null | wc -l >" .. name) -- no pipe of ours
      local list = io.open(name)
      local n = list:read("*n")
      list:close()
      os.remove(name)
      return n
    end
    local function look_up()
      getaddrinfo("localhost", 80)
      getnameinfo("127.0.0.1", 80)
      for _, task in ipairs(cancelled(5, { 1, 3, 5 })) do
        pcall(task.await, task)
      end
    end
    tide.run(look_up)
    local before = descriptors()
    for _ = 1, 20 do
      tide.run(look_up)
    end
    assert.equal(before, descriptors())
  end)

  it("is told of in the tree of tasks", function()
    local task, tree = tide.task(getaddrinfo, "localhost", 80), nil
    tide.task(function() tree = debugging.tree() end):await()
    assert.matches(task:get_name():gsub("%W", "%%%0") .. ": in getaddrinfo", tree)
    task:await()
  end)

  it("ends with the loop that is closed", { task = false }, function()
    for _, n in ipairs { 1, 2, 5 } do
      local ended = 0
      for _ = 1, n do
        tide.task(function()
          getaddrinfo("localhost", 80)
          ended = ended + 1
        end)
      end
      tide.loop():step(0)
      tide.loop():close()
      support.collect()
      assert.equal(0, ended)
    end
    assert.equal("127.0.0.1", getaddrinfo("localhost", 80, { family = "inet" })[1].host)
  end)
end)

describe("tide.dns is misused at the caller's line:", function()
  --- f(a, b, c) has to be told off for its argument n.
  local function refused(f, n, why, a, b, c)
    local function_name = f == getaddrinfo and "getaddrinfo" or "getnameinfo"
    local ok, err = pcall(f, a, b, c)
    assert.is_false(ok)
    why = ("bad argument #%d to 'tide.dns.%s' (%s"):format(n, function_name, why)
    assert.matches(why, err, 1, true)
  end

  it("at that line", function()
    misuse("bad argument #1 to 'tide.dns.getaddrinfo'", function() getaddrinfo() end)
    misuse("bad argument #1 to 'tide.dns.getnameinfo'", function() getnameinfo(nil, 80) end)
  end)

  it("a host that is no string", function()
    for _, host in ipairs { 5, true, {}, print } do
      refused(getaddrinfo, 1, "host expected, got " .. type(host), host, 80)
      refused(getaddrinfo, 1, "host expected", host, 80, { passive = true })
      refused(getnameinfo, 1, "host expected, got " .. type(host), host, 80)
    end
    refused(getaddrinfo, 1, "host expected, got nil", nil, 80)
    refused(getnameinfo, 1, "host expected, got nil", nil, 80)
  end)

  it("a port that is none", function()
    for _, port in ipairs { -1, 65536, 1.5, "65536", "-1", 1 / 0 } do
      refused(getaddrinfo, 2, "a port is 0 to 65535", "::1", port)
      refused(getnameinfo, 2, "a port is 0 to 65535", "::1", port)
    end
    for _, port in ipairs { {}, true, print } do
      refused(getaddrinfo, 2, "service expected, got " .. type(port), "::1", port)
      refused(getnameinfo, 2, "port expected, got " .. type(port), "::1", port)
    end
    refused(getnameinfo, 2, "port expected, got nil", "::1")
    refused(getnameinfo, 2, "port expected, got string", "::1", "http")
  end)

  it("options that are none", function()
    for _, options in ipairs { 5, "x", true } do
      refused(getaddrinfo, 3, "table expected, got " .. type(options), "::1", 1, options)
      refused(getnameinfo, 3, "table expected, got " .. type(options), "::1", 1, options)
    end
    for _, family in ipairs { "inet4", "", 4, true } do
      local options = { family = family }
      misuse("bad option 'family' to 'tide.dns.get", function() getaddrinfo("::1", 1, options) end)
    end
  end)

  it("a wait in a callback and in a plain coroutine", function()
    for _, host in ipairs { "localhost", "::1" } do
      local err
      tide.loop():call_soon(function() err = select(2, pcall(getaddrinfo, host, 1)) end)
      tide.sleep(0)
      tide.sleep(0)
      assert.matches("'tide.dns.getaddrinfo' cannot wait in a callback", err)
      local wrapped = coroutine.wrap(function() getaddrinfo(host, 1) end)
      misuse("cannot wait in a plain coroutine", function() wrapped() end)
    end
  end)
end)
