---@meta _

--- What `tide.net.udp` makes.

---@class tide.net
local net = {}

---@class tide.net.UdpOptions
---@field limit? integer bytes that are kept unread, 262144 by default
---@field reuseaddr? boolean
---@field ipv6only? boolean
---@field family? "inet"|"inet6" makes the socket at once

---A socket for datagrams. Since 0.1.0.
---@param options? tide.net.UdpOptions
---@return tide.Udp? udp
---@return string? message
---@return string? code
---@nodiscard
function net.udp(options) end

---A socket for datagrams. `__close` closes it. Since 0.1.0.
---@class tide.Udp
local Udp = {}

---Gives it a port, 0 for one that is free. Since 0.1.0.
---@param host string in numbers
---@param port integer
---@return true? ok
---@return string? message
---@return string? code
function Udp:bind(host, port) end

---Sends one datagram, to the peer if no host is given. Since 0.1.0.
---@async
---@param data string|number
---@param host? string in numbers
---@param port? integer
---@return true? ok
---@return string? message
---@return string? code
function Udp:send(data, host, port) end

---Waits for one datagram: its bytes, host and port of who sent it; or nil, a
---message and a code. Raises if another task receives. Since 0.1.0.
---@async
---@return string? data
---@return string host_or_message
---@return integer|string port_or_code
function Udp:recv() end

---Sends to this peer from now on, and receives from nobody else. Since 0.1.0.
---@param host string in numbers
---@param port integer
---@return true? ok
---@return string? message
---@return string? code
function Udp:connect(host, port) end

---Receives from everybody again. Since 0.1.0.
---@return true? ok
---@return string? message
---@return string? code
function Udp:disconnect() end

---Its host and port; or nil, a message and a code. Since 0.1.0.
---@nodiscard
---@return string? host
---@return integer|string port_or_message
---@return string? code
function Udp:sockname() end

---Its peer's host and port; or nil, a message and a code. Since 0.1.0.
---@nodiscard
---@return string? host
---@return integer|string port_or_message
---@return string? code
function Udp:peername() end

---Drops what is unread or unsent; again is fine. Since 0.1.0.
function Udp:close() end

---Whether it was closed. Since 0.1.0.
---@nodiscard
---@return boolean
function Udp:is_closing() end

---Its descriptor; or nil, a message and a code. Since 0.1.0.
---@nodiscard
---@return integer? fd
---@return string? message
---@return string? code
function Udp:fileno() end

---@class tide.net.UdpStats
---@field received integer datagrams
---@field bytes_received integer
---@field sent integer datagrams
---@field bytes_sent integer
---@field unread integer bytes
---@field unsent integer bytes
---@field dropped integer datagrams that there was no memory for

---What came and went so far. Since 0.1.0.
---@nodiscard
---@return tide.net.UdpStats
function Udp:stats() end

---Whether it may send to a broadcast address. Since 0.1.0.
---@param on boolean
---@return true? ok
---@return string? message
---@return string? code
function Udp:set_broadcast(on) end

---How many machines a datagram may go through, 1 to 255. Since 0.1.0.
---@param n integer
---@return true? ok
---@return string? message
---@return string? code
function Udp:set_ttl(n) end

---Receives what is sent to the group. Since 0.1.0.
---@param group string in numbers
---@param interface? string an address of it
---@return true? ok
---@return string? message
---@return string? code
function Udp:join(group, interface) end

---No more of the group. Since 0.1.0.
---@param group string in numbers
---@param interface? string an address of it
---@return true? ok
---@return string? message
---@return string? code
function Udp:leave(group, interface) end
