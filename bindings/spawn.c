/*
 * spawn.c: making tasks, and the coroutines that they run on.
 *
 * A task that can have an idle coroutine gets it at once, with its function and
 * arguments on it. Any other gets one when it first runs: those before it may
 * have ended by then, and one coroutine serves thousands. Until then UP_THREADS
 * has in its slot what it is to call, and OWN_ARGUMENTS, in a table for each
 * CHUNK of slots, with what: one value, or a closure over several.
 *
 * From 5.4 on what the base frame needs stays at the bottom of the stack.
 */
#include <stdlib.h>
#include <string.h>

#include "bindings.h"

#define POOL_MAX 1024 /* idle coroutines kept */
#define PACK_MAX 10   /* arguments that wait with their function */
#define CHUNK 2048    /* tasks whose arguments wait in one table */

#if TIDE_BASEFRAME
enum { CO_BASE = 1, CO_NOTER };
#endif

/* ---- coroutines ---- */

#if LUA_VERSION_NUM == 501
static bool same_globals(lua_State *L, lua_State *co) {
  return lua_topointer(L, LUA_GLOBALSINDEX) ==
         lua_topointer(co, LUA_GLOBALSINDEX);
}

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

void tideL_inherit(lua_State *L, lua_State *co) {
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
    if (!tideL_checkstack(co, n + 4))
      luaL_error(L, "too many arguments to a task");
  }
  push_under(co);
  n += push_base(L, first);
  for (int i = first; i <= last; i++)
    lua_pushvalue(L, i);
  lua_xmove(L, co, n);
}

/* ---- calls that wait for a coroutine ---- */

/* Never called: its upvalues are the arguments. */
static int packed(lua_State *L) {
  (void)L;
  return 0;
}

/* Pushes one value for those at `first` to `last`. */
static void pack(lua_State *L, int first, int last) {
  if (last < first) {
    lua_pushnil(L);
    return;
  }
  for (int i = first; i <= last; i++)
    lua_pushvalue(L, i);
  if (last > first || lua_isnil(L, -1))
    lua_pushcclosure(L, packed, last - first + 1);
}

/* The value on top gives way to what it was made of. */
static void unpack(lua_State *T) {
  int value = lua_gettop(T), n = 0;
  if (lua_tocfunction(T, value) == packed) {
    while (lua_getupvalue(T, value, n + 1) != NULL)
      n++;
    lua_remove(T, value);
  } else if (lua_isnil(T, value)) {
    lua_pop(T, 1);
  }
}

/* Chunks of slots have a table each, so that the memory of arguments that were
 * taken is free again before the last are. */
static uint32_t chunk_of(const tideR_task *task) {
  return (task->slot - 1) / CHUNK;
}

static int place_of(const tideR_task *task) {
  return (int)((task->slot - 1) % CHUNK) + 1;
}

/* There is a table to spare, for no finaliser may run once it is needed. */
static void want_spare(lua_State *L, tideL_state *S) {
  if (S->spare)
    return;
  lua_createtable(L, CHUNK, 0);
  lua_rawseti(L, UP_OWN, OWN_SPARE);
  S->spare = true;
}

static bool has_arguments(const tideL_state *S, const tideR_task *task) {
  uint32_t chunk = chunk_of(task);
  return chunk < S->deferred_room && S->deferred[chunk] > 0;
}

static void reserve_count(lua_State *L, tideL_state *S, uint32_t chunk) {
  uint32_t room = S->deferred_room > 0 ? S->deferred_room * 2 : 8;
  uint16_t *counts;
  if (chunk < S->deferred_room)
    return;
  if (room <= chunk)
    room = chunk + 1;
  counts = realloc(S->deferred, room * sizeof *counts);
  if (counts == NULL)
    luaL_error(L, "not enough memory");
  memset(counts + S->deferred_room, 0,
         (room - S->deferred_room) * sizeof *counts);
  S->deferred = counts;
  S->deferred_room = room;
}

/* Pushes OWN_ARGUMENTS and the chunk, which the spare table becomes if there is
 * none. */
static void push_chunk(lua_State *L, tideL_state *S, uint32_t chunk) {
  tideL_own(L, OWN_ARGUMENTS);
  if (tideL_rawgeti(L, -1, (int)chunk + 1) != LUA_TNIL)
    return;
  reserve_count(L, S, chunk);
  lua_pop(L, 1);
  tideL_own(L, OWN_SPARE);
  lua_pushvalue(L, -1);
  lua_rawseti(L, -3, (int)chunk + 1);
  tideL_disown(L, OWN_SPARE);
  S->spare = false;
}

