--- Streams and servers where calls of the system fail: see test/faults.c.

local faults = require "spec.faults_support"

local faulty = faults.faulty(it, pending)

--- Runs the program: what each client saw, what is left, what was reported, and
-- how many faults there were of each rule.
local function run(rules, options)
  options = options or {}
  local log = os.tmpname()
  local output = faults.output(("FAULTS='%s' FAULTS_SEED=%d FAULTS_LOG=%s"):format(rules,
    options.seed or 1, log), "faults_program.lua", ("%s %d %d"):format(options.address or "tcp",
    options.clients or 4, options.bytes or 100000))
  local seen = { output = output, faults = {}, clients = {} }
  for connect, write, read, got, how in
    output:gmatch "client %d+ connect=(%S+) write=(%S+) read=(%S+) got=(%d+) (%S+)" do
    seen.clients[#seen.clients + 1] =
      { connect = connect, write = write, read = read, got = tonumber(got), how = how }
  end
  seen.reports, seen.left = output:match "reports (%d+) left ([^\n]*)"
  for n in io.lines(log) do
    seen.faults[#seen.faults + 1] = tonumber(n)
  end
  os.remove(log)
  assert.matches("exit 0\n$", output)
  assert.equal(options.clients or 4, #seen.clients, output)
  assert.equal("tasks=0 handles=0 timers=0 descriptors=0", seen.left, output)
  for i, n in ipairs(seen.faults) do
    assert.is_true(n > 0, "nothing came of rule " .. i)
  end
  return seen
end

--- All of it came, whatever happened on the way.
local function all_came(rules, options)
  local seen = run(rules, options)
  for _, client in ipairs(seen.clients) do
    assert.same({ "ok", "ok", "ok", "all" },
      { client.connect, client.write, client.read, client.how }, seen.output)
  end
  return seen
end

--- What came is the beginning; some ended early, and are told why.
local function some_end(rules, options, codes)
  local seen, ended = run(rules, options), 0
  for _, client in ipairs(seen.clients) do
    assert.is_true(client.how == "all" or client.how == "part", seen.output)
    for _, code in ipairs { client.connect, client.write, client.read } do
      assert.is_true(code == "ok" or codes[code], seen.output)
    end
    if client.how == "part" then
      ended = ended + 1
    end
  end
  assert.equal("0", seen.reports, seen.output)
  assert.is_true(ended > 0 and ended < #seen.clients, seen.output)
  return seen
end

describe("every byte comes in order", function()
  faulty("when calls are interrupted", function()
    all_came "in,out=EINTR/3 connect,accept4=EINTR/2 epoll=EINTR/5"
  end)

  faulty("when nothing is there, after all", function()
    all_came "in=EAGAIN/2 out=EAGAIN/2 accept4=EAGAIN/2"
  end)

  faulty("when it goes byte by byte", function()
    all_came("in,out=one/1", { clients = 2, bytes = 30000 })
  end)

  faulty("when it is written byte by byte", function()
    all_came("out=one/1", { clients = 2, bytes = 30000 })
  end)

  faulty("when the system has no buffers for what is written", function()
    all_came "out=ENOBUFS/3"
  end)

  for seed = 1, 4 do
    faulty("through Unix sockets when all of that happens, by chance " .. seed, function()
      all_came("in,out=some/~2 in,out=EAGAIN/~3 in,out=EINTR/~5 out=ENOBUFS/~7",
        { seed = seed, address = "unix:" .. os.tmpname() .. ".socket", bytes = 60000 })
    end)
  end
end)

describe("a connection that fails", function()
  local ENDS = { ECONNRESET = true, EPIPE = true, ECANCELED = true }

  faulty("while it is read has what came before, and hurts no other", function()
    some_end("in=ECONNRESET/1+20x1", nil, ENDS)
  end)

  faulty("while it is written has what came before, and hurts no other", function()
    some_end("out=EPIPE/1+20x1", nil, ENDS)
  end)

  faulty("many times is only the connections' that do", function()
    for seed = 1, 4 do
      some_end("in=ECONNRESET/~20x2 out=ECONNRESET/~20x2 in,out=some/~3",
        { clients = 8, seed = seed }, ENDS)
    end
  end)

  faulty("for want of the system's buffers is told so", function()
    ENDS.ENOBUFS = true
    local seen = some_end("in=ENOBUFS/1+20x1", nil, ENDS)
    assert.matches("[= ]ENOBUFS", seen.output)
  end)
end)

describe("connecting", function()
  faulty("is told that there are no descriptors", function()
    local seen = run "socket=EMFILE/1+1x1 socket=ENFILE/1+1x1" -- the first is the server's
    local codes = {}
    for _, client in ipairs(seen.clients) do
      codes[#codes + 1] = client.connect
    end
    table.sort(codes)
    assert.same({ "EMFILE", "ENFILE", "ok", "ok" }, codes, seen.output)
  end)

  faulty("is told that nobody listens", function()
    local seen = run "connect=ECONNREFUSED/1x1"
    assert.matches("connect=ECONNREFUSED", seen.output)
    assert.matches(" all", seen.output)
  end)
end)

describe("accepting", function()
  for _, code in ipairs { "EMFILE", "ENFILE", "ENOBUFS", "ENOMEM" } do
    faulty("goes on after " .. code .. ", with one report for each pause", function()
      local seen = all_came(("accept4=%s/1x2"):format(code), { bytes = 1000 })
      assert.equal("2", seen.reports, seen.output)
      local _, reports = seen.output:gsub("report: accepting connections pauses: ", "")
      assert.equal(2, reports)
    end)
  end

  faulty("passes over who has given up", function()
    local seen = all_came("accept4=ECONNABORTED/1x3", { bytes = 1000 })
    assert.equal("0", seen.reports, seen.output)
  end)
end)
