-- Every example of the pages runs, and prints what the page says.
require("tide.busted").configure { task = false }

local docs = loadfile("tools/check-docs")("module")

describe("the pages", function()
  for _, file in ipairs(docs.files) do
    for _, block in ipairs(docs.blocks(file)) do
      it(("%s:%d does what it says"):format(file, block.line), function()
        assert(docs.check(block))
      end)
    end
  end
end)
