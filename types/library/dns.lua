---@meta tide.dns

--- Names of hosts and services: `require "tide.dns"`.
---@class tide.dns
local dns = {}

---@class tide.dns.Address
---@field family "inet"|"inet6"
---@field host string in numbers
---@field port integer

---@class tide.dns.Options
---@field family? "inet"|"inet6" only addresses of that one
---@field numeric? boolean nobody is asked: it is in numbers, or a failure
---@field passive? boolean the host may be nil: all addresses of this machine

---@class tide.dns.NameOptions
---@field numeric? boolean nobody is asked: the names are in numbers

---What `host` stands for, each address once; or nil, message, code. Since 0.1.0.
---@async
---@param host string? a name, or in numbers; nil only if it is `passive`
---@param service? integer|string a port, or a name; 0 if left out
---@param options? tide.dns.Options
---@return tide.dns.Address[]? addresses
---@return string? message
---@return string? code EAI_NONAME, EAI_AGAIN, ...
function dns.getaddrinfo(host, service, options) end

---The names of a host in numbers and of a port; in numbers where there is none.
---Or nil, message, code. Since 0.1.0.
---@async
---@param host string in numbers
---@param port integer
---@param options? tide.dns.NameOptions
---@return string? host
---@return string service or the message
---@return string? code EAI_NONAME, EAI_AGAIN, ...
function dns.getnameinfo(host, port, options) end

return dns
