/* server.c: the Server object: a socket that connections are accepted from. */
#include <limits.h>

#include "streams.h"

#define MAGIC 0x73727672u
#define BACKLOG 511

typedef struct tideL_server {
  uint32_t magic;
  uint32_t serial; /* of the runtime */
  tideR_server *server;
  tideL_wiring wiring; /* of the streams that it accepts */
} tideL_server;

static tideL_server *check_type(lua_State *L, const char *function) {
  tideL_server *self = lua_touserdata(L, 1);
  if (self == NULL || lua_rawlen(L, 1) != sizeof *self || self->magic != MAGIC)
    tideL_typeerror(L, 1, function, "Server");
  return self;
}

static tideL_server *check(lua_State *L, const char *function) {
  tideL_server *self = check_type(L, function);
  tideL_checkserial(L, tideL_get(L), self->serial, self->server, function);
  return self;
}

static bool is_closed(const tideL_server *self) {
  return self->server == NULL || tideR_server_handle(self->server)->closed;
}

/* ---- listening ---- */

static void read_listening(lua_State *L, int arg, const char *function,
                           tideR_listening *out) {
  size_t backlog = tideL_optsize(L, arg, function, "backlog", BACKLOG);
  out->backlog = backlog < INT_MAX ? (int)backlog : INT_MAX;
  out->reuseaddr = tideL_optflag(L, arg, "reuseaddr", true);
  out->reuseport = tideL_optflag(L, arg, "reuseport", false);
  out->ipv6only = tideL_optflag(L, arg, "ipv6only", false);
  out->replace = tideL_optflag(L, arg, "replace", false);
}

static tideL_server *new_server(lua_State *L, const tideL_state *S,
                                const tideL_wiring *wiring) {
  tideL_server *self = tideL_newuserdata(L, sizeof *self);
  *self = (tideL_server){MAGIC, S->serial, NULL, *wiring};
  tideL_own(L, OWN_SERVER);
  lua_setmetatable(L, -2);
  return self;
}

/* tcp_listen(host, port[, options]): a Server; or nil, message, code */
static int core_tcp_listen(lua_State *L) {
  static const char name[] = "tide.net.listen";
  const tideL_state *S = tideL_open(L);
  tideL_address at;
  tideL_wiring wiring;
  tideR_listening listening;
  tideL_server *self;
  int err;
  if (!tideL_readaddress(L, 1, name, &at))
    return tideL_argerror(L, 1, name, "a host in numbers expected");
  tideL_readwiring(L, 3, name, &wiring);
  read_listening(L, 3, name, &listening);
  self = new_server(L, S, &wiring);
  err = tideR_server_tcp(S->rt, (const struct sockaddr *)&at, &listening,
                         &self->server);
  return err < 0 ? tideL_pushfault(L, err) : 1;
}

/* check_listen(host, port[, options]): raises what tcp_listen would, of a host
 * by name */
static int core_check_listen(lua_State *L) {
  static const char name[] = "tide.net.listen";
  tideL_wiring wiring;
  tideR_listening listening;
  tideL_checkport(L, 2, name);
  tideL_readwiring(L, 3, name, &wiring);
  read_listening(L, 3, name, &listening);
  return 0;
}

/* unix_listen(path[, options]) */
static int core_unix_listen(lua_State *L) {
  static const char name[] = "tide.net.listen";
  const tideL_state *S = tideL_open(L);
  size_t length;
  const char *path;
  tideL_wiring wiring;
  tideR_listening listening;
  tideL_server *self;
  int err;
  if (lua_type(L, 1) != LUA_TSTRING)
    tideL_typeerror(L, 1, name, "path");
  path = lua_tolstring(L, 1, &length);
  tideL_readwiring(L, 2, name, &wiring);
  read_listening(L, 2, name, &listening);
  self = new_server(L, S, &wiring);
  err = tideR_server_unix(S->rt, path, length, &listening, &self->server);
  return err < 0 ? tideL_pushfault(L, err) : 1;
}

/* ---- accepting ---- */

