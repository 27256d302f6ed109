/*
 * lua_sockopt.c: the options of sockets, as the system has them.
 */
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include "lua_state.h"

static int get_option(lua_State *L, int level, int name) {
  int value = -1;
  socklen_t size = sizeof value;
  int fd = (int)lua_tointeger(L, 1);
  CHECK(getsockopt(fd, level, name, &value, &size) == 0);
  lua_pushinteger(L, value);
  return 1;
}

static int nodelay(lua_State *L) {
  return get_option(L, IPPROTO_TCP, TCP_NODELAY);
}

static int keepalive(lua_State *L) {
  return get_option(L, SOL_SOCKET, SO_KEEPALIVE);
}

static int keepidle(lua_State *L) {
  return get_option(L, IPPROTO_TCP, TCP_KEEPIDLE);
}

static lua_State *begin(void) {
  lua_State *L = new_state();
  lua_register(L, "nodelay", nodelay);
  lua_register(L, "keepalive", keepalive);
  lua_register(L, "keepidle", keepidle);
  run_code(
      L,
      "tide = require 'tide'\n"
      "net = require 'tide.net'\n"
      /* fn with both ends of a connection that has these options */
      "function connected(options, fn)\n"
      "  tide.run(function()\n"
      "    local server = assert(net.listen('127.0.0.1', 0, options))\n"
      "    local _, port = server:sockname()\n"
      "    local client = assert(net.connect('127.0.0.1', port, options))\n"
      "    local conn = assert(server:accept())\n"
      "    for _, stream in ipairs {client, conn} do\n"
      "      fn((stream:fileno()))\n"
      "      stream:close()\n"
      "    end\n"
      "    server:close()\n"
      "  end)\n"
      "end\n",
      __LINE__);
  return L;
}

static void test_nodelay_is_the_default(void) {
  lua_State *L = begin();
  RUN(L,
      "connected({}, function(fd) assert(nodelay(fd) ~= 0) end)\n"
      "connected({nodelay = true}, function(fd) assert(nodelay(fd) ~= 0) end)\n"
      "connected({nodelay = false}, function(fd) assert(nodelay(fd) == 0) "
      "end)");
  lua_close(L);
}

static void test_keepalive_after_so_many_seconds(void) {
  lua_State *L = begin();
  RUN(L, "connected({}, function(fd) assert(keepalive(fd) == 0) end)\n"
         "connected({keepalive = false}, function(fd)\n"
         "  assert(keepalive(fd) == 0)\n"
         "end)\n"
         "connected({keepalive = true}, function(fd)\n"
         "  assert(keepalive(fd) ~= 0 and keepidle(fd) == 60)\n"
         "end)\n"
         "connected({keepalive = 5}, function(fd)\n"
         "  assert(keepalive(fd) ~= 0 and keepidle(fd) == 5)\n"
         "end)\n"
         "for _, long in ipairs {32767, 32768, 2^32, 2^40} do\n"
         "  connected({keepalive = long}, function(fd)\n"
         "    assert(keepalive(fd) ~= 0 and keepidle(fd) == 32767)\n"
         "  end)\n"
         "end");
  lua_close(L);
}

int main(int argc, char **argv) {
  static const test tests[] = {
      TEST(test_nodelay_is_the_default),
      TEST(test_keepalive_after_so_many_seconds),
  };
  return run_tests(tests, sizeof tests / sizeof *tests,
                   argc > 1 ? argv[1] : NULL);
}
