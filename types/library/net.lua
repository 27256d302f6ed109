---@meta tide.net

--- Streams over TCP and Unix sockets, and servers: `require "tide.net"`.
---@class tide.net
local net = {}

---How a stream is to be.
---@class tide.net.StreamOptions
---@field limit? integer of a line and of `readuntil`: 65536
---@field high_water? integer `write` waits while more is unsent: 65536
---@field nodelay? boolean true by default
---@field keepalive? boolean|integer seconds of silence

---@class tide.net.ConnectOptions: tide.net.StreamOptions
---@field local_address? string|{ [1]: string, [2]: integer } host in numbers, or host and port

---Those of streams are of the ones that it accepts.
---@class tide.net.ListenOptions: tide.net.StreamOptions
---@field backlog? integer 511 by default
---@field reuseaddr? boolean true by default
---@field reuseport? boolean
---@field ipv6only? boolean
---@field replace? boolean a socket file that nobody listens at

---@class tide.net.ServeOptions
---@field max_connections? integer at a time
---@field linger? number seconds that a peer has to take what is unsent after its handler, 5

---Connects to a host, whose addresses are all tried; or `connect("unix:path"[,
---options])`. Since 0.1.0.
---@async
---@overload async fun(path: string, options?: tide.net.ConnectOptions): tide.Stream?, string?, string?
---@param host string
---@param port integer
---@param options? tide.net.ConnectOptions
---@return tide.Stream? stream
---@return string? message
---@return string? code
---@nodiscard
function net.connect(host, port, options) end

---Listens at a host, nil or "*": at all interfaces; or `listen("unix:path"[,
---options])`. Awaits only if the host is a name. Since 0.1.0.
---@async
---@overload fun(path: string, options?: tide.net.ListenOptions): tide.Server?, string?, string?
---@param host string?
---@param port integer 0: any that is free
---@param options? tide.net.ListenOptions
---@return tide.Server? server
---@return string? message
---@return string? code
---@nodiscard
function net.listen(host, port, options) end

---Accepts connections. `__close` closes it. Since 0.1.0.
---@class tide.Server
local Server = {}

---The next connection. Since 0.1.0.
---@async
---@return tide.Stream? stream
---@return string? message
---@return string? code "ECANCELED" once it is closed
---@nodiscard
function Server:accept() end

---An iterator over what `accept` returns, until it is closed. On PUC Lua 5.1 no
---`for` can wait: call it in a `while` loop there. Since 0.1.0.
---@return async fun(): tide.Stream?
---@nodiscard
function Server:iter() end

---Calls `handler(stream)` in a task for each connection, until the server is
---closed and all have ended. Their errors are reported. Since 0.1.0.
---@async
---@param handler async fun(stream: tide.Stream)
---@param options? tide.net.ServeOptions
---@return true
function Server:serve(handler, options) end

---Closes it and waits for those it serves; after `seconds` they are cancelled.
---Since 0.1.0.
---@async
---@param seconds? number
---@return boolean well whether they ended by themselves
function Server:shutdown(seconds) end

---No more are accepted; again is fine. Since 0.1.0.
function Server:close() end

---Whether it was closed. Since 0.1.0.
---@nodiscard
---@return boolean
function Server:is_closing() end

---Its address: host and port, or the path of a Unix socket. Since 0.1.0.
---@nodiscard
---@return string? host or path
---@return integer|string|nil port or message
---@return string? code
function Server:sockname() end

return net
