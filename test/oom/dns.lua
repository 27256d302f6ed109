local tide = require "tide"
local dns = require "tide.dns"

local numeric = { numeric = true }

--- In numbers, and what the machine knows by itself.
return function()
  assert(dns.getaddrinfo("127.0.0.1", 80))
  assert(dns.getaddrinfo(nil, 80, { passive = true }))
  assert(dns.getnameinfo("::1", 80, numeric))
  local list, _, code = dns.getaddrinfo("localhost", 80, numeric)
  assert(not list and code)
  tide.group(function(group)
    for i = 1, 3 do
      group:task(function()
        local found, message = dns.getaddrinfo("localhost", i)
        assert(found, message)
      end)
    end
    group:task(tide.move_on_after, 0.1, dns.getnameinfo, "127.0.0.1", 80)
  end)
end
