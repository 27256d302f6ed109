/* stdio.c: standard input, output and error; what terminals do besides. */
#include "../runtime/standard.h"

#include "streams.h"

/* stdio(fd): the Stream of 0, 1 or 2, the same each time; or nil, message,
 * code */
static int core_stdio(lua_State *L) {
  const tideL_state *S = tideL_open(L);
  int fd = (int)luaL_checkinteger(L, 1), err;
  tideL_stream *self;
  if (fd < 0 || fd > 2)
    return luaL_argerror(L, 1, "0, 1 or 2 expected");
  lua_settop(L, 0);
  tideL_own(L, OWN_STDIO);
  if (tideL_rawgeti(L, 1, fd + 1) != LUA_TNIL)
    return 1;
  self = tideL_newstream(L, S);
  if (tideL_rawgeti(L, 1, fd + 1) != LUA_TNIL)
    return 1; /* a finaliser was quicker */
  lua_pop(L, 1);
  lua_pushvalue(L, -1);
  lua_rawseti(L, 1, fd + 1);
  err = tideR_stdio_open(S->rt, fd, &self->stream);
  if (err == 0)
    return 1;
  lua_pushnil(L);
  lua_rawseti(L, 1, fd + 1);
  return tideL_pushfault(L, err);
}

/* is_terminal(fd) */
static int core_is_terminal(lua_State *L) {
  int fd = (int)luaL_checkinteger(L, 1);
  lua_pushboolean(L, uv_guess_handle(fd) == UV_TTY);
  return 1;
}

void tideL_flushstdio(const tideL_stream *self) {
  if (self->stream != NULL && tideR_stream_is_stdio(self->stream))
    tideR_stdio_flush(self->stream, 5);
}

/* ---- terminals ---- */

/* Stream:is_terminal() */
static int stream_is_terminal(lua_State *L) {
  const tideL_stream *self =
      tideL_checkstream(L, tideL_get(L), "Stream:is_terminal");
  lua_pushboolean(L, tideR_stdio_is_terminal(self->stream));
  return 1;
}

/* Of one that is none, ENOTTY. */
static int push_fault(lua_State *L, const tideR_stream *stream, int err) {
  if (err == UV_ENOTTY && tideR_stream_closed(stream))
    err = UV_ECANCELED;
  return tideL_pushfault(L, err);
}

/* Stream:set_raw(on[, {interrupt=}]): keys come one by one, unseen; with
 * `interrupt` Ctrl-C stays a signal. True, or nil, message, code */
static int stream_set_raw(lua_State *L) {
  static const char name[] = "Stream:set_raw";
  tideR_stream *stream = tideL_checkstream(L, tideL_get(L), name)->stream;
  tideR_keys keys = TIDE_KEYS_LINES;
  int err = UV_ENOTTY;
  if (lua_type(L, 2) != LUA_TBOOLEAN)
    return tideL_typeerror(L, 2, name, "boolean");
  if (!lua_isnoneornil(L, 3) && lua_type(L, 3) != LUA_TTABLE)
    return tideL_typeerror(L, 3, name, "table");
  if (lua_toboolean(L, 2))
    keys = tideL_optflag(L, 3, "interrupt", false) ? TIDE_KEYS_INTERRUPT
                                                   : TIDE_KEYS_RAW;
  if (tideR_stdio_is_terminal(stream))
    err = tideR_stdio_raw(stream, keys);
  if (err < 0)
    return push_fault(L, stream, err);
  lua_pushboolean(L, 1);
  return 1;
}

/* Stream:window_size(): columns and rows; or nil, message, code */
static int stream_window_size(lua_State *L) {
  const tideR_stream *stream =
      tideL_checkstream(L, tideL_get(L), "Stream:window_size")->stream;
  int columns, rows, err = UV_ENOTTY;
  if (tideR_stdio_is_terminal(stream))
    err = tideR_stdio_size(stream, &columns, &rows);
  if (err < 0)
    return push_fault(L, stream, err);
  lua_pushinteger(L, columns);
  lua_pushinteger(L, rows);
  return 2;
}

void tideL_addterminal(lua_State *L) {
  static const luaL_Reg methods[] = {{"is_terminal", stream_is_terminal},
                                     {"set_raw", stream_set_raw},
                                     {"window_size", stream_window_size},
                                     {NULL, NULL}};
  tideL_setfunctions(L, methods);
}

void tideL_openstdio(lua_State *L) {
  static const luaL_Reg functions[] = {
      {"stdio", core_stdio}, {"is_terminal", core_is_terminal}, {NULL, NULL}};
  tideL_setfunctions(L, functions);
}
