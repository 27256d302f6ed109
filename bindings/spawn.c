/*
 * spawn.c: making tasks, and the coroutines that they run on.
 *
 * A task that can have an idle coroutine gets it at once, with its function and
 * arguments on it. Any other gets one when it first runs: those before it may
 * have ended by then, and one coroutine serves thousands. Until then UP_THREADS
 * has in its slot what it is to call.
 *
 * From 5.4 on what the base frame needs stays at the bottom of the stack.
 */
#include "bindings.h"

#define POOL_MAX 1024 /* idle coroutines kept */
#define PACK_MAX 10   /* arguments that wait with their function */

#if TIDE_BASEFRAME
enum { CO_BASE = 1, CO_NOTER };
#endif

/* ---- coroutines ---- */

#if LUA_VERSION_NUM == 501
static bool same_globals(lua_State *L, lua_State *co) {
  return lua_topointer(L, LUA_GLOBALSINDEX) ==
         lua_topointer(co, LUA_GLOBALSINDEX);
}

/* A coroutine used again gets what a new one would have from its creator. */
static void inherit_globals(lua_State *L, lua_State *co) {
  lua_pushvalue(L, LUA_GLOBALSINDEX);
  lua_xmove(L, co, 1);
  lua_replace(co, LUA_GLOBALSINDEX);
}
#else
static bool same_globals(lua_State *L, lua_State *co) {
  (void)L;
  (void)co;
  return true;
}

static void inherit_globals(lua_State *L, lua_State *co) {
  (void)L;
  (void)co;
}
#endif

static bool same_hook(lua_State *L, lua_State *co) {
  return TIDE_LUAJIT || /* there the hook is the state's */
         lua_gethook(L) == lua_gethook(co);
}

static void inherit(lua_State *L, lua_State *co) {
  if (!same_hook(L, co))
    lua_sethook(co, lua_gethook(L), lua_gethookmask(L), lua_gethookcount(L));
  if (!same_globals(L, co))
    inherit_globals(L, co);
}

static lua_State *push_coroutine(lua_State *L) {
  lua_State *co = lua_newthread(L);
#if TIDE_BASEFRAME
  tideL_own(L, OWN_BASE);
  tideL_own(L, OWN_NOTER);
  lua_xmove(L, co, TIDEL_BOTTOM);
#endif
  return co;
}

/* What goes under the function on the stack of a coroutine. */
static void push_under(lua_State *co) {
#if TIDE_BASEFRAME
  lua_pushvalue(co, CO_BASE);
  lua_pushvalue(co, CO_NOTER);
#else
  (void)co;
#endif
}

/* What has to be under a function to call it; how many values. */
static int push_base(lua_State *L, int function) {
#if LUA_VERSION_NUM == 501 && !TIDE_LUAJIT
  if (lua_iscfunction(L, function)) { /* 5.1 cannot resume it at the base */
    tideL_own(L, OWN_BASE);
    return 1;
  }
#endif
  (void)L;
  (void)function;
  return 0;
}

/* The function and arguments at `first` to `last` are copied to co. */
static void copy_call(lua_State *L, lua_State *co, int first, int last) {
  int n = last - first + 1;
  if (n > PACK_MAX) { /* others have room */
    luaL_checkstack(L, n + 1, "too many arguments to a task");
    if (!tide_checkstack(co, n + 4))
      luaL_error(L, "too many arguments to a task");
  }
  push_under(co);
  n += push_base(L, first);
  for (int i = first; i <= last; i++)
    lua_pushvalue(L, i);
  lua_xmove(L, co, n);
}

/* ---- calls that wait for a coroutine ---- */

/* Never called: what it is to call and to pass are its upvalues. */
static int packed_call(lua_State *L) {
  (void)L;
  return 0;
}

static void push_call(lua_State *L, int first, int last) {
  for (int i = first; i <= last; i++)
    lua_pushvalue(L, i);
  if (last > first)
    lua_pushcclosure(L, packed_call, last - first + 1);
}

/* The call on top goes to co. */
static void move_call(lua_State *T, lua_State *co) {
  int call = lua_gettop(T), n = 0;
  push_under(co);
  if (lua_tocfunction(T, call) == packed_call)
    while (lua_getupvalue(T, call, n + 1) != NULL)
      n++;
  else
    lua_pushvalue(T, call);
  if (push_base(T, call + 1) > 0)
    lua_insert(T, call + 1);
  lua_xmove(T, co, lua_gettop(T) - call);
}