static int has_accepted(lua_State *L, tideL_state *S, tideR_task *task) {
  const tideL_server *self;
  tideR_server *server;
  tideL_stream *stream;
  tideR_wire *wire;
  int err;
  tideL_checkdelivered(L, S, task);
  self = check(L, "Server:accept");
  server = self->server; /* stays until the loop goes on */
  tideR_server_hold(server);
  stream = tideL_newstream(L, S); /* out of memory, it is the next one's */
  err = tideR_server_take(server, &wire);
  if (err < 0)
    return tideL_pushfault(L, err);
  tideL_wire(stream, wire, &self->wiring);
  return 1;
}

/* Server:accept(): a Stream; nil, message, "ECANCELED" once it is closed */
static int server_accept(lua_State *L) {
  static const char name[] = "Server:accept";
  tideL_state *S = tideL_get(L);
  tideR_task *task = tideL_enter(L, S, name);
  tideR_server *server = check(L, name)->server;
  if (tideL_checkpoint(S, task))
    return tideL_cancel(L, S, task, name, has_accepted);
  if (tideR_server_handle(server)->closed)
    return tideL_ready(L, S, task, NULL, has_accepted);
  if (tideR_server_ready(server))
    return tideL_ready(L, S, task, tideR_server_promise(server), has_accepted);
  tideL_checkyield(L, task, name);
  tideR_server_park(S->rt, task, server);
  return tideL_suspend(L, S, task, has_accepted);
}

/* ---- the rest ---- */

/* Server:close(): no more are accepted; again is fine */
static int server_close(lua_State *L) {
  const tideL_server *self = check_type(L, "Server:close");
  if (self->server != NULL)
    tideR_handle_close(tideR_server_handle(self->server));
  return 0;
}

static int server__gc(lua_State *L) {
  tideL_server *self = lua_touserdata(L, 1);
  if (self->server != NULL)
    tideR_handle_release(tideR_server_handle(self->server));
  self->server = NULL;
  return 0;
}

static int server_is_closing(lua_State *L) {
  lua_pushboolean(L, is_closed(check_type(L, "Server:is_closing")));
  return 1;
}

static int server_sockname(lua_State *L) {
  const tideL_server *self = check(L, "Server:sockname");
  tideL_address name = {0};
  int size = sizeof name;
  int err = tideR_server_name(self->server, &name, &size);
  return err < 0 ? tideL_pushfault(L, err) : tideL_pushaddress(L, &name, size);
}

static int server__tostring(lua_State *L) {
  const tideL_server *self = check_type(L, "Server:__tostring");
  lua_pushfstring(L, "Server<%s>", is_closed(self) ? "closed" : "open");
  return 1;
}

void tideL_reporttrouble(lua_State *T, tideL_state *S) {
  int err = S->rt != NULL ? tideR_server_trouble(S->rt) : 0;
  if (err == 0)
    return;
  lua_pushfstring(T, "accepting connections pauses: %s", uv_strerror(err));
  tideL_reporttext(T, S, lua_tostring(T, -1));
  lua_pop(T, 1);
}

/* check_server(value, function) */
static int core_check_server(lua_State *L) {
  check_type(L, luaL_checkstring(L, 2));
  return 0;
}

void tideL_openserver(lua_State *L) {
  static const luaL_Reg methods[] = {{"close", server_close},
                                     {"is_closing", server_is_closing},
                                     {"sockname", server_sockname},
                                     {NULL, NULL}};
  static const luaL_Reg metamethods[] = {{"__gc", server__gc},
                                         {"__close", server_close},
                                         {"__tostring", server__tostring},
                                         {NULL, NULL}};
  static const luaL_Reg functions[] = {{"tcp_listen", core_tcp_listen},
                                       {"unix_listen", core_unix_listen},
                                       {"check_server", core_check_server},
                                       {"check_listen", core_check_listen},
                                       {NULL, NULL}};
  static const tideL_awaiting awaiting[] = {
      {"Server:accept", server_accept, has_accepted, AWAIT_RESULTS},
      {NULL, NULL, NULL, AWAIT_RESULTS}};
  tideL_newclass(L, OWN_SERVER, "tide.Server", methods, metamethods);
  tideL_setawaiting(L, awaiting);
  lua_setfield(L, -2, "Server");
  tideL_setfunctions(L, functions);
}
