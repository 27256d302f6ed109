--- Commands of the system.

local shell = {}

--- What it prints, or nil if it failed.
function shell.output(command)
  local pipe = assert(io.popen(command .. " && echo ok"))
  local output = pipe:read("*a")
  pipe:close()
  return output:match("^(.*)ok\n$")
end

function shell.succeeds(command)
  local result = os.execute(command)
  return result == true or result == 0
end

function shell.installed(program)
  return shell.succeeds("command -v " .. program .. " >/dev/null 2>&1")
end

--- The numbers that it prints; nil if it failed.
function shell.numbers(command)
  local output = shell.output(command)
  if not output then
    io.stderr:write("failed: ", command, "\n")
    return nil
  end
  local numbers = {}
  for word in output:gmatch("%S+") do
    numbers[#numbers + 1] = tonumber(word)
  end
  return numbers
end

return shell
