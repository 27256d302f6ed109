-- Builds, so many commands at a time: tide examples/process/build.lua main.c util.c
-- check: no
local tide = require "tide"
local process = require "tide.process"

--- All of a stream, line by line, as it comes. A line that is too long is not the
-- last one.
local function show(stream, name, out)
  local line, message, code = stream:readline()
  while line or code == "EMSGSIZE" do
    out(name .. ": " .. (line or message))
    line, message, code = stream:readline()
  end
end

--- One command; what it says is shown at once, behind the name of its job.
local function compile(job, out)
  local command = { stdout = "pipe", stderr = "stdout", detached = true }
  for i, word in ipairs(job.command) do
    command[i] = word
  end
  local child = tide.check(process.spawn(command))
  local code, how, signal
  tide.finally(function()
    show(child.stdout, job.name, out)
    code, how, signal = child:wait()
  end, function(err)
    if err then
      child:terminate(1) -- with all that it has started
    end
    child:close()
  end)
  if code ~= 0 then
    out(("%s: failed (%s)"):format(job.name, code or how .. " " .. signal))
  end
  return code == 0
end

--- Jobs are {name =, command =}. True if all of them went well; a list of names
-- that did not. Ctrl-C, as any cancel, ends all that run.
local function build(jobs, at_once, out)
  local slots, failed = tide.semaphore(at_once), {}
  tide.group(function(group)
    for _, job in ipairs(jobs) do
      group:task(slots.with, slots, function()
        if not compile(job, out) then
          table.insert(failed, job.name)
        end
      end)
    end
  end)
  table.sort(failed)
  return #failed == 0, failed
end

if arg and arg[0] and arg[0]:match "build%.lua$" then
  tide.loop():set_interrupt(true)
  tide.run(function()
    local jobs = {}
    for _, file in ipairs(arg) do
      local object = file:gsub("%.c$", "") .. ".o"
      jobs[#jobs + 1] = { name = file, command = { "cc", "-c", file, "-o", object } }
    end
    local ok = build(jobs, 8, print)
    tide.exit(ok and 0 or 1)
  end)
end

return { build = build }
