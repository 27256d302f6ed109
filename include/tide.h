/*
 * tide.h: asyncio for Lua, for C programs that own the lua_State.
 *
 *   tide_runtime *rt;
 *   if (tide_open(&rt, L, NULL) == 0) {
 *     ... luaL_dofile(L, "script.lua"): it starts tasks with tide.task ...
 *     while (frame())
 *       tide_step(rt, 0.002);
 *     tide_close(rt, NULL, NULL);
 *   }
 *
 * A function returns 0 or a negative libuv error code (UV_EBUSY, ...) unless it
 * says otherwise. None raises a Lua error. All belong to the thread of the
 * lua_State.
 */
#ifndef TIDE_H
#define TIDE_H

#include <stddef.h>

#include <lua.h>

#define TIDE_VERSION "0.1.0"

#if defined(_WIN32)
#define TIDE_EXPORT __declspec(dllexport)
#else
#define TIDE_EXPORT __attribute__((visibility("default")))
#endif

#ifdef __cplusplus
extern "C" {
#endif

typedef struct tide_runtime tide_runtime;

/* Since 0.1.0. */
typedef struct tide_options {
  size_t size;     /* sizeof(tide_options): lets the struct grow */
  int no_blocking; /* awaiting in the main program raises instead of driving
                      the loop: a host steps it */
} tide_options;

/* Opens the runtime of L, or gives the one that L has; options may be NULL. On
 * 5.1 and LuaJIT L must be the main thread of its state. *out is NULL after an
 * error: UV_ENOMEM, UV_EINVAL. Since 0.1.0. */
TIDE_EXPORT int tide_open(tide_runtime **out, lua_State *L,
                          const tide_options *options);

/* Turns until no task is ready or `budget` seconds are spent (<= 0: one turn;
 * at least one task runs), then looks for events without blocking. 1: work is
 * ready, 0: all wait, UV_EBUSY: called inside a step or run. Since 0.1.0. */
TIDE_EXPORT int tide_step(tide_runtime *rt, double budget);

/* Runs until nothing can happen any more: no task is ready or sleeps, nothing
 * is open. UV_EBUSY inside a step or run. Since 0.1.0. */
TIDE_EXPORT int tide_run(tide_runtime *rt);

/* Seconds until a step is due: 0 is now (also for tasks in next_tick), INFINITY
 * when only the descriptor can make one due. Since 0.1.0. */
TIDE_EXPORT double tide_next_timeout(tide_runtime *rt);

/* A descriptor that becomes readable when a step is due because of an event; -1
 * where the system has none. Not for timers: see tide_next_timeout. The
 * runtime's own: never read or close it. Since 0.1.0. */
TIDE_EXPORT int tide_fd(tide_runtime *rt);

/* Ends the runtime: unfinished tasks are dropped, not run. rt is no more; tide
 * opens a new one when L needs it. Calls closed(ud), which may be NULL, when
 * all is freed. UV_EBUSY inside a step or run. Since 0.1.0. */
TIDE_EXPORT int tide_close(tide_runtime *rt, void (*closed)(void *ud),
                           void *ud);

/* The Lua module tide.core. Since 0.1.0. */
TIDE_EXPORT int luaopen_tide_core(lua_State *L);

#ifdef __cplusplus
}
#endif

#endif
