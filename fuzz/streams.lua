--- lua fuzz/streams.lua SECONDS [SEED]
--
-- What is read from a stream, compared with a model of it. A text is written in
-- pieces, at some times, and read by random calls, some of them cancelled while
-- they wait. The model has the whole text and where reading is: whatever the
-- pieces, a call has to come to the same. Only read(n) may have any part of
-- what is left. SECONDS of 0: that of SEED alone.

package.path = arg[0]:gsub("[^/]*$", "?.lua;", 1) .. package.path

local new_random = require "random".new
local testing = require "tide.testing"
local tide = require "tide"

local interpreter = _G.jit and "luajit" or "lua" .. _VERSION:match("%d.*")
local seconds = tonumber(arg[1]) or 2
local seed = tonumber(arg[2]) or 1

-- ---- the model: each takes the text, from where, and the call's arguments; it
-- gives the results, and from where the next one reads

local model = {}

local function ended(text, from)
  return { nil, "EOF", text:sub(from) }, #text + 1
end

function model.readexactly(text, from, call)
  if #text - from + 1 < call.n then
    return ended(text, from)
  end
  return { text:sub(from, from + call.n - 1) }, from + call.n
end

function model.read_all(text, from)
  return { text:sub(from) }, #text + 1
end

--- The first separator to end there is the one, of two the shorter one.
function model.readuntil(text, from, call)
  local longest = 0
  for at = from, #text do
    local shortest
    for _, separator in ipairs(call.separators) do
      local begins = at - #separator + 1
      if begins >= from and text:sub(begins, at) == separator then
        shortest = math.min(shortest or #separator, #separator)
      end
    end
    if shortest then
      if at - shortest + 1 - from > call.limit then
        return { nil, "EMSGSIZE" }, from
      end
      return { text:sub(from, at) }, at + 1
    end
  end
  for _, separator in ipairs(call.separators) do
    longest = math.max(longest, #separator)
  end
  if #text - from + 2 - longest > call.limit then -- where one may begin yet
    return { nil, "EMSGSIZE" }, from
  end
  return ended(text, from)
end

function model.readline(text, from, call)
  local newline = text:find("\n", from, true)
  local last = newline and newline - 1 or #text
  if last - from + 1 > call.limit then
    return { nil, "EMSGSIZE" }, (newline or #text) + 1
  elseif from > #text then
    return { nil, "EOF" }, from
  end
  local line = text:sub(from, newline or #text)
  return { call.keep and line or line:gsub("\r?\n$", "") }, from + #line
end

-- ---- programs

local function some_text(random, most)
  local letters = { "a", "b", "-", "\r", "\n", "\r\n", "\0" }
  local parts = {}
  for i = 1, random:int(0, most) do
    parts[i] = random:pick(letters)
  end
  return table.concat(parts)
end

local function some_separators(random)
  local list = {}
  for i = 1, random:int(1, 3) do
    repeat
      list[i] = some_text(random, 3)
    until list[i] ~= ""
  end
  return list
end

local function some_call(random)
  local name = random:pick { "read", "read", "readexactly", "readuntil", "readuntil", "readuntil",
    "readline", "readline", "readline" }
  local call = { name = name, limit = random:int(0, 12) }
  if name == "readuntil" then
    call.separators = some_separators(random)
  elseif name == "readline" then
    call.keep, call.limit = random:chance(0.5), random:int(1, 12)
  elseif name == "readexactly" then
    call.n = random:int(0, 15)
  else
    call.n = random:int(0, 8)
  end
  if random:chance(0.05) then
    call.name = "read_all"
  end
  call.patience = random:chance(0.3) and random:int(0, 3) or nil
  return call
end

local function new_program(number)
  local random = new_random(number)
  local program = { seed = number, pieces = {}, calls = {}, limit = random:int(1, 20),
    high_water = random:int(1, 30) }
  for i = 1, random:int(1, 20) do
    program.pieces[i] = { text = some_text(random, random:chance(0.1) and 60 or 8),
      pause = random:chance(0.5) and random:int(0, 3) or nil }
  end
  for i = 1, random:int(1, 40) do
    program.calls[i] = some_call(random)
  end
  return program
end

-- ---- playing them

local function write_all(stream, program)
  for _, piece in ipairs(program.pieces) do
    if piece.pause then
      tide.sleep(piece.pause / 1000)
    end
    assert(stream:write(piece.text))
  end
  assert(stream:shutdown())
end

local function perform(stream, call)
  if call.name == "readuntil" then
    return stream:readuntil(call.separators, call.limit)
  elseif call.name == "readline" then
    return stream:readline(call)
  elseif call.name == "read_all" then
    return stream:read(-1)
  end
  return stream[call.name](stream, call.n)
end

--- The results, or nil if it was cancelled.
local function called(stream, call)
  local data, code, part, came
  local function act()
    local message
    data, message, code, part = perform(stream, call)
    came = message ~= nil or data ~= nil
  end
  if call.patience then
    tide.move_on_after(call.patience / 1000, act)
  else
    act()
  end
  return came and { data, code, part } or nil
end

local function show(results)
  local words = {}
  for i = 1, 3 do
    words[i] = results[i] and ("%q"):format(results[i]) or "nil"
  end
  return table.concat(words, ", ")
end

--- From where the next call reads; or nil and what is wrong.
local function compare(text, from, call, got)
  if call.name == "read" and call.n > 0 and from <= #text then
    local n = got[1] and #got[1] or 0
    if n == 0 or n > call.n or got[1] ~= text:sub(from, from + n - 1) then
      return nil, ("%s, and not of %q"):format(show(got), text:sub(from))
    end
    return from + n
  end
  local expected, next_from
  if call.name == "read" and call.n > 0 then
    expected, next_from = { nil, "EOF" }, from
  else
    expected, next_from = (model[call.name] or model.readexactly)(text, from, call)
  end
  for i = 1, 3 do
    if got[i] ~= expected[i] then
      return nil, ("%s, foreseen: %s"):format(show(got), show(expected))
    end
  end
  return next_from
end

--- nil, or what is wrong.
local function read_all(stream, program)
  local parts, from = {}, 1
  for i, piece in ipairs(program.pieces) do
    parts[i] = piece.text
  end
  local text = table.concat(parts)
  for i, call in ipairs(program.calls) do
    local got, wrong = called(stream, call), nil
    if got then
      from, wrong = compare(text, from, call, got)
    end
    if wrong then
      return ("call %d: %s"):format(i, wrong)
    end
  end
  local rest = stream:read(-1)
  if rest ~= text:sub(from) then
    return ("what is left: %q, foreseen: %q"):format(rest, text:sub(from))
  end
end

local function play(program)
  local writer, reader = testing.stream_pair(program)
  local wrong
  tide.finally(tide.group, function()
    writer:close()
    reader:close()
  end, function(group)
    local writing = group:task(write_all, writer, program)
    wrong = read_all(reader, program)
    if wrong then
      writing:cancel()
    end
  end)
  return wrong
end

local function check(program)
  local ok, wrong = pcall(testing.run, function()
    return play(program)
  end, { seed = program.seed })
  if not ok then
    return tostring(wrong)
  end
  local stats = tide.stats()
  return wrong or (stats.handles > 0 and stats.handles .. " handles are left" or nil)
end

-- ---- when one fails

--- Without what it fails without, too.
local function shrink(program)
  local again = true
  while again do
    again = false
    for _, name in ipairs { "calls", "pieces" } do
      local list = program[name]
      for i = #list, 1, -1 do
        local item = table.remove(list, i)
        if check(program) then
          again = true
        else
          table.insert(list, i, item)
        end
      end
    end
  end
end

local function fail(program, wrong)
  print(("streams, seed %d, %s: %s"):format(program.seed, interpreter, wrong))
  io.stdout:flush()
  shrink(program)
  print("made smaller: " .. tostring(check(program)))
  print(("limit %d, high_water %d"):format(program.limit, program.high_water))
  for _, piece in ipairs(program.pieces) do
    print(("  write %q%s"):format(piece.text,
      piece.pause and " after " .. piece.pause .. " ms" or ""))
  end
  for i, call in ipairs(program.calls) do
    local words = {}
    for _, separator in ipairs(call.separators or {}) do
      words[#words + 1] = ("%q"):format(separator)
    end
    print(("  call %d: %s n=%s limit=%d keep=%s separators=%s patience=%s"):format(i, call.name,
      tostring(call.n), call.limit, tostring(call.keep), table.concat(words, ","),
      tostring(call.patience)))
  end
  print(("\nagain: make fuzz SECONDS=0 SEED=%d LUA=%s"):format(program.seed, interpreter))
end

local function main()
  local first, count, failed, ends = seed, 0, 0, os.clock() + seconds
  repeat
    local program = new_program(seed)
    local wrong = check(program)
    count = count + 1
    if wrong then
      failed = 1
      fail(program, wrong)
    end
    seed = seed + 1
  until failed > 0 or os.clock() >= ends
  print(("streams, programs %d to %d: %d passed, %d failed"):format(first, first + count - 1,
    count - failed, failed))
  os.exit(failed == 0 and 0 or 1)
end

main()
