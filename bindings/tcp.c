/* tcp.c: streams that connect, over TCP or by the name of a Unix socket. */
#include "streams.h"

/* ---- beginning to connect ---- */

static bool is_port(lua_State *L, int index) {
  lua_Number port = lua_tonumber(L, index);
  return lua_isnumber(L, index) && port >= 0 && port <= 65535 &&
         port == (lua_Number)(unsigned)port;
}

/* What options.local_address says: host, or {host, port}. */
static const struct sockaddr *read_local(lua_State *L, int arg,
                                         const char *function,
                                         tideL_address *out) {
  int top = lua_gettop(L);
  bool known;
  if (lua_type(L, arg) != LUA_TTABLE ||
      tideL_getfield(L, arg, "local_address") == LUA_TNIL) {
    lua_settop(L, top);
    return NULL;
  }
  if (lua_type(L, -1) == LUA_TTABLE) {
    lua_rawgeti(L, -1, 1);
    lua_rawgeti(L, -2, 2);
    if (lua_isnil(L, -1)) {
      lua_pop(L, 1);
      lua_pushinteger(L, 0);
    }
  } else {
    lua_pushinteger(L, 0);
  }
  known = lua_type(L, -2) == LUA_TSTRING && is_port(L, -1) &&
          tideL_readaddress(L, lua_gettop(L) - 1, function, out);
  if (!known)
    tideL_error(L,
                "bad option 'local_address' to '%s' (a host in numbers, or "
                "{host, port} expected)",
                function);
  lua_settop(L, top);
  return (const struct sockaddr *)out;
}

static int give_stream(lua_State *L, tideL_stream *self, int err,
                       tideR_wire *wire, const tideL_wiring *wiring) {
  if (err < 0)
    return tideL_pushfault(L, err);
  tideL_wire(self, wire, wiring);
  return 1;
}

/* tcp_connect(host, port[, options]): a Stream that has begun to; or nil,
 * message, code */
static int core_tcp_connect(lua_State *L) {
  static const char name[] = "tide.net.connect";
  const tideL_state *S = tideL_open(L);
  tideL_address to, local;
  const struct sockaddr *from;
  tideL_wiring wiring;
  tideL_stream *self;
  tideR_wire *wire;
  int err;
  if (!tideL_readaddress(L, 1, name, &to))
    return tideL_argerror(L, 1, name, "a host in numbers expected");
  tideL_readwiring(L, 3, name, &wiring);
  from = read_local(L, 3, name, &local);
  self = tideL_newstream(L, S);
  err = tideR_tcp_connect(S->rt, (const struct sockaddr *)&to, from, &wire);
  return give_stream(L, self, err, wire, &wiring);
}

/* check_connect(host, port[, options]): raises what tcp_connect would, of a
 * host by name */
static int core_check_connect(lua_State *L) {
  static const char name[] = "tide.net.connect";
  tideL_address local;
  tideL_wiring wiring;
  tideL_checkport(L, 2, name);
  tideL_readwiring(L, 3, name, &wiring);
  read_local(L, 3, name, &local);
  return 0;
}

/* unix_connect(path[, options]) */
static int core_unix_connect(lua_State *L) {
  static const char name[] = "tide.net.connect";
  const tideL_state *S = tideL_open(L);
  size_t length;
  const char *path;
  tideL_wiring wiring;
  tideL_stream *self;
  tideR_wire *wire;
  int err;
  if (lua_type(L, 1) != LUA_TSTRING)
    tideL_typeerror(L, 1, name, "path");
  path = lua_tolstring(L, 1, &length);
  tideL_readwiring(L, 2, name, &wiring);
  self = tideL_newstream(L, S);
  err = tideR_unix_connect(S->rt, path, length, &wire);
  return give_stream(L, self, err, wire, &wiring);
}

/* is_address(host): it is in numbers */
static int core_is_address(lua_State *L) {
  tideL_address address;
  lua_settop(L, 1);
  lua_pushinteger(L, 0);
  lua_pushboolean(L, tideL_readaddress(L, 1, "is_address", &address));
  return 1;
}

/* ---- waiting for it ---- */

static int has_opened(lua_State *L, tideL_state *S, tideR_task *task) {
  tideR_wire *wire;
  int err;
  tideL_checkdelivered(L, S, task);
  wire = tideR_wire_of(tideL_checkstream(L, S, "tide.net.connect")->stream);
  err = tideR_wire_opened(wire);
  if (err < 0) {
    tideR_handle_close(&wire->stream.handle);
    return tideL_pushfault(L, err);
  }
  lua_settop(L, 1);
  return 1;
}

/* opened(stream): itself, once it is connected; or nil, message, code. A cancel
 * closes it. */
static int core_opened(lua_State *L) {
  static const char name[] = "tide.net.connect";
  tideL_state *S = tideL_get(L);
  tideR_task *task = tideL_enter(L, S, name);
  tideR_wire *wire = tideR_wire_of(tideL_checkstream(L, S, name)->stream);
  if (tideL_checkpoint(S, task)) {
    tideR_handle_close(&wire->stream.handle);
    return tideL_cancel(L, S, task, name, has_opened);
  }
  if (!tideR_wire_opening(wire))
    return tideL_ready(L, S, task, NULL, has_opened);
  tideL_checkyield(L, task, name);
  tideR_wire_park(S->rt, task, wire);
  return tideL_suspend(L, S, task, has_opened);
}

void tideL_opentcp(lua_State *L) {
  static const luaL_Reg functions[] = {{"tcp_connect", core_tcp_connect},
                                       {"unix_connect", core_unix_connect},
                                       {"check_connect", core_check_connect},
                                       {"is_address", core_is_address},
                                       {NULL, NULL}};
  static const tideL_awaiting awaiting[] = {
      {"net.opened", core_opened, has_opened, AWAIT_RESULTS},
      {NULL, NULL, NULL, AWAIT_RESULTS}};
  tideL_setfunctions(L, functions);
  tideL_setawaiting(L, awaiting);
}
