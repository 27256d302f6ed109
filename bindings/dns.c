/*
 * dns.c: lookups: names to addresses, and back.
 *
 * A Lookup is made by a function that checks, and then awaited: that begins it.
 * What is in numbers is known without asking anybody.
 */
#include <string.h>

#include "streams.h"

#define MAGIC 0x6c6f6f6bu
#define HOST_MAX 253 /* bytes: no name is longer, and libuv once cut at 256 */

typedef struct tideL_lookup {
  uint32_t magic;
  uint32_t serial; /* of the runtime */
  const char *function;
  bool is_name;
  tideR_lookup *lookup; /* NULL: it is over already, or was, with: */
  int status;
  unsigned count;
  tideL_address known[2];
} tideL_lookup;

static tideL_lookup *new_lookup(lua_State *L, const tideL_state *S,
                                const char *function, bool is_name) {
  tideL_lookup *self = tideL_newuserdata(L, sizeof *self);
  self->magic = MAGIC;
  self->serial = S->serial;
  self->function = function;
  self->is_name = is_name;
  self->lookup = NULL;
  self->status = 0;
  self->count = 0;
  tideL_own(L, OWN_LOOKUP);
  lua_setmetatable(L, -2);
  return self;
}

static tideL_lookup *check(lua_State *L) {
  tideL_lookup *self = lua_touserdata(L, 1);
  if (self == NULL || lua_rawlen(L, 1) != sizeof *self || self->magic != MAGIC)
    tideL_typeerror(L, 1, "Lookup:wait", "Lookup");
  return self;
}

static void release(tideL_lookup *self) {
  if (self->lookup != NULL)
    tideR_lookup_release(self->lookup);
  self->lookup = NULL;
  self->status = UV_ECANCELED;
}

/* ---- arguments ---- */

/* Of a text that C cuts at a zero. */
static bool is_whole(const char *text, size_t length) {
  return length > 0 && strlen(text) == length;
}

static void check_options(lua_State *L, const char *function) {
  if (!lua_isnoneornil(L, 3) && lua_type(L, 3) != LUA_TTABLE)
    tideL_typeerror(L, 3, function, "table");
}

static int read_family(lua_State *L, const char *function) {
  static const char *const names[] = {"inet", "inet6"};
  static const int families[] = {AF_INET, AF_INET6};
  int family = AF_UNSPEC;
  if (lua_type(L, 3) != LUA_TTABLE)
    return family;
  if (tideL_getfield(L, 3, "family") != LUA_TNIL) {
    const char *given = lua_tostring(L, -1);
    for (int i = 0; given != NULL && i < 2; i++)
      if (strcmp(given, names[i]) == 0)
        family = families[i];
    if (family == AF_UNSPEC)
      tideL_error(L,
                  "bad option 'family' to '%s' (\"inet\" or \"inet6\" "
                  "expected)",
                  function);
  }
  lua_pop(L, 1);
  return family;
}

/* ---- what is known ---- */

static void know(tideL_lookup *self, const char *host, int port, int family) {
  tideL_address *address = &self->known[self->count];
  if (tideL_parseaddress(host, strlen(host), port, address) &&
      (family == AF_UNSPEC || family == address->ss_family))
    self->count++;
}

/* No host: all addresses of this machine, for who listens. */
static void know_any(tideL_lookup *self, int port, int family) {
  know(self, "0.0.0.0", port, family);
  know(self, "::", port, family);
}

/* True: it is in numbers, even if it is none of that family. */
static bool know_host(tideL_lookup *self, const char *host, int port,
                      int family) {
  if (!tideL_parseaddress(host, strlen(host), port, &self->known[0]))
    return false;
  know(self, host, port, family);
  if (self->count == 0)
    self->status = UV_EAI_ADDRFAMILY;
  return true;
}

/* ---- beginning ---- */

typedef struct wanted {
  const char *host, *service; /* NULL: none; any host, or a number: */
  size_t host_length, service_length;
  int port, family;
  bool numeric;
} wanted;

