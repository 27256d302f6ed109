rockspec_format = "3.0"
package = "tide"
version = "scm-1"

source = {
  url = "git+https://github.com/tide-lua/tide.git",
}

description = {
  summary = "asyncio for Lua: tasks, cancellation and I/O on libuv",
  detailed = [[
tide runs thousands to millions of Lua coroutines as tasks on one C runtime
over libuv: structured concurrency, cancellation that survives pcall, timeouts,
queues, semaphores, streams, files, DNS and processes. It works in plain
scripts, under its own command, and inside a host that owns the loop, on Lua
5.1 to 5.5 and LuaJIT.]],
  homepage = "https://github.com/tide-lua/tide",
  issues_url = "https://github.com/tide-lua/tide/issues",
  maintainer = "tide authors",
  license = "MIT",
  labels = { "async", "concurrency", "coroutine", "io", "libuv", "networking" },
}

dependencies = {
  "lua >= 5.1",
}

external_dependencies = {
  LIBUV = { header = "uv.h" },
}

-- The lists are written by tools/rockspec: make rockspec.
build = {
  type = "builtin",
  modules = {
    ["tide.barrier"] = "lua/tide/barrier.lua",
    ["tide.busted"] = "lua/tide/busted.lua",
    ["tide.callback"] = "lua/tide/callback.lua",
    ["tide.command"] = "lua/tide/command.lua",
    ["tide.compat51"] = "lua/tide/compat51.lua",
    ["tide.condition"] = "lua/tide/condition.lua",
    ["tide.coroutine"] = "lua/tide/coroutine.lua",
    ["tide.debug"] = "lua/tide/debug.lua",
    ["tide.gather"] = "lua/tide/gather.lua",
    ["tide.generator"] = "lua/tide/generator.lua",
    ["tide.group"] = "lua/tide/group.lua",
    ["tide.hold"] = "lua/tide/hold.lua",
    ["tide.host"] = "lua/tide/host.lua",
    ["tide"] = "lua/tide/init.lua",
    ["tide.lineedit"] = "lua/tide/lineedit.lua",
    ["tide.lock"] = "lua/tide/lock.lua",
    ["tide.loop"] = "lua/tide/loop.lua",
    ["tide.love"] = "lua/tide/love.lua",
    ["tide.luv"] = "lua/tide/luv.lua",
    ["tide.queue"] = "lua/tide/queue.lua",
    ["tide.repl"] = "lua/tide/repl.lua",
    ["tide.require"] = "lua/tide/require.lua",
    ["tide.scope"] = "lua/tide/scope.lua",
    ["tide.semaphore"] = "lua/tide/semaphore.lua",
    ["tide.testing"] = "lua/tide/testing.lua",
    ["tide.trial"] = "lua/tide/trial.lua",
    ["tide.var"] = "lua/tide/var.lua",
    ["tide.with"] = "lua/tide/with.lua",
    ["tide.core"] = {
      sources = {
        "bindings/await.c",
        "bindings/barrier.c",
        "bindings/blocking.c",
        "bindings/break.c",
        "bindings/call.c",
        "bindings/chain.c",
        "bindings/condition.c",
        "bindings/context.c",
        "bindings/core.c",
        "bindings/coroutine.c",
        "bindings/done.c",
        "bindings/error.c",
        "bindings/event.c",
        "bindings/foreign.c",
        "bindings/future.c",
        "bindings/gather.c",
        "bindings/group.c",
        "bindings/heap.c",
        "bindings/host.c",
        "bindings/input.c",
        "bindings/join.c",
        "bindings/leaks.c",
        "bindings/lock.c",
        "bindings/loop.c",
        "bindings/outcome.c",
        "bindings/park.c",
        "bindings/priority_queue.c",
        "bindings/queue.c",
        "bindings/report.c",
        "bindings/run.c",
        "bindings/scope.c",
        "bindings/scopebox.c",
        "bindings/semaphore.c",
        "bindings/signal.c",
        "bindings/sleep.c",
        "bindings/snapshot.c",
        "bindings/spawn.c",
        "bindings/task.c",
        "bindings/testing.c",
        "bindings/trace.c",
        "bindings/traceback.c",
        "bindings/tracefile.c",
        "bindings/tree.c",
        "bindings/watch.c",
        "bindings/yieldable.c",
        "runtime/barrier.c",
        "runtime/call.c",
        "runtime/condition.c",
        "runtime/event.c",
        "runtime/gather.c",
        "runtime/group.c",
        "runtime/input.c",
        "runtime/interrupt.c",
        "runtime/join.c",
        "runtime/lock.c",
        "runtime/loop.c",
        "runtime/poll.c",
        "runtime/pool.c",
        "runtime/probe.c",
        "runtime/queue.c",
        "runtime/scope.c",
        "runtime/semaphore.c",
        "runtime/shuffle.c",
        "runtime/signal.c",
        "runtime/task.c",
        "runtime/timer.c",
        "runtime/waitq.c",
        "runtime/watch.c",
        "runtime/young.c",
      },
      incdirs = { "include", "runtime", "bindings", "$(LIBUV_INCDIR)" },
      libdirs = { "$(LIBUV_LIBDIR)" },
      libraries = { "uv" },
    },
  },
  install = {
    bin = { "bin/tide" },
  },
  copy_directories = { "doc", "examples", "include", "types" },
}

test = {
  type = "command",
  command = "make spec",
}
