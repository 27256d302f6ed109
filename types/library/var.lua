---@meta _

--- What `tide.var` makes.

---A value for each task. Since 0.1.0.
---@class tide.Var
local Var = {}

---What `Var:set` returns, for `Var:reset`. Since 0.1.0.
---@class tide.Token

---Its value in the running task, callback or main program. Since 0.1.0.
---@nodiscard
---@return any
function Var:get() end

---Sets it there; nil is a value, too. Since 0.1.0.
---@param value any
---@return tide.Token
function Var:set(value) end

---Puts back what was before the `set` that returned the token. Raises if that
---was another var's, was made in another task or callback, or has been used.
---Since 0.1.0.
---@param token tide.Token
function Var:reset(token) end