static void read_host(lua_State *L, const char *function, bool optional,
                      wanted *out) {
  out->host = NULL;
  if (optional && lua_isnoneornil(L, 1))
    return;
  if (lua_type(L, 1) != LUA_TSTRING)
    tideL_typeerror(L, 1, function, "host");
  out->host = lua_tolstring(L, 1, &out->host_length);
}

static void read_service(lua_State *L, const char *function, wanted *out) {
  out->service = NULL;
  out->port = 0;
  if (lua_isnoneornil(L, 2))
    return;
  if (lua_type(L, 2) != LUA_TSTRING && lua_type(L, 2) != LUA_TNUMBER)
    tideL_typeerror(L, 2, function, "service");
  if (!lua_isnumber(L, 2))
    out->service = lua_tolstring(L, 2, &out->service_length);
  else
    out->port = (int)tideL_checkport(L, 2, function);
}

static int ask(tideL_lookup *self, const wanted *want) {
  struct addrinfo hints = {0};
  char port[8];
  const char *service = want->service;
  hints.ai_family = want->family;
  hints.ai_socktype = SOCK_STREAM; /* or each would come once for each type */
  if (want->host == NULL)
    hints.ai_flags = AI_PASSIVE;
  if (service == NULL) {
    hints.ai_flags |= AI_NUMERICSERV;
    snprintf(port, sizeof port, "%d", want->port);
    service = port;
  }
  return tideR_lookup_info(&self->lookup, want->host, service, &hints);
}

/* Why it cannot be; or 0, and it is known or to be asked. */
static int look(tideL_lookup *self, const wanted *want) {
  if (want->host != NULL && (want->host_length > HOST_MAX ||
                             !is_whole(want->host, want->host_length)))
    return UV_EAI_NONAME;
  if (want->service != NULL &&
      (want->numeric || !is_whole(want->service, want->service_length)))
    return UV_EAI_SERVICE;
  if (want->service != NULL)
    return ask(self, want);
  if (want->host == NULL) {
    know_any(self, want->port, want->family);
    return 0;
  }
  if (know_host(self, want->host, want->port, want->family))
    return self->status;
  return want->numeric ? UV_EAI_NONAME : ask(self, want);
}

/* addrinfo(host[, service[, options]]): a Lookup */
static int core_addrinfo(lua_State *L) {
  static const char name[] = "tide.dns.getaddrinfo";
  const tideL_state *S = tideL_open(L);
  wanted want;
  tideL_lookup *self;
  check_options(L, name);
  read_host(L, name, tideL_optflag(L, 3, "passive", false), &want);
  read_service(L, name, &want);
  want.family = read_family(L, name);
  want.numeric = tideL_optflag(L, 3, "numeric", false);
  self = new_lookup(L, S, name, false);
  self->status = look(self, &want);
  return 1;
}

/* nameinfo(host, port[, options]): a Lookup */
static int core_nameinfo(lua_State *L) {
  static const char name[] = "tide.dns.getnameinfo";
  const tideL_state *S = tideL_open(L);
  tideL_address address;
  tideL_lookup *self;
  bool known = tideL_readaddress(L, 1, name, &address);
  check_options(L, name);
  self = new_lookup(L, S, name, true);
  if (!known) {
    self->status = UV_EAI_NONAME;
  } else if (tideL_optflag(L, 3, "numeric", false)) {
    self->known[0] = address;
    self->count = 1;
  } else {
    self->status =
        tideR_lookup_name(&self->lookup, (const struct sockaddr *)&address);
  }
  return 1;
}

/* ---- what was found ---- */

static void add_entry(lua_State *L, const tideL_address *address, int place) {
  bool is_ip6 = address->ss_family == AF_INET6;
  lua_createtable(L, 0, 3);
  lua_pushstring(L, is_ip6 ? "inet6" : "inet");
  lua_setfield(L, -2, "family");
  tideL_pushaddress(L, address, sizeof *address);
  lua_setfield(L, -3, "port");
  lua_setfield(L, -2, "host");
  lua_rawseti(L, -2, place);
}

/* An address may be there twice, in a hosts file say: `seen` is at that index.
 */
