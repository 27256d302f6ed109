/*
 * tide.h: asyncio for Lua, for C programs that own the lua_State, and for Lua
 * modules in C.
 *
 *   tide_runtime *rt;
 *   if (tide_open(&rt, L, NULL) == 0) {
 *     ... luaL_dofile(L, "script.lua"): it starts tasks with tide.task ...
 *     while (frame())
 *       tide_step(rt, 0.002);
 *     tide_close(rt, NULL, NULL);
 *   }
 *
 * General layout
 *   open and close, driving, the clock, what a runtime tells
 *   tasks and futures
 *   awaiting from C: for C functions that Lua calls
 *   remotes: the only part for other threads
 *   tide_import: for C modules that are not linked with tide
 *
 * A function returns 0 or a negative libuv error code (UV_EBUSY, ...) unless it
 * says otherwise; UV_ECANCELED: the runtime was closed. All belong to the
 * thread of the lua_State but those of remotes. None raises a Lua error but
 * those under "awaiting from C", which are for functions that Lua calls.
 *
 * All is there since 0.1.0.
 */
#ifndef TIDE_H
#define TIDE_H

#include <stddef.h>
#include <stdint.h>

#define TIDE_VERSION "0.1.0"
#define TIDE_VERSION_NUM 100 /* major * 10000 + minor * 100 + patch */

#ifndef TIDE_EXPORT
#if defined(_WIN32)
#define TIDE_EXPORT __declspec(dllexport)
#else
#define TIDE_EXPORT __attribute__((visibility("default")))
#endif
#endif

