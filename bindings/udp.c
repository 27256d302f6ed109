/* udp.c: the Udp object: a socket for datagrams. */
#include <string.h>

#include "streams.h"

#define MAGIC 0x75647075u

static tideL_udp *check_type(lua_State *L, const char *function) {
  tideL_udp *self = lua_touserdata(L, 1);
  if (self == NULL || lua_rawlen(L, 1) != sizeof *self || self->magic != MAGIC)
    tideL_typeerror(L, 1, function, "Udp");
  return self;
}

static tideL_udp *check(lua_State *L, const char *function) {
  tideL_udp *self = check_type(L, function);
  tideL_checkserial(L, tideL_get(L), self->serial, self->udp, function);
  return self;
}

static bool is_closed(const tideL_udp *self) {
  return self->udp == NULL || self->udp->handle.closed;
}

/* What is too long is no limit's here. */
static int push_fault(lua_State *L, int err) {
  int n = tideL_pushfault(L, err);
  if (err == UV_EMSGSIZE) {
    lua_pushstring(L, uv_strerror(err));
    lua_replace(L, -3);
  }
  return n;
}

static int push_done(lua_State *L, int err) {
  if (err < 0)
    return push_fault(L, err);
  lua_pushboolean(L, 1);
  return 1;
}

/* ---- making one ---- */

static int read_family(lua_State *L, const char *function) {
  static const struct {
    const char *name;
    int family;
  } families[] = {{"inet", AF_INET}, {"inet6", AF_INET6}};
  int family = AF_UNSPEC;
  if (lua_type(L, 1) != LUA_TTABLE)
    return family;
  if (tideL_getfield(L, 1, "family") != LUA_TNIL) {
    const char *name =
        lua_type(L, -1) == LUA_TSTRING ? lua_tostring(L, -1) : "";
    for (unsigned i = 0; i < 2; i++)
      if (strcmp(name, families[i].name) == 0)
        family = families[i].family;
    if (family == AF_UNSPEC)
      tideL_error(L, "bad option 'family' to '%s' ('inet' or 'inet6' expected)",
                  function);
  }
  lua_pop(L, 1);
  return family;
}

/* udp([options]): a Udp; or nil, message, code */
static int core_udp(lua_State *L) {
  static const char name[] = "tide.net.udp";
  const tideL_state *S = tideL_open(L);
  tideL_udp *self;
  bool reuseaddr, ipv6only;
  size_t limit;
  int err, family;
  if (!lua_isnoneornil(L, 1) && lua_type(L, 1) != LUA_TTABLE)
    tideL_typeerror(L, 1, name, "table");
  reuseaddr = tideL_optflag(L, 1, "reuseaddr", false);
  ipv6only = tideL_optflag(L, 1, "ipv6only", false);
  limit = tideL_optsize(L, 1, name, "limit", 4 * TIDE_LIMIT);
  family = read_family(L, name);
  self = tideL_newuserdata(L, sizeof *self);
  *self = (tideL_udp){MAGIC, S->serial, reuseaddr, ipv6only, NULL};
  tideL_own(L, OWN_UDP);
  lua_setmetatable(L, -2);
  err = tideR_udp_new(S->rt, family, &self->udp);
  if (err < 0)
    return push_fault(L, err);
  self->udp->limit = limit;
  return 1;
}

/* ---- addresses ---- */

static const struct sockaddr *read_address(lua_State *L, int arg,
                                           const char *function,
                                           tideL_address *out) {
  if (!tideL_readaddress(L, arg, function, out))
    tideL_argerror(L, arg, function, "a host in numbers expected");
  return (const struct sockaddr *)out;
}

/* Udp:bind(host, port) */
static int udp_bind(lua_State *L) {
  static const char name[] = "Udp:bind";
  const tideL_udp *self = check(L, name);
  tideL_address at;
  read_address(L, 2, name, &at);
  return push_done(L, tideR_udp_bind(self->udp, (const struct sockaddr *)&at,
                                     self->reuseaddr, self->ipv6only));
}

/* Udp:connect(host, port): to whom it sends, and from whom it receives only */
static int udp_connect(lua_State *L) {
  static const char name[] = "Udp:connect";
  const tideL_udp *self = check(L, name);
  tideL_address to;
  return push_done(L,
                   tideR_udp_connect(self->udp, read_address(L, 2, name, &to)));
}

static int udp_disconnect(lua_State *L) {
  return push_done(L, tideR_udp_connect(check(L, "Udp:disconnect")->udp, NULL));
}

static int push_name(lua_State *L, const tideL_udp *self, bool of_peer) {
  tideL_address name = {0};
  int size = sizeof name;
  int err = tideR_udp_name(self->udp, of_peer, &name, &size);
  return err < 0 ? push_fault(L, err) : tideL_pushaddress(L, &name, size);
}

/* Udp:sockname(), Udp:peername(): host and port */
static int udp_sockname(lua_State *L) {
  return push_name(L, check(L, "Udp:sockname"), false);
}

static int udp_peername(lua_State *L) {
  return push_name(L, check(L, "Udp:peername"), true);
}

