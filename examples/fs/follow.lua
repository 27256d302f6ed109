-- Prints what is added to files, as tail -F does: tide examples/fs/follow.lua FILE...
-- A file may be renamed and another take its place, be cut to nothing and begin
-- again, or not be there yet.
-- check: no
local tide = require "tide"
local fs = require "tide.fs"

local LINE_MOST = 1048576 -- bytes

local function split(path)
  local directory, name = path:match "^(.*/)([^/]+)$"
  return directory or ".", name or path
end

--- All lines that are whole by now; what comes after the last one.
local function drain(file, partial, on_line)
  while true do
    local line, message, code = file:readline { keep = true }
    if line then
      partial = partial .. line
    elseif code == "EOF" then
      return partial
    else
      error(message, 0)
    end
    if partial:find "\n$" then
      on_line((partial:gsub("\r?\n$", "")))
      partial = ""
    end
  end
end

--- What the path leads to now, beside the file that is open: "same", "shorter",
-- "other", or "nothing".
local function compare(path, file)
  local there = fs.stat(path)
  if not there then
    return "nothing"
  elseif not file then
    return "other"
  end
  local ours = tide.check(file:stat())
  if there.ino ~= ours.ino or there.dev ~= ours.dev then
    return "other"
  end
  return there.size < tide.check(file:seek()) and "shorter" or "same"
end

--- Until something happens to that name. The directory is watched, and not the
-- file: what takes its place has the same name.
local function wait_for(watch, name)
  while true do
    local kind, changed = watch:next()
    if kind == nil or kind == "removed" then
      error("the directory is gone", 0)
    elseif changed == name or kind == "overflow" then
      return
    end
  end
end

--- Calls on_line(line) for what is in the file, and for what comes, for ever. With
-- `only_new` what is there at first is left out.
local function follow(path, on_line, only_new)
  local directory, name = split(path)
  local watch = tide.check(fs.watch(directory)) -- first, so that nothing is missed
  local file, partial = fs.open(path, "r", { limit = LINE_MOST }), ""
  return tide.finally(function()
    if file and only_new then
      tide.check(file:seek "end")
    end
    while true do
      if file then
        partial = drain(file, partial, on_line)
      end
      local what = compare(path, file)
      if what == "other" then
        if file then
          partial = drain(file, partial, on_line) -- came before the new one did
          file:close()
        end
        file, partial = fs.open(path, "r", { limit = LINE_MOST }), ""
      elseif what == "shorter" then
        tide.check(file:seek "set")
        partial = ""
      else
        wait_for(watch, name)
      end
    end
  end, function()
    watch:close()
    if file then file:close() end
  end)
end

local function main(...)
  local several = select("#", ...) > 1
  tide.group(function(group, ...)
    for _, path in ipairs { ... } do
      group:task(follow, path, function(line)
        print(several and path .. ": " .. line or line)
        io.stdout:flush()
      end, true)
    end
  end, ...)
end

if arg and arg[0]:find "follow%.lua$" then
  tide.run(main, ...)
end
return { follow = follow }
