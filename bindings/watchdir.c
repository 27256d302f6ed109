/* watchdir.c: the Watch object: what changes in a directory, or of a file. */
#include <string.h>

#include "../runtime/watchdir.h"
#include "files.h"
#include "streams.h"

#define MAGIC 0x77646972u

typedef struct tideL_watchdir {
  uint32_t magic;
  uint32_t serial; /* of the runtime */
  tideR_watchdir *watch;
} tideL_watchdir;

static tideL_watchdir *check_type(lua_State *L, const char *function) {
  tideL_watchdir *self = lua_touserdata(L, 1);
  if (self == NULL || lua_rawlen(L, 1) != sizeof *self || self->magic != MAGIC)
    tideL_typeerror(L, 1, function, "Watch");
  return self;
}

static tideR_watchdir *check(lua_State *L, const char *function) {
  const tideL_watchdir *self = check_type(L, function);
  tideL_checkserial(L, tideL_get(L), self->serial, self->watch, function);
  return self->watch;
}

static bool is_closed(const tideL_watchdir *self) {
  return self->watch == NULL || self->watch->handle.closed;
}

static int push_fault(lua_State *L, const char *path, int err) {
  lua_pushnil(L);
  lua_pushfstring(L, "%s: %s", path, uv_strerror(err));
  lua_pushstring(L, uv_err_name(err));
  return 3;
}

/* watch(path[, options]): a Watch; or nil, message, code */
static int core_watch(lua_State *L) {
  static const char name[] = "tide.fs.watch";
  const tideL_state *S = tideL_open(L);
  tideL_watchdir *self;
  size_t length, limit;
  const char *path;
  int err;
  if (lua_type(L, 1) != LUA_TSTRING)
    tideL_typeerror(L, 1, name, "path");
  if (!lua_isnoneornil(L, 2) && lua_type(L, 2) != LUA_TTABLE)
    tideL_typeerror(L, 2, name, "table");
  path = lua_tolstring(L, 1, &length);
  limit = tideL_optsize(L, 2, name, "limit", TIDE_WATCH_NAMES);
  if (strlen(path) != length)
    return push_fault(L, path, UV_EINVAL);
  self = tideL_newuserdata(L, sizeof *self);
  *self = (tideL_watchdir){MAGIC, S->serial, NULL};
  tideL_own(L, OWN_WATCHDIR);
  lua_setmetatable(L, -2);
  err = tideR_watchdir_new(S->rt, path, limit, &self->watch);
  return err < 0 ? push_fault(L, path, err) : 1;
}

/* ---- what comes ---- */

/* Out of memory it is there yet. */
static int has_changed(lua_State *L, tideL_state *S, tideR_task *task) {
  static const char *const kinds[] = {NULL, "change", "rename", "overflow",
                                      "removed"};
  tideR_watchdir *watch;
  tideR_changekind kind;
  const char *name;
  size_t length;
  int err;
  tideL_checkdelivered(L, S, task);
  watch = check(L, "Watch:next");
  err = tideR_watchdir_see(watch, &kind, &name, &length);
  if (err < 0) {
    int n = tideL_pushfault(L, err);
    tideR_watchdir_take(watch);
    return n;
  }
  lua_pushstring(L, kinds[kind]);
  if (name != NULL)
    lua_pushlstring(L, name, length);
  else
    lua_pushnil(L);
  tideR_watchdir_take(watch);
  return 2;
}

/* As reader.c: making the strings may run finalisers, and may fail. */
static void check_free(lua_State *L, const char *name,
                       const tideR_watchdir *watch) {
  if (watch->held && tideL_infinaliser(L))
    tideL_error(L, "'%s' cannot be called in a finaliser", name);
  if (watch->busy)
    tideL_error(L, "'%s': another task waits for its changes", name);
}

/* Watch:next(): kind, name */
static int watch_next(lua_State *L) {
  static const char name[] = "Watch:next";
  tideL_state *S = tideL_get(L);
  tideR_task *task = tideL_enter(L, S, name);
  tideR_watchdir *watch = check(L, name);
  if (tideL_checkpoint(S, task))
    return tideL_cancel(L, S, task, name, has_changed);
  check_free(L, name, watch);
  if (tideR_watchdir_ready(watch))
    return tideL_ready(L, S, task, tideR_watchdir_promise(watch), has_changed);
  tideL_checkyield(L, task, name);
  tideR_watchdir_park(S->rt, task, watch);
  return tideL_suspend(L, S, task, has_changed);
}

/* ---- the rest ---- */

/* Watch:close(): what was not taken is dropped; again is fine */
static int watch_close(lua_State *L) {
  const tideL_watchdir *self = check_type(L, "Watch:close");
  if (self->watch != NULL)
    tideR_handle_close(&self->watch->handle);
  return 0;
}

static int watch__gc(lua_State *L) {
  tideL_watchdir *self = lua_touserdata(L, 1);
  if (self->watch != NULL)
    tideR_handle_release(&self->watch->handle);
  self->watch = NULL;
  return 0;
}

static int watch_is_closing(lua_State *L) {
  lua_pushboolean(L, is_closed(check_type(L, "Watch:is_closing")));
  return 1;
}

/* Watch:stats(): {pending=, dropped=} */
static int watch_stats(lua_State *L) {
  const tideR_watchdir *watch = check(L, "Watch:stats");
  lua_createtable(L, 0, 2);
  tideL_setcount(L, "pending", watch->count);
  tideL_setcount(L, "dropped", watch->dropped);
  return 1;
}

static int watch__tostring(lua_State *L) {
  const tideL_watchdir *self = check_type(L, "Watch:__tostring");
  lua_pushfstring(L, "Watch<%s>", is_closed(self) ? "closed" : "open");
  return 1;
}

void tideL_openwatchdir(lua_State *L) {
  static const luaL_Reg methods[] = {{"close", watch_close},
                                     {"is_closing", watch_is_closing},
                                     {"stats", watch_stats},
                                     {NULL, NULL}};
  static const luaL_Reg metamethods[] = {{"__gc", watch__gc},
                                         {"__close", watch_close},
                                         {"__tostring", watch__tostring},
                                         {NULL, NULL}};
  static const luaL_Reg functions[] = {{"fs_watch", core_watch}, {NULL, NULL}};
  static const tideL_awaiting awaiting[] = {
      {"Watch:next", watch_next, has_changed, AWAIT_RESULTS},
      {NULL, NULL, NULL, AWAIT_RESULTS}};
  tideL_newclass(L, OWN_WATCHDIR, "tide.Watch", methods, metamethods);
  tideL_setawaiting(L, awaiting);
  tideL_own(L, OWN_WATCHDIR); /* what a `for` calls */
  lua_getfield(L, -2, "next");
  lua_setfield(L, -2, "__call");
  lua_pop(L, 2);
  tideL_setfunctions(L, functions);
}