/* ---- receiving ---- */

static int has_received(lua_State *L, tideL_state *S, tideR_task *task) {
  tideR_udp *udp;
  tideL_address from;
  const char *bytes;
  size_t size;
  int status, n;
  tideL_checkdelivered(L, S, task);
  udp = check(L, "Udp:recv")->udp;
  status = tideR_udp_see(udp, &bytes, &size, &from);
  if (status < 0) {
    n = push_fault(L, status);
  } else {
    lua_pushlstring(L, bytes, size);
    n = 1 + tideL_pushaddress(L, &from, sizeof from);
  }
  tideR_udp_take(udp);
  return n;
}

/* See bindings/reader.c: a finaliser may come while the string is made. */
static void check_free(lua_State *L, const char *name, const tideR_udp *udp) {
  if (udp->held && tideL_infinaliser(L))
    tideL_error(L, "'%s' cannot be called in a finaliser", name);
  if (udp->busy)
    tideL_error(L, "'%s': another task receives", name);
}

/* Udp:recv(): the bytes of a datagram, host and port of who sent it; or nil,
 * message, code */
static int udp_recv(lua_State *L) {
  static const char name[] = "Udp:recv";
  tideL_state *S = tideL_get(L);
  tideR_task *task = tideL_enter(L, S, name);
  tideR_udp *udp = check(L, name)->udp;
  if (tideL_checkpoint(S, task))
    return tideL_cancel(L, S, task, name, has_received);
  check_free(L, name, udp);
  if (!tideR_udp_ready(udp)) {
    if (!tideR_udp_bound(udp))
      tideL_error(L, "'%s' before bind, connect or send", name);
    tideL_checkyield(L, task, name);
    if (tideR_udp_park(S->rt, task, udp))
      return tideL_suspend(L, S, task, has_received);
  }
  return tideL_ready(L, S, task, tideR_udp_promise(udp), has_received);
}

/* ---- sending ---- */

static int has_sent(lua_State *L, tideL_state *S, tideR_task *task) {
  tideL_checkdelivered(L, S, task);
  return push_done(L, tideR_udp_sent(task));
}

/* Who fails again and again has to give up turns as well; until then others may
 * send, so what it came to is the task's. */
static int send_failed(lua_State *L, tideL_state *S, tideR_task *task,
                       tideR_udp *udp, int err) {
  tideR_wait *wait = tideR_udp_failed(udp, err);
  if (wait == NULL)
    return luaL_error(L, "not enough memory");
  if (tideL_turn(L, S, task, wait))
    return tideL_suspend(L, S, task, has_sent);
  task->wait = wait;
  return tideL_finishnow(L, S, task, has_sent);
}

/* Udp:send(data[, host, port]): true once the system has it */
static int udp_send(lua_State *L) {
  static const char name[] = "Udp:send";
  tideL_state *S = tideL_get(L);
  tideR_task *task = tideL_enter(L, S, name);
  tideR_udp *udp = check(L, name)->udp;
  const struct sockaddr *to = NULL;
  tideL_address address;
  const char *bytes;
  size_t size;
  int err;
  if (lua_type(L, 2) != LUA_TSTRING && lua_type(L, 2) != LUA_TNUMBER)
    tideL_typeerror(L, 2, name, "string");
  if (!lua_isnoneornil(L, 3) || !lua_isnoneornil(L, 4))
    to = read_address(L, 3, name, &address);
  if (tideL_checkpoint(S, task))
    return tideL_cancel(L, S, task, name, has_sent);
  bytes = lua_tolstring(L, 2, &size);
  err = tideR_udp_try_send(udp, bytes, size, to);
  if (err == UV_EAGAIN) {
    tideL_checkyield(L, task, name);
    err = tideR_udp_send(S->rt, task, udp, bytes, size, to);
    if (err == 0)
      return tideL_suspend(L, S, task, has_sent);
  }
  if (err < 0)
    return send_failed(L, S, task, udp, err);
  if (tideL_turn(L, S, task, NULL))
    return tideL_suspend(L, S, task, has_sent);
  lua_pushboolean(L, 1);
  return tideL_done(L);
}

/* ---- settings ---- */

static int udp_set_broadcast(lua_State *L) {
  static const char name[] = "Udp:set_broadcast";
  const tideL_udp *self = check(L, name);
  if (lua_type(L, 2) != LUA_TBOOLEAN)
    tideL_typeerror(L, 2, name, "boolean");
  if (is_closed(self))
    return push_fault(L, UV_ECANCELED);
  return push_done(L,
                   uv_udp_set_broadcast(&self->udp->uv, lua_toboolean(L, 2)));
}

static int udp_set_ttl(lua_State *L) {
  static const char name[] = "Udp:set_ttl";
  const tideL_udp *self = check(L, name);
  uint64_t ttl = tideL_checkcount(L, 2, name, 1);
  if (ttl > 255)
    tideL_argerror(L, 2, name, "1 to 255 expected");
  if (is_closed(self))
    return push_fault(L, UV_ECANCELED);
  return push_done(L, uv_udp_set_ttl(&self->udp->uv, (int)ttl));
}