/* Pushes an idle coroutine, or a new one. */
static lua_State *push_idle(lua_State *T, tideL_state *S) {
  uint32_t slot;
  lua_State *co = tide_task_strip(S->rt, &slot);
  if (co == NULL)
    return push_coroutine(T);
  S->pooled--;
  S->recycled++;
  lua_rawgeti(T, UP_THREADS, (int)slot);
  lua_pushboolean(T, 0);
  lua_rawseti(T, UP_THREADS, (int)slot);
  inherit(T, co);
  return co;
}

lua_State *tideL_begin(lua_State *T, tideL_state *S, tide_task *task) {
  int top = lua_gettop(T);
  lua_State *co = push_idle(T, S);
  lua_rawgeti(T, UP_THREADS, (int)task->slot);
  lua_pushvalue(T, top + 1);
  lua_rawseti(T, UP_THREADS, (int)task->slot);
  move_call(T, co);
  lua_settop(T, top);
  return task->coro = co;
}

/* Keeps the coroutine, with n values on top, with the record, or lets go of it;
 * Lua calls one dead that has ended and has nothing on its stack. */
void tideL_putaway(lua_State *T, tideL_state *S, tide_task *task, lua_State *co,
                   int n, bool reusable) {
  if (reusable && S->pooled < POOL_MAX && !(task->flags & TASK_EXPOSED)) {
    if (n > 0)
      lua_settop(co, TIDEL_BOTTOM);
    S->pooled++;
    task->coro = co;
    return;
  }
  if (reusable)
    lua_settop(co, 0);
  task->coro = NULL;
  lua_pushboolean(T, 0);
  lua_rawseti(T, UP_THREADS, (int)task->slot);
}

/* ---- spawning ---- */

/* Only Lua's allocations that grow a table come after this: they may fail, but
 * no finaliser runs. A record that such a failure left behind is discarded by
 * the next spawn. */
static tide_task *new_record(lua_State *L, tideL_state *S) {
  tide_task *task;
  if (S->spawning != NULL) {
    lua_State *co = S->spawning->coro;
    if (co != NULL) {
      lua_settop(co, TIDEL_BOTTOM);
      S->pooled++;
    }
    tide_task_discard(S->rt, S->spawning);
  }
  task = S->spawning = tide_task_new(S->rt);
  if (task == NULL)
    luaL_error(L, "not enough memory");
  return task;
}

/* In debug mode the report of its failure tells where it was created. */
static void note_creation(lua_State *L, const tideL_state *S) {
  if (!S->debug)
    return;
  tideL_pushinfo(L, -1);
  tideL_traceback(L, L, NULL);
  lua_setfield(L, -2, "created");
  lua_pop(L, 1);
}

/* The record's own coroutine gets the call. */
static void use_again(lua_State *L, tideL_state *S, const tide_task *task,
                      int first, int last) {
  S->pooled--;
  S->recycled++;
  inherit(L, task->coro);
  copy_call(L, task->coro, first, last);
}

/* A call can wait only if the coroutine that it will get, from the loop's
 * thread, is as one made here. */
static bool can_wait(lua_State *L, const tideL_state *S, int nargs) {
  return nargs <= PACK_MAX && same_hook(L, S->thread) &&
         same_globals(L, S->thread);
}

tide_task *tideL_spawn(lua_State *L, tideL_state *S, int first,
                       tide_group *group) {
  int last = lua_gettop(L), top = last + 1;
  tideL_task *handle = tideL_newtask(L, S);
  tide_task *task;
  lua_State *fresh = NULL;
  if (S->spawning != NULL || !tide_task_pooled(S->rt)) {
    if (can_wait(L, S, last - first))
      push_call(L, first, last);
    else
      fresh = push_coroutine(L);
  }
  task = new_record(L, S);
  if (task->coro != NULL) {
    use_again(L, S, task, first, last);
    if (lua_gettop(L) != top)
      lua_settop(L, top);
  } else {
    if (lua_gettop(L) == top)
      luaL_error(L, "not enough memory");
    lua_rawseti(L, UP_THREADS, (int)task->slot);
    task->coro = fresh;
    if (fresh != NULL)
      copy_call(L, fresh, first, last);
    lua_settop(L, top);
  }
  lua_pushvalue(L, top);
  lua_rawseti(L, UP_HANDLES, (int)task->slot);
  if (S->varied)
    tideL_sharecontext(L, S, task);
  if (group != NULL && tide_group_add(S->rt, group, task) < 0)
    luaL_error(L, "not enough memory");
  handle->task = task;
  handle->id = task->id;
  S->spawning = NULL;
  tide_task_start(S->rt, task);
  note_creation(L, S);
  return task;
}