/* The chunk at `index`, above OWN_ARGUMENTS, has become empty. The collector
 * would come to it too late, but a table that gets a key it has no room for
 * first gives up the room that it does not use. */
static void drop_chunk(lua_State *T, tideL_state *S, int index,
                       uint32_t chunk) {
  lua_pushnil(T);
  lua_rawseti(T, index - 1, (int)chunk + 1);
  if (!S->spare) {
    lua_pushvalue(T, index);
    lua_rawseti(T, UP_OWN, OWN_SPARE);
    S->spare = true;
  } else {
    lua_pushboolean(T, 1);
    lua_pushboolean(T, 1);
    lua_rawset(T, index);
  }
}

static void put_value(lua_State *L, tideL_state *S, const tideR_task *task,
                      int value) {
  uint32_t chunk = chunk_of(task);
  push_chunk(L, S, chunk);
  if (tideL_rawgeti(L, -1, place_of(task)) == LUA_TNIL)
    S->deferred[chunk]++;
  lua_pushvalue(L, value);
  lua_rawseti(L, -3, place_of(task));
  lua_pop(L, 3);
}

/* Pushes what waits for the task, or nil, and takes it out. The chunk is there.
 */
static void take_value(lua_State *T, tideL_state *S, const tideR_task *task) {
  uint32_t chunk = chunk_of(task);
  int top = lua_gettop(T);
  push_chunk(T, S, chunk);
  if (tideL_rawgeti(T, -1, place_of(task)) != LUA_TNIL) {
    lua_pushnil(T);
    lua_rawseti(T, -3, place_of(task));
    if (--S->deferred[chunk] == 0)
      drop_chunk(T, S, top + 2, chunk);
  }
  lua_replace(T, top + 1);
  lua_settop(T, top + 1);
}

void tideL_dropcall(lua_State *T, tideL_state *S, const tideR_task *task) {
  if (!has_arguments(S, task))
    return;
  take_value(T, S, task);
  lua_pop(T, 1);
}

void tideL_forgetcalls(tideL_state *S) {
  free(S->deferred);
  S->deferred = NULL;
  S->deferred_room = 0;
}

/* The function, and the arguments on top, wait for the task to run. */
static void keep_call(lua_State *L, tideL_state *S, const tideR_task *task,
                      int function) {
  if (lua_isnil(L, -1))
    tideL_dropcall(L, S, task); /* what an error may have left in the slot */
  else
    put_value(L, S, task, lua_gettop(L));
  lua_pushvalue(L, function);
  lua_rawseti(L, UP_THREADS, (int)task->slot);
}

/* Pushes its arguments, if there are any. */
static void take_arguments(lua_State *T, tideL_state *S,
                           const tideR_task *task) {
  if (!has_arguments(S, task))
    return;
  luaL_checkstack(T, PACK_MAX + 4, NULL);
  take_value(T, S, task);
  unpack(T);
}

/* Pushes an idle coroutine, or a new one. */
static lua_State *push_idle(lua_State *T, tideL_state *S) {
  uint32_t slot;
  lua_State *co = tideR_task_strip(S->rt, &slot);
  if (co == NULL)
    return push_coroutine(T);
  S->pooled--;
  S->recycled++;
  lua_rawgeti(T, UP_THREADS, (int)slot);
  lua_pushboolean(T, 0);
  lua_rawseti(T, UP_THREADS, (int)slot);
  tideL_inherit(T, co);
  return co;
}

lua_State *tideL_begin(lua_State *T, tideL_state *S, tideR_task *task) {
  int top = lua_gettop(T), function = top + 2;
  lua_State *co = push_idle(T, S);
  lua_rawgeti(T, UP_THREADS, (int)task->slot);
  lua_pushvalue(T, top + 1);
  lua_rawseti(T, UP_THREADS, (int)task->slot);
  take_arguments(T, S, task);
  push_under(co);
  if (push_base(T, function) > 0)
    lua_insert(T, function);
  lua_xmove(T, co, lua_gettop(T) - function + 1);
  lua_settop(T, top);
  return task->coro = co;
}

