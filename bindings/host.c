/* host.c: include/tide.h, for C programs that own the lua_State. */
#include <stdlib.h>

#include "../include/tide.h"

#include "bindings.h"

/* What the program has the address of: it leads to the state, whose runtime is
 * a new one in the child of a fork. */
struct tide_runtime {
  tideL_state *state;
};

/* stack: <address of the result> */
static int open_body(lua_State *L) {
  tideL_state **out = lua_touserdata(L, 1);
  lua_settop(L, 0);
  if (tideL_isforeign(L))
    return 0; /* *out stays NULL */
  lua_pushcfunction(L, luaopen_tide_core);
  lua_call(L, 0, 1);
  lua_getfield(L, LUA_REGISTRYINDEX, "_LOADED");
  lua_pushvalue(L, -2);
  lua_setfield(L, -2, "tide.core");
  lua_pop(L, 1);
  lua_getfield(L, -1, "loop"); /* makes the runtime */
  lua_pushvalue(L, -1);
  lua_call(L, 0, 0);
  lua_getupvalue(L, -1, 1);
  *out = lua_touserdata(L, -1);
  return 0;
}

/* Nothing is pushed outside of the protected call: on 5.1 that may raise. */
static int open_protected(lua_State *L, tideL_state **out) {
#if LUA_VERSION_NUM == 501
  int status = lua_cpcall(L, open_body, out);
#else
  int status;
  if (!lua_checkstack(L, 3))
    return UV_ENOMEM;
  lua_pushcfunction(L, open_body);
  lua_pushlightuserdata(L, out);
  status = lua_pcall(L, 1, 0, 0);
#endif
  if (status == LUA_OK)
    return *out != NULL ? 0 : UV_EEXIST;
  lua_pop(L, 1);
  return UV_ENOMEM;
}

int tide_open(tide_runtime **out, lua_State *L, const tide_options *options) {
  tideL_state *S = NULL;
  int err;
  *out = NULL;
  if (options != NULL && options->size < sizeof options->size)
    return UV_EINVAL;
  err = open_protected(L, &S);
  if (err < 0)
    return err;
  if (options != NULL && options->size >= sizeof *options &&
      options->no_blocking)
    S->blocking = false;
  if (S->host == NULL && (S->host = calloc(1, sizeof *S->host)) == NULL)
    return UV_ENOMEM;
  S->host->state = S;
  S->embedded = true;
  *out = S->host;
  return 0;
}

static tideL_state *current(const tide_runtime *rt) {
  return rt->state;
}

int tide_step(tide_runtime *rt, double budget) {
  return tideL_step(current(rt), budget);
}

int tide_run(tide_runtime *rt) {
  tideL_state *S = current(rt);
  if (tideL_isbusy(S))
    return UV_EBUSY;
  return tideL_drive(S);
}

double tide_next_timeout(tide_runtime *rt) {
  return tideR_loop_timeout(current(rt)->rt);
}

int tide_fd(tide_runtime *rt) {
  return tideR_loop_fd(current(rt)->rt);
}

int tide_close(tide_runtime *rt, void (*closed)(void *ud), void *ud) {
  tideL_state *S = current(rt);
  int err;
  if (tideL_isbusy(S))
    return UV_EBUSY;
  S->embedded = false;
  err = tideL_shut(S);
  S->blocking = true;
  if (err == 0 && closed != NULL)
    closed(ud);
  return err;
}
