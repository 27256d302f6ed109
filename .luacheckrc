-- "max": every global of every Lua from 5.1 to 5.4 and LuaJIT, since each
-- file runs on all of them.
std = "max"
max_line_length = 100
self = false
exclude_files = { "build" }
files["spec"] = { std = "+busted" }
files["test/oom"] = { read_globals = { "oom" }, globals = { "io" } }
files["rockspec"] = { std = "rockspec" }
files["examples/host"] = { globals = { "on_message" } }
files["examples/love"] = { std = "max+love" }
files["examples/neovim"] = { globals = { "vim" } }
