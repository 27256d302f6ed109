-- Keeps a program running: tide examples/process/supervisor.lua sh -c 'sleep 1; exit 1'
-- check: no
local tide = require "tide"
local process = require "tide.process"

--- Runs a command again and again until it ends well: the number of runs. After
-- a crash it waits, each time twice as long, from `least` up to `most` seconds;
-- what has run for longer than `most` begins anew. A cancel ends the command.
local function supervise(command, options, tell)
  local loop, pause = tide.loop(), options.least
  for runs = 1, options.tries or math.huge do
    local began = loop:time()
    local child = tide.check(process.spawn(command))
    local code, how, signal
    tide.finally(function()
      code, how, signal = child:wait()
    end, function(err)
      if err then
        child:terminate(options.grace)
      end
      child:close()
    end)
    if code == 0 then
      return runs
    elseif loop:time() - began > options.most then
      pause = options.least
    end
    tell(("ended with %s, again in %g s"):format(code or how .. " " .. signal, pause))
    tide.sleep(pause)
    pause = math.min(2 * pause, options.most)
  end
  return nil, "it does not stay up"
end

if arg and arg[0] and arg[0]:match "supervisor%.lua$" then
  local command = { detached = true }
  for i, word in ipairs(arg) do
    command[i] = word
  end
  tide.loop():set_interrupt(true)
  tide.run(supervise, command, { least = 0.1, most = 10 }, print)
end

return { supervise = supervise }
