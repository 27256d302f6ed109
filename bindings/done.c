/*
 * done.c: the done callbacks of a task or future.
 *
 * They are in a list, in the table that goes with the Task: the ith at i, and
 * at -i the context that it is called in. One that is removed leaves false,
 * until half of them have. To find those to remove in a long list it has two
 * tables once one is removed: `last`, the last place of each function, and
 * `before`, for each place the one before with the same function.
 */
#include "bindings.h"

#define FEW 16 /* are looked at one by one */

/* ---- queueing ---- */

/* Of the Task at `index`: pushes the table that goes with it and the list; or
 * false, and pushes nothing. Runs no finalisers. */
static bool push_callbacks(lua_State *T, int index) {
  const tideL_task *handle = lua_touserdata(T, index);
  if (!handle->info)
    return false;
  tideL_pushinfo(T, index);
  if (tideL_getfield(T, -1, "callbacks") == LUA_TTABLE)
    return true;
  lua_pop(T, 2);
  return false;
}

static int count_places(lua_State *T, int index) {
  int n;
  if (!push_callbacks(T, index))
    return 0;
  n = (int)lua_rawlen(T, -1);
  lua_pop(T, 2);
  return n;
}

/* Pushes calls, each with the next as its first item, for all that there are
 * then: finalisers may add some meanwhile, and take others away. */
void tideL_preparecallbacks(lua_State *T, int index) {
  index = lua_absindex(T, index);
  lua_pushnil(T);
  for (int made = 0; made < count_places(T, index); made++) {
    tideL_newcall(T);
    lua_insert(T, -2);
    lua_rawseti(T, -2, 1);
  }
}

/* Out of memory for one, those before it are queued, and in the list no more.
 */
void tideL_queuecallbacks(lua_State *T, tideL_state *S, int index) {
  int calls = lua_gettop(T), list = calls + 2, n;
  index = lua_absindex(T, index);
  n = push_callbacks(T, index) ? (int)lua_rawlen(T, list) : 0;
  for (int i = 1; i <= n; i++) {
    lua_pushvalue(T, calls);
    lua_rawgeti(T, list, i);
    if (lua_toboolean(T, -1)) {
      lua_rawgeti(T, calls, 1);
      lua_replace(T, calls);
      lua_pushvalue(T, index);
      lua_rawgeti(T, list, -i);
      tideL_callnew(T, S);
      lua_pushboolean(T, 0);
      lua_rawseti(T, list, i);
    }
    lua_settop(T, list);
  }
  if (n > 0) {
    lua_pushnil(T);
    lua_setfield(T, list - 1, "callbacks");
  }
  lua_settop(T, calls - 1);
}

/* The context of the ith is the value on top, which is popped. Most are nil,
 * and Luas before 5.4 would make a place for that, which costs a walk. */
static void set_context(lua_State *L, int list, int i) {
  bool had = tideL_rawgeti(L, list, -i) != LUA_TNIL;
  lua_pop(L, 1);
  if (had || !lua_isnil(L, -1))
    lua_rawseti(L, list, -i);
  else
    lua_pop(L, 1);
}

/* ---- where they are ---- */

/* list.last and list.before come to know of place i of the function on top,
 * which is popped. */
static void note_place(lua_State *L, int last, int i) {
  lua_pushvalue(L, -1);
  if (tideL_rawget(L, last) != LUA_TNIL)
    lua_rawseti(L, last + 1, i);
  else
    lua_pop(L, 1);
  lua_pushinteger(L, i);
  lua_rawset(L, last);
}

static bool has_places(lua_State *L, int list) {
  bool has = tideL_getfield(L, list, "last") == LUA_TTABLE;
  lua_pop(L, 1);
  return has;
}

/* Pushes `last` and `before`, made if there are none. */
static void push_places(lua_State *L, int list) {
  int last = lua_gettop(L) + 1, n;
  lua_newtable(L);
  lua_newtable(L); /* from here on no finaliser runs */
  if (has_places(L, list)) {
    lua_settop(L, last - 1);
    lua_getfield(L, list, "last");
    lua_getfield(L, list, "before");
    return;
  }
  n = (int)lua_rawlen(L, list);
  for (int i = 1; i <= n; i++) {
    lua_rawgeti(L, list, i);
    note_place(L, last, i);
  }
  lua_pushvalue(L, last + 1);
  lua_setfield(L, list, "before");
  lua_pushvalue(L, last);
  lua_setfield(L, list, "last");
}

/* ---- adding ---- */