/* Pushes what is at this place of another stack, or nil. */
static void push_from(lua_State *T, lua_State *co, int place) {
  if (tideL_checkstack(co, 1)) {
    lua_pushvalue(co, place);
    lua_xmove(co, T, 1);
  } else {
    lua_pushnil(T);
  }
}

/* Above what push_under and push_base have pushed. */
void tideL_pushcalled(lua_State *T, const tideR_task *task) {
  if (task->coro == NULL) {
    lua_rawgeti(T, UP_THREADS, (int)task->slot);
    return;
  }
  push_from(T, task->coro, 2 * TIDEL_BOTTOM + 1);
#if LUA_VERSION_NUM == 501 && !TIDE_LUAJIT
  tideL_own(T, OWN_BASE);
  if (lua_rawequal(T, -1, -2)) {
    push_from(T, task->coro, 2);
    lua_replace(T, -3);
  }
  lua_pop(T, 1);
#endif
}

/* Keeps the coroutine, with n values on top, with the record, or lets go of it;
 * Lua calls one dead that has ended and has nothing on its stack. */
void tideL_putaway(lua_State *T, tideL_state *S, tideR_task *task,
                   lua_State *co, int n, bool reusable) {
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
static tideR_task *new_record(lua_State *L, tideL_state *S) {
  tideR_task *task;
  if (S->spawning != NULL) {
    lua_State *co = S->spawning->coro;
    if (co != NULL) {
      lua_settop(co, TIDEL_BOTTOM);
      S->pooled++;
    }
    tideR_task_discard(S->rt, S->spawning);
  }
  task = S->spawning = tideR_task_new(S->rt);
  if (task == NULL)
    luaL_error(L, "not enough memory");
  return task;
}

/* The record's own coroutine gets the call. */
static void use_again(lua_State *L, tideL_state *S, const tideR_task *task,
                      int first, int last) {
  S->pooled--;
  S->recycled++;
  tideL_inherit(L, task->coro);
  copy_call(L, task->coro, first, last);
}

/* The new coroutine on top gets it, and is the record's. */
static void keep_fresh(lua_State *L, tideR_task *task, lua_State *co, int first,
                       int last) {
  lua_rawseti(L, UP_THREADS, (int)task->slot);
  task->coro = co;
  copy_call(L, co, first, last);
}

/* A call can wait only if the coroutine that it will get, from the loop's
 * thread, is as one made here. */
static bool can_wait(lua_State *L, const tideL_state *S, int nargs) {
  return nargs <= PACK_MAX && same_hook(L, S->thread) &&
         same_globals(L, S->thread);
}

tideR_task *tideL_spawn(lua_State *L, tideL_state *S, int first,
                        tideR_group *group) {
  int last = lua_gettop(L), top = last + 1;
  uint64_t scope = group != NULL ? group->scope->id : 0;
  tideL_task *handle = tideL_newtask(L, S);
  tideR_task *task;
  lua_State *fresh = NULL;
  bool prepared = S->spawning != NULL || !tideR_task_pooled(S->rt);
  if (prepared) {
    if (can_wait(L, S, last - first)) {
      pack(L, first + 1, last);
      if (!lua_isnil(L, -1))
        want_spare(L, S);
    } else {
      fresh = push_coroutine(L);
    }
  }
  if (group != NULL && group->scope->id != scope) /* a finaliser closed it */
    tideL_error(L, "'Group:task': the group has ended");
  task = new_record(L, S);
  if (task->coro != NULL) {
    use_again(L, S, task, first, last);
    if (prepared) /* a finaliser's task has ended meanwhile */
      lua_settop(L, top);
  } else {
    if (!prepared)
      luaL_error(L, "not enough memory");
    if (fresh == NULL)
      keep_call(L, S, task, first);
    else
      keep_fresh(L, task, fresh, first, last);
    lua_settop(L, top);
  }
  lua_pushvalue(L, top);
  lua_rawseti(L, UP_HANDLES, (int)task->slot);
  if (S->varied)
    tideL_sharecontext(L, S, task);
  if (group != NULL && tideR_group_add(S->rt, group, task) < 0)
    luaL_error(L, "not enough memory");
  handle->task = task;
  handle->id = task->id;
  S->spawning = NULL;
  tideR_task_start(S->rt, task);
  if (S->watching)
    tideL_notespawn(L, S, task);
  return task;
}
