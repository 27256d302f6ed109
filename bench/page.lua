--- Puts what was measured into doc/benchmarks.md: after each line
-- `<!-- build/bench/NAME -->` a block of text with what that file holds.
--   lua bench/page.lua

local PAGE = "doc/benchmarks.md"

local function read(name)
  local file = assert(io.open(name))
  local text = file:read("*a")
  file:close()
  return text
end

local page = read(PAGE):gsub("(<!%-%- (build/bench/%S+) %-%->\n)```text\n.-```\n",
  function(marker, name)
    return marker .. "```text\n" .. read(name) .. "```\n"
  end)

local file = assert(io.open(PAGE, "w"))
file:write(page)
file:close()
