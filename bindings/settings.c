/* settings.c: the C API: the clock, user data, statistics, data that goes with
 * a task. */
#include <math.h>
#include <string.h>

#include "hosting.h"

double tide_time(tide_runtime *rt) {
  return rt->rt != NULL ? (double)tideR_now(rt->rt) / 1e9 : NAN;
}

int tide_set_speed(tide_runtime *rt, double speed) {
  if (rt->rt == NULL)
    return UV_ECANCELED;
  return tideR_clock_speed(rt->rt, speed);
}

void tide_set_userdata(tide_runtime *rt, void *userdata) {
  rt->options.userdata = userdata;
}

void *tide_userdata(tide_runtime *rt) {
  return rt->options.userdata;
}

lua_State *tide_lua(tide_runtime *rt) {
  if (tideL_isbusy(rt) || rt->program == NULL)
    return rt->thread;
  return rt->program;
}

/* ---- failures ---- */

/* Pushes field of the report at index 1 as text; NULL: nil is pushed. */
static const char *push_text(lua_State *T, const char *field) {
  lua_getfield(T, 1, field);
  if (lua_isnil(T, -1))
    return NULL;
  tideL_tostring(T, -1);
  return lua_tostring(T, -1);
}

bool tideL_tellprogram(lua_State *T, tideL_state *S) {
  tide_failure failure = {.L = T, .index = 1};
  if (S->options.failed == NULL)
    return false;
  luaL_checkstack(T, LUA_MINSTACK + 8, NULL);
  failure.message = push_text(T, "message");
  failure.error = push_text(T, "error");
  failure.traceback = push_text(T, "traceback");
  S->options.failed(S, &failure, S->options.userdata);
  return true;
}

/* ---- statistics ---- */

/* Sizes grow with versions: an older program gets what it knows. */
int tide_stats_get(tide_runtime *rt, tide_stats *out) {
  tideR_stats from;
  tide_stats stats;
  size_t size = out->size;
  if (size < offsetof(tide_stats, ready))
    return UV_EINVAL;
  if (rt->rt == NULL)
    return UV_ECANCELED;
  tideR_runtime_stats(rt->rt, &from);
  stats = (tide_stats){.size = size,
                       .tasks = from.tasks,
                       .ready = from.ready,
                       .sleeping = from.sleeping,
                       .timers = from.timers,
                       .handles = from.handles,
                       .wakers = from.wakers,
                       .switches = from.switches,
                       .turns = from.turns,
                       .polls = from.polls,
                       .spawned = from.spawned,
                       .recycled = rt->recycled,
                       .swallowed = from.swallowed};
  memcpy(out, &stats, size < sizeof stats ? size : sizeof stats);
  return 0;
}

/* ---- data that goes with a task ---- */

/* In the context that tide.var has, too, as its `locals`: a table that nobody
 * changes, address -> a userdata that has the value. */
typedef struct local {
  const void *key;
  void *value;
} local;

/* Pushes a copy of the table at `index`, or an empty one of what is none. */
static void push_copy(lua_State *L, int index) {
  lua_newtable(L);
  if (!lua_istable(L, index))
    return;
  for (lua_pushnil(L); lua_next(L, index);) {
    lua_pushvalue(L, -2);
    lua_insert(L, -2);
    lua_rawset(L, -4);
  }
}

/* The userdata on top of L, or nil. */
static void set_value(lua_State *L, const local *it) {
  if (it->value == NULL) {
    lua_pushnil(L);
    return;
  }
  *(void **)lua_newuserdata(L, sizeof(void *)) = it->value;
}

static int set_body(lua_State *L, tideL_state *S, void *arg) {
  const local *it = arg;
  tideL_pushcontext(L, S);
  push_copy(L, 1);
  if (!lua_istable(L, 1)) {
    lua_pushinteger(L, 1); /* as var.lua begins a tree */
    lua_setfield(L, 2, "span");
  }
  lua_getfield(L, 2, "locals");
  push_copy(L, 3);
  lua_pushlightuserdata(L, (void *)it->key);
  set_value(L, it);
  lua_rawset(L, 4);
  lua_setfield(L, 2, "locals");
  lua_settop(L, 2);
  tideL_setcontext(L, S);
  return 0;
}

int tide_local_set(tide_runtime *rt, const void *key, void *value) {
  local it = {key, value};
  if (rt->rt == NULL)
    return UV_ECANCELED;
  return tideL_protect(rt, rt->thread, 0, 0, set_body, &it);
}

static int get_body(lua_State *L, tideL_state *S, void *arg) {
  local *it = arg;
  tideL_pushcontext(L, S);
  if (!lua_istable(L, -1))
    return 0;
  lua_getfield(L, -1, "locals");
  if (!lua_istable(L, -1))
    return 0;
  lua_pushlightuserdata(L, (void *)it->key);
  lua_rawget(L, -2);
  if (!lua_isnil(L, -1))
    it->value = *(void **)lua_touserdata(L, -1);
  return 0;
}

void *tide_local_get(tide_runtime *rt, const void *key) {
  local it = {key, NULL};
  if (rt->rt != NULL && rt->varied)
    tideL_protect(rt, rt->thread, 0, 0, get_body, &it);
  return it.value;
}