/* Pushes the list of the Task at index 1, made if there is none. */
static void push_list(lua_State *L) {
  tideL_pushinfo(L, 1);
  if (tideL_getfield(L, -1, "callbacks") == LUA_TTABLE)
    return;
  lua_pop(L, 1);
  lua_newtable(L);
  if (tideL_getfield(L, -2, "callbacks") == LUA_TTABLE)
    return; /* a finaliser was quicker */
  lua_pop(L, 1);
  lua_pushvalue(L, -1);
  lua_setfield(L, -3, "callbacks");
}

/* stack: <Task, function>. Making the list may run a finaliser that sets a
 * future. */
void tideL_addcallback(lua_State *L, bool ended) {
  const tideL_task *handle = lua_touserdata(L, 1);
  int list, n;
  if (!ended)
    push_list(L);
  if (ended || handle->outcome != OUTCOME_NONE) {
    tideL_state *S = tideL_open(L);
    lua_pushvalue(L, 2);
    lua_pushvalue(L, 1);
    tideL_callsoon(L, S, 1);
    return;
  }
  list = lua_gettop(L);
  n = (int)lua_rawlen(L, list) + 1;
  tideL_pushcontext(L, tideL_get(L));
  set_context(L, list, n);
  if (has_places(L, list)) {
    lua_pushboolean(L, 0); /* out of memory, it is as if it was removed */
    lua_rawseti(L, list, n);
    lua_getfield(L, list, "last");
    lua_getfield(L, list, "before");
    lua_pushvalue(L, 2);
    note_place(L, list + 1, n);
  }
  lua_pushvalue(L, 2);
  lua_rawseti(L, list, n);
}

/* ---- removing ---- */

static void set_false(lua_State *L, int list, int i) {
  lua_pushboolean(L, 0);
  lua_rawseti(L, list, i);
  lua_pushnil(L);
  set_context(L, list, i);
}

static int remove_few(lua_State *L, int list, int n) {
  int removed = 0;
  for (int i = 1; i <= n; i++) {
    lua_rawgeti(L, list, i);
    if (lua_rawequal(L, -1, 2)) {
      set_false(L, list, i);
      removed++;
    }
    lua_pop(L, 1);
  }
  return removed;
}

static int remove_placed(lua_State *L, int list) {
  int last = lua_gettop(L) + 1, removed = 0, i;
  push_places(L, list);
  lua_pushvalue(L, 2);
  lua_rawget(L, last);
  while ((i = (int)lua_tointeger(L, -1)) != 0) {
    lua_pop(L, 1);
    set_false(L, list, i);
    removed++;
    lua_rawgeti(L, last + 1, i);
  }
  if (removed > 0) {
    lua_pushvalue(L, 2);
    lua_pushnil(L);
    lua_rawset(L, last);
  }
  lua_settop(L, last - 1);
  return removed;
}

/* Also the contexts. */
static void move(lua_State *L, int list, int from, int to) {
  lua_rawgeti(L, list, from);
  lua_rawseti(L, list, to);
  lua_rawgeti(L, list, -from);
  set_context(L, list, to);
}

/* What is left closes up, and the places are forgotten. */
static void close_up(lua_State *L, int list, int n) {
  static const char *const fields[] = {"last", "before", "removed"};
  int left = 0;
  for (int i = 0; i < 3; i++) {
    lua_pushnil(L);
    lua_setfield(L, list, fields[i]);
  }
  for (int i = 1; i <= n; i++) {
    lua_rawgeti(L, list, i);
    if (lua_toboolean(L, -1) && ++left < i)
      move(L, list, i, left);
    lua_pop(L, 1);
  }
  for (int i = left + 1; i <= n; i++)
    move(L, list, n + 1, i); /* nothing */
}

/* More are gone: true once half of them are. */
static bool count_removed(lua_State *L, int list, int removed, int n) {
  lua_getfield(L, list, "removed");
  removed += (int)lua_tointeger(L, -1);
  lua_pop(L, 1);
  lua_pushinteger(L, removed);
  lua_setfield(L, list, "removed");
  return 2 * removed >= n;
}

/* stack: <Task, function> */
int tideL_removecallback(lua_State *L) {
  const tideL_task *handle = lua_touserdata(L, 1);
  int list, n, removed;
  bool few;
  if (!handle->info)
    return 0;
  tideL_pushinfo(L, 1);
  if (tideL_getfield(L, -1, "callbacks") != LUA_TTABLE)
    return 0;
  list = lua_gettop(L);
  few = lua_rawlen(L, list) <= FEW && !has_places(L, list);
  removed = few ? remove_few(L, list, (int)lua_rawlen(L, list))
                : remove_placed(L, list);
  n = (int)lua_rawlen(L, list); /* a finaliser may have added some */
  if (removed > 0 && (few || count_removed(L, list, removed, n)))
    close_up(L, list, n);
  return removed;
}
