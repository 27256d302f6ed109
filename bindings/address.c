/* address.c: hosts and ports, as Lua has them and as sockets do. */
#include <string.h>
#ifndef _WIN32
#include <sys/un.h>
#endif
#include <stddef.h>

#include "streams.h"

unsigned tideL_checkport(lua_State *L, int arg, const char *function) {
  int isnum;
  lua_Number port = tideL_tonumber(L, arg, &isnum);
  if (!isnum)
    tideL_typeerror(L, arg, function, "port");
  if (!(port >= 0 && port <= 65535) || port != (lua_Number)(unsigned)port)
    tideL_argerror(L, arg, function, "a port is 0 to 65535");
  return (unsigned)port;
}

/* libuv cuts what comes before a zone to 39 bytes, and takes a zone that there
 * is not for none. */
static bool parse_ip6(const char *host, int port, struct sockaddr_in6 *out) {
  const char *zone = strchr(host, '%');
  if (zone != NULL && zone - host > 39)
    return false;
  return uv_ip6_addr(host, port, out) == 0 &&
         (zone == NULL || out->sin6_scope_id != 0);
}

bool tideL_parseaddress(const char *host, size_t length, int port,
                        tideL_address *out) {
  memset(out, 0, sizeof *out);
  return strlen(host) == length &&
         (uv_ip4_addr(host, port, (struct sockaddr_in *)out) == 0 ||
          parse_ip6(host, port, (struct sockaddr_in6 *)out));
}

bool tideL_readaddress(lua_State *L, int arg, const char *function,
                       tideL_address *out) {
  size_t length;
  const char *host;
  int port;
  if (lua_type(L, arg) != LUA_TSTRING)
    tideL_typeerror(L, arg, function, "host");
  port = (int)tideL_checkport(L, arg + 1, function);
  host = lua_tolstring(L, arg, &length);
  return tideL_parseaddress(host, length, port, out);
}

/* An address of one link is of no use without the link's name. */
static void add_zone(char *host, size_t room, unsigned scope) {
  size_t length = strlen(host), size = room - length - 1;
  if (scope == 0)
    return;
  host[length] = '%';
  if (uv_if_indextoiid(scope, host + length + 1, &size) < 0)
    host[length] = '\0';
}

static int push_host(lua_State *L, const tideL_address *address, int port) {
  const struct sockaddr_in6 *ip6 = (const struct sockaddr_in6 *)address;
  char host[INET6_ADDRSTRLEN + UV_IF_NAMESIZE] = "";
  if (address->ss_family == AF_INET6) {
    uv_ip6_name(ip6, host, INET6_ADDRSTRLEN);
    add_zone(host, sizeof host, ip6->sin6_scope_id);
  } else {
    uv_ip4_name((const struct sockaddr_in *)address, host, sizeof host);
  }
  lua_pushstring(L, host);
  lua_pushinteger(L, port);
  return 2;
}

int tideL_pushaddress(lua_State *L, const tideL_address *address, int size) {
#ifndef _WIN32
  const struct sockaddr_un *name = (const struct sockaddr_un *)address;
  size_t length = (size_t)size - offsetof(struct sockaddr_un, sun_path);
  if (address->ss_family == AF_UNIX) {
    if ((size_t)size <= offsetof(struct sockaddr_un, sun_path))
      length = 0; /* it has none */
    else if (name->sun_path[0] != '\0')
      length = strnlen(name->sun_path, length);
    lua_pushlstring(L, name->sun_path, length);
    return 1;
  }
#endif
  (void)size;
  if (address->ss_family == AF_INET6)
    return push_host(L, address,
                     ntohs(((const struct sockaddr_in6 *)address)->sin6_port));
  return push_host(L, address,
                   ntohs(((const struct sockaddr_in *)address)->sin_port));
}
