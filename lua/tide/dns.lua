--- tide.dns: addresses of names, names of addresses.

local core = require "tide.core"

core.own_chunk()

local dns = {}

--- getaddrinfo(host[, service[, options]]): a list of {family=, host=, port=}.
function dns.getaddrinfo(host, service, options)
  return core.addrinfo(host, service, options):wait()
end

--- getnameinfo(host, port[, options]): the names of host and service.
function dns.getnameinfo(host, port, options)
  return core.nameinfo(host, port, options):wait()
end

return dns