static const char *check_numeric(lua_State *L, int arg, const char *function,
                                 const char *what) {
  tideL_address ignored;
  const char *host;
  size_t length;
  if (lua_type(L, arg) != LUA_TSTRING)
    tideL_typeerror(L, arg, function, what);
  host = lua_tolstring(L, arg, &length);
  if (strlen(host) != length ||
      (uv_ip4_addr(host, 0, (struct sockaddr_in *)&ignored) < 0 &&
       uv_ip6_addr(host, 0, (struct sockaddr_in6 *)&ignored) < 0))
    tideL_argerror(L, arg, function, "an address in numbers expected");
  return host;
}

static int set_membership(lua_State *L, const char *name,
                          uv_membership membership) {
  const tideL_udp *self = check(L, name);
  const char *group = check_numeric(L, 2, name, "group");
  const char *interface = NULL;
  if (!lua_isnoneornil(L, 3))
    interface = check_numeric(L, 3, name, "interface");
  if (is_closed(self))
    return push_fault(L, UV_ECANCELED);
  return push_done(
      L, uv_udp_set_membership(&self->udp->uv, group, interface, membership));
}

/* Udp:join(group[, interface]), Udp:leave(group[, interface]) */
static int udp_join(lua_State *L) {
  return set_membership(L, "Udp:join", UV_JOIN_GROUP);
}

static int udp_leave(lua_State *L) {
  return set_membership(L, "Udp:leave", UV_LEAVE_GROUP);
}

/* ---- the rest ---- */

/* Udp:close(): what is unread or unsent is dropped; again is fine */
static int udp_close(lua_State *L) {
  const tideL_udp *self = check_type(L, "Udp:close");
  if (self->udp != NULL)
    tideR_handle_close(&self->udp->handle);
  return 0;
}

static int udp__gc(lua_State *L) {
  tideL_udp *self = lua_touserdata(L, 1);
  if (self->udp != NULL)
    tideR_handle_release(&self->udp->handle);
  self->udp = NULL;
  return 0;
}

static int udp_is_closing(lua_State *L) {
  lua_pushboolean(L, is_closed(check_type(L, "Udp:is_closing")));
  return 1;
}

static int udp_fileno(lua_State *L) {
  const tideL_udp *self = check(L, "Udp:fileno");
  uv_os_fd_t fd;
  int err = UV_ECANCELED;
  if (!is_closed(self))
    err = uv_fileno((const uv_handle_t *)&self->udp->uv, &fd);
  if (err < 0)
    return push_fault(L, err);
  lua_pushinteger(L, (lua_Integer)(intptr_t)fd);
  return 1;
}

/* Udp:stats(): so many datagrams, so many bytes */
static int udp_stats(lua_State *L) {
  const tideR_udp *udp = check(L, "Udp:stats")->udp;
  lua_createtable(L, 0, 7);
  tideL_setcount(L, "received", udp->received);
  tideL_setcount(L, "bytes_received", udp->bytes_received);
  tideL_setcount(L, "sent", udp->sent);
  tideL_setcount(L, "bytes_sent", udp->bytes_sent);
  tideL_setcount(L, "unread", udp->unread);
  tideL_setcount(L, "unsent", udp->unsent);
  tideL_setcount(L, "dropped", udp->dropped);
  return 1;
}

static int udp__tostring(lua_State *L) {
  const tideL_udp *self = check_type(L, "Udp:__tostring");
  lua_pushfstring(L, "Udp<%s>", is_closed(self) ? "closed" : "open");
  return 1;
}

void tideL_openudp(lua_State *L) {
  static const luaL_Reg methods[] = {{"bind", udp_bind},
                                     {"connect", udp_connect},
                                     {"disconnect", udp_disconnect},
                                     {"sockname", udp_sockname},
                                     {"peername", udp_peername},
                                     {"set_broadcast", udp_set_broadcast},
                                     {"set_ttl", udp_set_ttl},
                                     {"join", udp_join},
                                     {"leave", udp_leave},
                                     {"close", udp_close},
                                     {"is_closing", udp_is_closing},
                                     {"fileno", udp_fileno},
                                     {"stats", udp_stats},
                                     {NULL, NULL}};
  static const luaL_Reg metamethods[] = {{"__gc", udp__gc},
                                         {"__close", udp_close},
                                         {"__tostring", udp__tostring},
                                         {NULL, NULL}};
  static const luaL_Reg functions[] = {{"udp", core_udp}, {NULL, NULL}};
  static const tideL_awaiting awaiting[] = {
      {"Udp:recv", udp_recv, has_received, AWAIT_RESULTS},
      {"Udp:send", udp_send, has_sent, AWAIT_MANY},
      {NULL, NULL, NULL, AWAIT_RESULTS}};
  tideL_newclass(L, OWN_UDP, "tide.Udp", methods, metamethods);
  tideL_setawaiting(L, awaiting);
  lua_pop(L, 1);
  tideL_setfunctions(L, functions);
}
