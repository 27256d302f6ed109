-- Lookups, with a cancel at every await.
local dns = require "tide.dns"
local tide = require "tide"
local survives = require "spec.support".survives

require("tide.busted").configure { task = false }

describe("under explore,", function()
  survives("more lookups than run at a time", { "numbers", "name", "names", "all" }, function(run)
    local log = run.log
    return run:guarded(function()
      assert(#dns.getaddrinfo("127.0.0.1", 80) == 1)
      log[#log + 1] = "numbers"
      assert(dns.getaddrinfo("localhost", "http")[1].port == 80)
      log[#log + 1] = "name"
      assert(dns.getnameinfo("127.0.0.1", 80))
      log[#log + 1] = "names"
      tide.group(function(g)
        for i = 1, 4 do
          g:task(function()
            assert(dns.getaddrinfo("localhost", i)[1].port == i)
          end)
        end
      end)
      log[#log + 1] = "all"
      return "done"
    end)
  end)
end)