#ifdef __cplusplus
extern "C" {
#endif

#include <lauxlib.h> /* in here: PUC Lua's headers know no C++ */
#include <lua.h>

struct uv_loop_s; /* libuv's uv_loop_t */

typedef struct tide_runtime tide_runtime; /* one for each lua_State */
typedef struct tide_task tide_task;       /* counted: see tide_task_release */
typedef struct tide_future tide_future;   /* counted: see tide_future_release */
typedef struct tide_waiter tide_waiter;   /* a C function's await */
typedef struct tide_remote tide_remote;   /* counted; for any thread */

/* ---- open and close ---- */

/* What nobody caught. The strings are valid during the call. */
typedef struct tide_failure {
  const char *message;   /* "task-3 failed and nobody awaited it" */
  const char *error;     /* the error as text, or NULL */
  const char *traceback; /* or NULL */
  lua_State *L; /* at `index` of L is all of it: a table with message, */
  int index;    /* ... error, task, traceback, as for a Lua handler */
} tide_failure;

/* What is 0 or NULL is as without options. The functions are called with the
 * runtime's user data, on its thread unless they say otherwise. */
typedef struct tide_options {
  size_t size;     /* sizeof(tide_options): lets the struct grow */
  int no_blocking; /* awaiting in the main program raises instead of driving
                      the loop: a host steps it */
  void *userdata;  /* see tide_userdata */

  /* The host's own libuv loop, which has to outlive the runtime. uv_run is the
   * host's to call; tasks run inside it. tide_step and tide_run are
   * UV_ENOTSUP, and the main program cannot block. */
  struct uv_loop_s *loop;
  /* With it: seconds that one iteration may spend in tasks, once at its
   * beginning and once after its events; 0: 0.004. */
  double budget;

  /* Outside of a step something has become due, or is due earlier than before:
   * called once, then again only after a step, or after tide_next_timeout has
   * told the new time. For posts it is called in the thread that posts, once
   * until a step takes them. It may call no function of tide: it wakes who
   * steps. Without it tide_fd becomes readable. */
  void (*wake)(tide_runtime *rt, void *userdata);

  /* Seconds, never less than before: takes the place of the monotonic clock
   * for sleeps, deadlines and loop:time(). Budgets are real seconds always. */
  double (*clock)(void *userdata);

  /* Is told what no script's exception handler takes; the default writes to
   * stderr. An error that it raises is written there, too. */
  void (*failed)(tide_runtime *rt, const tide_failure *failure, void *userdata);
} tide_options;

/* Opens the runtime of L; options may be NULL. One that only Lua or a module
 * has opened gets the options; one that was opened by this stays as it is. In a
 * static library it also puts the Lua modules into package.preload. On 5.1 and
 * LuaJIT tide_lua gives L only if that is the main thread of its state. The
 * address is good until lua_close, also after tide_close, when every function
 * returns UV_ECANCELED until L has a runtime again. *out is NULL after an
 * error: UV_ENOMEM; UV_EINVAL: bad options; UV_EEXIST: L's runtime has another
 * loop than that of the options, or another copy of tide is loaded in L;
 * UV_EBUSY: it is being closed; others: libuv has no loop, UV_EMFILE. */
TIDE_EXPORT int tide_open(tide_runtime **out, lua_State *L,
                          const tide_options *options);

/* Ends the runtime, at any time: unfinished tasks are dropped, not run; what
 * awaits in C is aborted; queued posts are called without a runtime; all
 * handles close. Then calls closed(ud), which may be NULL: at once; or, called
 * inside of a step, run or callback, when that has ended, of which no other
 * task runs any more; or, in a finaliser or an abort function outside of these,
 * when the runtime is used next; or, on a host's loop, in one of its next
 * iterations. UV_EALREADY: it is being closed. lua_close does the same. */
TIDE_EXPORT int tide_close(tide_runtime *rt, void (*closed)(void *ud),
                           void *ud);

/* The runtime of L, opened if it has none, for C modules: Lua may close it.
 * NULL: there is no memory for it, or it is being closed. */
TIDE_EXPORT tide_runtime *tide_runtime_of(lua_State *L);

/* The Lua module tide.core. */
TIDE_EXPORT int luaopen_tide_core(lua_State *L);

/* ---- driving ---- */

/* Turns until no task is ready or `budget` seconds are spent (<= 0: one turn;
 * at least one task runs), then looks for events without blocking. 1: work is
 * ready, 0: all wait, UV_EBUSY: called inside a step or run, UV_ENOTSUP: on a
 * host's loop, UV_ECANCELED: also if it was closed inside of this step. */
TIDE_EXPORT int tide_step(tide_runtime *rt, double budget);

/* Runs, blocking, until nothing can happen any more: no task is ready or
 * sleeps, nothing is open, no remote and no future is held. UV_EBUSY,
 * UV_ENOTSUP, UV_ECANCELED as tide_step. */
TIDE_EXPORT int tide_run(tide_runtime *rt);

/* Seconds until a step is due: 0 is now (also for tasks in next_tick), INFINITY
 * when only the descriptor or a post can make one due, < 0: nothing can happen
 * any more by itself. While the clock stands still timers are not due. */
TIDE_EXPORT double tide_next_timeout(tide_runtime *rt);

/* A descriptor that becomes readable when a step is due for another reason than
 * time; -1 where the system has none. The runtime's own: never read or close
 * it; to be polled again after each step. */
TIDE_EXPORT int tide_fd(tide_runtime *rt);

/* The libuv loop, the runtime's or the host's, for C with handles of its own.
 * NULL: the runtime is closed, which has closed all handles of its own loop,
 * also these. Their callbacks may call any function here. */
TIDE_EXPORT struct uv_loop_s *tide_uv_loop(tide_runtime *rt);

/* ---- the clock ---- */

/* What loop:time() tells. NaN: the runtime is closed. */
TIDE_EXPORT double tide_time(tide_runtime *rt);

/* How fast the clock goes from now on: 1 as it does, 0.5 slow motion, 0 not at
 * all. UV_EINVAL: negative, infinite or NaN. */
TIDE_EXPORT int tide_set_speed(tide_runtime *rt, double speed);

/* ---- what a runtime tells ---- */

/* With options->wake: not while other threads post. */
TIDE_EXPORT void tide_set_userdata(tide_runtime *rt, void *userdata);
TIDE_EXPORT void *tide_userdata(tide_runtime *rt);

/* The lua_State for C that tide calls (a post, done callbacks): what is pushed
 * on it has to be popped. Elsewhere the main one, as it was given to tide_open;
 * without that, one of the runtime's own. */
TIDE_EXPORT lua_State *tide_lua(tide_runtime *rt);

typedef struct tide_stats {
  size_t size;       /* sizeof(tide_stats), set by the caller */
  uint64_t tasks;    /* unfinished */
  uint64_t ready;    /* of these, waiting for their turn */
  uint64_t sleeping; /* of these, with a timer of their own */
  uint64_t timers;   /* all timers: sleeps, deadlines, delayed calls */
  uint64_t handles;  /* what is open, and others that keep the loop alive */
  uint64_t wakers;   /* promises of a wake: remotes, futures, awaits in C */
  uint64_t switches; /* resumes so far */
  uint64_t turns;    /* and so on: so far */
  uint64_t polls;
  uint64_t spawned;
  uint64_t recycled;  /* tasks that ran in a coroutine used again */
  uint64_t swallowed; /* cancellations that a task caught and met again */
} tide_stats;

/* UV_EINVAL: out->size is too small. */
TIDE_EXPORT int tide_stats_get(tide_runtime *rt, tide_stats *out);

/* Data of C's that goes with a task: a task has what its spawner had at the
 * spawn, as with tide.var. Set and asked for what runs now: the task, the
 * callback, or else the main program. The key is an address of the caller's.
 * NULL: there is none. */
TIDE_EXPORT int tide_local_set(tide_runtime *rt, const void *key, void *value);
TIDE_EXPORT void *tide_local_get(tide_runtime *rt, const void *key);

/* ---- tasks ---- */

typedef enum tide_outcome {
  TIDE_PENDING, /* has not ended */
  TIDE_RETURNED,
  TIDE_RAISED,
  TIDE_WAS_CANCELLED,
  TIDE_DROPPED /* the runtime was closed before it ended */
} tide_outcome;

/* Starts a task: a function and its nargs arguments are on `from`, any thread
 * of the state, with one slot free above them; they are popped whatever
 * happens. Runs no Lua. out may be NULL; else *out is the task, to be released;
 * NULL after an error: UV_ENOMEM; UV_EINVAL: nothing that can be called. The
 * error of a task that has no done callback is reported at once. */
TIDE_EXPORT int tide_spawn(tide_runtime *rt, lua_State *from, int nargs,
                           tide_task **out);

/* Task:cancel; reason may be NULL. UV_EALREADY: it has ended. */
TIDE_EXPORT int tide_task_cancel(tide_task *task, const char *reason);

/* Called from the loop in the turn after the task's end, or, if it has ended,
 * in the next one, with its results, or its error, the n values on top of L; or
 * when the runtime is closed before, TIDE_DROPPED, with L NULL. Several are
 * called in order. `task` need not be held. An error that it raises is
 * reported. */
typedef void (*tide_task_cb)(tide_task *task, tide_outcome how, lua_State *L,
                             int n, void *ud);
TIDE_EXPORT int tide_task_on_done(tide_task *task, tide_task_cb cb, void *ud);

TIDE_EXPORT tide_outcome tide_task_outcome(tide_task *task);

/* Pushes the Task of Lua, for a script to await. L needs one slot. */
TIDE_EXPORT int tide_task_push(tide_task *task, lua_State *L);

/* The program lets go of its handle; the task goes on. Also after lua_close;
 * NULL is fine. */
TIDE_EXPORT void tide_task_release(tide_task *task);

/* ---- futures ---- */

/* A Future that C completes and tasks await. Until it is completed or released
 * it counts as a promise: who awaits it is in no deadlock. UV_ENOMEM. */
TIDE_EXPORT int tide_future_new(tide_runtime *rt, tide_future **out);

/* Pushes the Future of Lua. L needs one slot. */
TIDE_EXPORT int tide_future_push(tide_future *future, lua_State *L);

/* Completes it by the n values, or by the error, on top of `from`, with one
 * slot free above them; they are popped whatever happens. UV_EALREADY: it was
 * completed, or cancelled by who awaits it. */
TIDE_EXPORT int tide_future_set(tide_future *future, lua_State *from, int n);
TIDE_EXPORT int tide_future_fail(tide_future *future, lua_State *from);
TIDE_EXPORT int tide_future_cancel(tide_future *future, const char *reason);

/* As tide_task_on_done: so C learns that nobody wants the result any more. */
typedef void (*tide_future_cb)(tide_future *future, tide_outcome how,
                               lua_State *L, int n, void *ud);
TIDE_EXPORT int tide_future_on_done(tide_future *future, tide_future_cb cb,
                                    void *ud);
TIDE_EXPORT tide_outcome tide_future_outcome(tide_future *future);

/* Also after lua_close; NULL is fine. */
TIDE_EXPORT void tide_future_release(tide_future *future);

/* ---- awaiting from C ---- */

/* Registers C functions that await into the table below nup upvalues, as
 * luaL_setfuncs does; and pushes one, as lua_pushcclosure. On 5.2 and later any
 * C function may await; 5.1 and LuaJIT, which have no continuations, need one
 * that came through here. They raise out of memory. */
TIDE_EXPORT void tide_setfuncs(lua_State *L, const luaL_Reg *functions,
                               int nup);
TIDE_EXPORT void tide_pushfunction(lua_State *L, lua_CFunction function,
                                   int nup);

/* What a C function awaits. Only `start` must be there. */
typedef struct tide_await_ops {
  const char *name; /* for errors and the task tree: "image.load" */
  /* Begins it: from now on tide_wake(waiter, ...) is expected, once; it may be
   * called right here. Negative: it could not begin, no wake will come. As all
   * of these but finish it must not raise, nor await. */
  int (*start)(tide_waiter *waiter, void *arg);
  /* The await is cancelled, or its runtime closes: once, in the runtime's
   * thread; calls no Lua. Nonzero: it is aborted, and no wake will come. 0, or
   * no function: it cannot be, a wake will come; until then a cancel waits. */
  int (*abort)(tide_waiter *waiter, void *arg);
  /* Pushes the results, how many; may raise. `status` is what start or
   * tide_wake told. Not called if the await raises a cancellation, or never
   * ends. Without it the results are true, or nil, message, code of a negative
   * status. */
  int (*finish)(lua_State *L, int status, void *arg);
  /* Last of all and always once, also if tide_await raises: frees arg. Calls
   * no Lua. After an error of finish, or of an await where nothing can wait, it
   * is the collector that calls it. */
  void (*release)(void *arg);
} tide_await_ops;

/* Suspends the task that calls the running C function, which has to return
 * what this returns: `return tide_await(L, &ops, arg);`. In the main program it
 * drives the loop. ops has to stay; arg is ops->release's from here on. Raises
 * where nothing can wait, and CancelledError; an await that was woken before it
 * was cancelled ends as it was woken. */
TIDE_EXPORT int tide_await(lua_State *L, const tide_await_ops *ops, void *arg);

/* Ends the await, in the runtime's thread; from others see tide_post. If the
 * runtime was closed meanwhile it may come from any thread, and only releases
 * arg. The waiter is no more. */
TIDE_EXPORT void tide_wake(tide_waiter *waiter, int status);

/* Work for a thread. */
typedef struct tide_work_ops {
  const char *name;
  void (*work)(void *arg); /* in a thread of libuv's pool */
  int (*finish)(lua_State *L, int status, void *arg); /* as of an await */
  void (*release)(void *arg);                         /* as of an await */
} tide_work_ops;

/* Awaits ops->work(arg), as tide_await does. A cancel is raised at once if the
 * work has not begun, which then is not done; else the await ends as the work
 * does, and the next one raises. The end of the runtime waits for what has
 * begun; on a host's loop it is over only then. */
TIDE_EXPORT int tide_work(lua_State *L, const tide_work_ops *ops, void *arg);

/* ---- remotes: for any thread ---- */

/* What other threads have of a runtime. In the runtime's thread; NULL: no
 * memory, or it is closed. Until it is released the runtime does not run out
 * of work. */
TIDE_EXPORT tide_remote *tide_remote_new(tide_runtime *rt);
/* Another count. Returns it. */
TIDE_EXPORT tide_remote *tide_remote_retain(tide_remote *remote);
/* Also after lua_close; NULL is fine. */
TIDE_EXPORT void tide_remote_release(tide_remote *remote);

/* fn(rt, arg) is called in the runtime's thread, from its loop: in the order of
 * the posts, many in a turn but not all. It may do whatever a callback may; an
 * error that it raises is reported. UV_ECANCELED: the runtime was closed, fn is
 * not called. Those that are queued then are called with rt NULL, so that arg
 * can be freed. UV_ENOMEM. */
TIDE_EXPORT int tide_post(tide_remote *remote,
                          void (*fn)(tide_runtime *rt, void *arg), void *arg);

/* ---- C modules ---- */

/* All of the above as a table: a Lua module's symbols are its own, so C modules
 * find tide in the registry and not by linking. Grows at its end only. */
typedef struct tide_api {
  size_t size;
  int version; /* TIDE_VERSION_NUM of who made it */
  tide_runtime *(*runtime_of)(lua_State *L);
  struct uv_loop_s *(*uv_loop)(tide_runtime *rt);
  double (*time)(tide_runtime *rt);
  lua_State *(*lua)(tide_runtime *rt);
  int (*stats_get)(tide_runtime *rt, tide_stats *out);
  int (*local_set)(tide_runtime *rt, const void *key, void *value);
  void *(*local_get)(tide_runtime *rt, const void *key);
  int (*spawn)(tide_runtime *rt, lua_State *from, int nargs, tide_task **out);
  int (*task_cancel)(tide_task *task, const char *reason);
  int (*task_on_done)(tide_task *task, tide_task_cb cb, void *ud);
  tide_outcome (*task_outcome)(tide_task *task);
  int (*task_push)(tide_task *task, lua_State *L);
  void (*task_release)(tide_task *task);
  int (*future_new)(tide_runtime *rt, tide_future **out);
  int (*future_push)(tide_future *future, lua_State *L);
  int (*future_set)(tide_future *future, lua_State *from, int n);
  int (*future_fail)(tide_future *future, lua_State *from);
  int (*future_cancel)(tide_future *future, const char *reason);
  int (*future_on_done)(tide_future *future, tide_future_cb cb, void *ud);
  tide_outcome (*future_outcome)(tide_future *future);
  void (*future_release)(tide_future *future);
  void (*setfuncs)(lua_State *L, const luaL_Reg *functions, int nup);
  void (*pushfunction)(lua_State *L, lua_CFunction function, int nup);
  int (*await)(lua_State *L, const tide_await_ops *ops, void *arg);
  void (*wake)(tide_waiter *waiter, int status);
  int (*work)(lua_State *L, const tide_work_ops *ops, void *arg);
  tide_remote *(*remote_new)(tide_runtime *rt);
  tide_remote *(*remote_retain)(tide_remote *remote);
  void (*remote_release)(tide_remote *remote);
  int (*post)(tide_remote *remote, void (*fn)(tide_runtime *rt, void *arg),
              void *arg);
  void (*keep_library)(const void *address); /* for tide_import */
} tide_api;

#define TIDE_API_KEY "tide.api" /* where in the registry the table is */

/* The table, for luaopen_ of a C module, which is not to be linked with tide:
 *
 *   static const tide_api *tide;
 *   int luaopen_image(lua_State *L) { tide = tide_import(L); ...
 *
 * Loads tide.core if nobody has. Raises if it is not there or older than this
 * header. From here on the module's library stays loaded: what it has given
 * tide is called until lua_close is over. */
static inline const tide_api *tide_import(lua_State *L) {
  static const char here = 0;
  const tide_api *api = NULL;
  lua_getglobal(L, "require");
  lua_pushliteral(L, "tide.core");
  lua_call(L, 1, 0);
  lua_pushliteral(L, TIDE_API_KEY);
  lua_rawget(L, LUA_REGISTRYINDEX);
  if (lua_touserdata(L, -1) != NULL)
    api = *(const tide_api *const *)lua_touserdata(L, -1);
  lua_pop(L, 1);
  if (api == NULL || api->version < TIDE_VERSION_NUM ||
      api->size < sizeof *api) {
    luaL_error(L, "tide is older than this module needs: %d for %d",
               api != NULL ? api->version : 0, TIDE_VERSION_NUM);
    return NULL; /* luaL_error never returns: not all compilers know */
  }
  api->keep_library(&here);
  return api;
}

#ifdef __cplusplus
}
#endif

#endif
