local tide = require "tide"

return function()
  local set, failed, called = tide.future(), tide.future(), 0
  set:add_done_callback(function() called = called + 1 end)
  tide.group(function(group)
    for _ = 1, 2 do
      group:task(function() assert(set:await() == 1) end)
      group:task(function() assert(not tide.pcall(failed.await, failed)) end)
    end
    tide.sleep(0)
    set:set_result(1, "two")
    failed:set_exception { "failed" }
  end)
  assert(select(2, set:result()) == "two" and failed:exception())
  tide.sleep(0)
  assert(called <= 1) -- 0: there was no memory to call it
end