static bool is_seen(lua_State *L, int seen, const struct addrinfo *it) {
  bool before;
  lua_pushlstring(L, (const char *)it->ai_addr, it->ai_addrlen);
  lua_pushvalue(L, -1);
  lua_rawget(L, seen);
  before = lua_toboolean(L, -1);
  lua_pop(L, 1);
  lua_pushboolean(L, 1);
  lua_rawset(L, seen);
  return before;
}

static int push_found(lua_State *L, const struct addrinfo *it) {
  int n = 0;
  lua_settop(L, 1);
  lua_newtable(L);
  lua_newtable(L);
  for (; it != NULL; it = it->ai_next)
    if ((it->ai_family == AF_INET || it->ai_family == AF_INET6) &&
        !is_seen(L, 2, it))
      add_entry(L, (const tideL_address *)(void *)it->ai_addr, ++n);
  return n > 0 ? 1 : tideL_pushdone(L, UV_EAI_NODATA);
}

static int push_known(lua_State *L, const tideL_lookup *self) {
  lua_createtable(L, (int)self->count, 0);
  for (unsigned i = 0; i < self->count; i++)
    add_entry(L, &self->known[i], (int)i + 1);
  return 1;
}

static int push_names(lua_State *L, const tideL_lookup *self) {
  if (self->lookup != NULL) {
    lua_pushstring(L, tideR_lookup_host(self->lookup));
    lua_pushstring(L, tideR_lookup_service(self->lookup));
  } else {
    tideL_pushaddress(L, &self->known[0], sizeof self->known[0]);
    lua_pushfstring(L, "%d", (int)lua_tointeger(L, -1));
    lua_replace(L, -2);
  }
  return 2;
}

static int push_results(lua_State *L, const tideL_lookup *self) {
  int status = self->status;
  if (self->lookup != NULL)
    status = tideR_lookup_status(self->lookup);
  if (status < 0)
    return tideL_pushdone(L, status);
  if (self->is_name)
    return push_names(L, self);
  if (self->lookup == NULL)
    return push_known(L, self);
  return push_found(L, tideR_lookup_addresses(self->lookup));
}

/* ---- waiting ---- */

static int has_found(lua_State *L, tideL_state *S, tideR_task *task) {
  tideL_lookup *self = check(L);
  int n;
  if (task->status != TIDE_WOKEN)
    release(self); /* and not when it is collected */
  tideL_checkdelivered(L, S, task);
  n = push_results(L, self);
  release(self);
  return n;
}

/* Lookup:wait(): what the function that made it returns */
static int lookup_wait(lua_State *L) {
  tideL_state *S = tideL_get(L);
  tideL_lookup *self = check(L);
  const char *name = self->function;
  tideR_task *task = tideL_enter(L, S, name);
  if (self->serial != S->serial)
    tideL_error(L, "'%s': the loop is closed", name);
  if (tideL_checkpoint(S, task))
    return tideL_cancel(L, S, task, name, has_found);
  if (self->lookup == NULL)
    return tideL_ready(L, S, task, NULL, has_found);
  tideL_checkyield(L, task, name);
  if (tideR_lookup_begin(S->rt, self->lookup))
    return tideL_ready(L, S, task, NULL, has_found);
  tideR_lookup_park(S->rt, task, self->lookup);
  return tideL_suspend(L, S, task, has_found);
}

static int lookup__gc(lua_State *L) {
  release(lua_touserdata(L, 1));
  return 0;
}

void tideL_opendns(lua_State *L) {
  static const luaL_Reg methods[] = {{NULL, NULL}};
  static const luaL_Reg metamethods[] = {{"__gc", lookup__gc}, {NULL, NULL}};
  static const luaL_Reg functions[] = {
      {"addrinfo", core_addrinfo}, {"nameinfo", core_nameinfo}, {NULL, NULL}};
  static const tideL_awaiting awaiting[] = {
      {"Lookup:wait", lookup_wait, has_found, AWAIT_RESULTS},
      {NULL, NULL, NULL, AWAIT_RESULTS}};
  tideL_newclass(L, OWN_LOOKUP, "tide.Lookup", methods, metamethods);
  tideL_setawaiting(L, awaiting);
  lua_pop(L, 1);
  tideL_setfunctions(L, functions);
}
