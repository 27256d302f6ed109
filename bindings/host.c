/* host.c: include/tide.h, for C programs that own the lua_State. */
#include "../include/tide.h"

#include "bindings.h"

/* stack: <address of the result> */
static int open_body(lua_State *L) {
  tideL_state **out = lua_touserdata(L, 1);
  lua_settop(L, 0);
  lua_pushcfunction(L, luaopen_tide_core);
  lua_call(L, 0, 1);
  lua_getfield(L, -1, "loop"); /* makes the runtime */
  lua_pushvalue(L, -1);
  lua_call(L, 0, 0);
  lua_getupvalue(L, -1, 1);
  *out = lua_touserdata(L, -1);
  return 0;
}

int tide_open(tide_runtime **out, lua_State *L, const tide_options *options) {
  tideL_state *S = NULL;
  *out = NULL;
  if (options != NULL && options->size < sizeof options->size)
    return UV_EINVAL;
  if (!lua_checkstack(L, 3))
    return UV_ENOMEM;
  lua_pushcfunction(L, open_body);
  lua_pushlightuserdata(L, &S);
  if (lua_pcall(L, 1, 0, 0) != LUA_OK) {
    lua_pop(L, 1);
    return UV_ENOMEM;
  }
  if (options != NULL && options->size >= sizeof *options &&
      options->no_blocking)
    S->blocking = false;
  *out = S->rt;
  return 0;
}

int tide_step(tide_runtime *rt, double budget) {
  return tideL_step(tide_runtime_data(rt), budget);
}

int tide_run(tide_runtime *rt) {
  tideL_state *S = tide_runtime_data(rt);
  if (tideL_isbusy(S))
    return UV_EBUSY;
  return tideL_drive(S);
}

double tide_next_timeout(tide_runtime *rt) {
  return tide_loop_timeout(rt);
}

int tide_fd(tide_runtime *rt) {
  return tide_loop_fd(rt);
}

int tide_close(tide_runtime *rt, void (*closed)(void *ud), void *ud) {
  tideL_state *S = tide_runtime_data(rt);
  int err;
  if (tideL_isbusy(S))
    return UV_EBUSY;
  err = tideL_shut(S);
  if (err == 0 && closed != NULL)
    closed(ud);
  return err;
}
