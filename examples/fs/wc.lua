-- Counts lines, words and bytes of all files below some paths, so many files at
-- a time: tide examples/fs/wc.lua doc
-- check: no
local tide = require "tide"
local fs = require "tide.fs"

local AT_A_TIME = 16

local function count(text)
  local _, lines = text:gsub("\n", "")
  local _, words = text:gsub("%S+", "")
  return { lines, words, #text }
end

--- Calls found(path) for each file. `complain` is told what cannot be read.
local function each_file(paths, found, complain)
  local function on_error(_, message)
    complain(message)
  end
  for _, path in ipairs(paths) do
    if fs.is_dir(path) then
      local walk = fs.walk(path, { on_error = on_error })
      local below, kind = walk() -- a `for` on all but Lua 5.1
      while below do
        if kind == "file" then
          found(below)
        end
        below, kind = walk()
      end
    else
      found(path)
    end
  end
end

--- A list of {path, {lines, words, bytes}}, and what all have together.
local function wc(paths, complain)
  local slots, list, total = tide.semaphore(AT_A_TIME), {}, { 0, 0, 0 }

  local function count_file(path)
    local text, message = fs.read_file(path)
    slots:release()
    if not text then
      return complain(message)
    end
    local counts = count(text)
    list[#list + 1] = { path, counts }
    for i = 1, 3 do
      total[i] = total[i] + counts[i]
    end
  end

  tide.group(function(group)
    each_file(paths, function(path)
      slots:acquire() -- first: so no more tasks than slots are there
      group:task(count_file, path)
    end, complain)
  end)
  table.sort(list, function(a, b) return a[1] < b[1] end)
  return list, total
end

local function main(...)
  local list, total = wc(... and { ... } or { "." }, function(message)
    io.stderr:write("wc: ", message, "\n")
  end)
  list[#list + 1] = { "total", total }
  for _, file in ipairs(list) do
    print(("%8d %8d %10d %s"):format(file[2][1], file[2][2], file[2][3], file[1]))
  end
end

if arg and arg[0]:find "wc%.lua$" then
  tide.run(main, ...)
end
return { wc = wc }
