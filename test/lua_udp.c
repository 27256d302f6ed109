/*
 * lua_udp.c: datagrams that do not go out at once. No network of one machine
 * makes a sender wait, so the socket is put in place of one of a pair that
 * does.
 */
#include <sys/socket.h>

#include "../bindings/streams.h"

#include "lua_state.h"

/* pair(udp): the other end, of one that can have little under way */
static int make_pair(lua_State *L) {
  tideL_udp *self = lua_touserdata(L, 1);
  int fds[2], size = 4096;
  CHECK(socketpair(AF_UNIX, SOCK_DGRAM, 0, fds) == 0);
  CHECK(setsockopt(fds[0], SOL_SOCKET, SO_SNDBUF, &size, sizeof size) == 0);
  CHECK(uv_udp_open(&self->udp->uv, fds[0]) == 0);
  lua_pushinteger(L, fds[1]);
  return 1;
}

/* take(fd): a datagram that is there, or nil */
static int take(lua_State *L) {
  char bytes[4096];
  ssize_t n = recv((int)lua_tointeger(L, 1), bytes, sizeof bytes, MSG_DONTWAIT);
  if (n < 0)
    return 0;
  lua_pushlstring(L, bytes, (size_t)n);
  return 1;
}

static int put(lua_State *L) {
  size_t n;
  const char *bytes = lua_tolstring(L, 2, &n);
  CHECK(send((int)lua_tointeger(L, 1), bytes, n, 0) == (ssize_t)n);
  return 0;
}

static int shut(lua_State *L) {
  close((int)lua_tointeger(L, 1));
  return 0;
}

static const char prelude[] =
    "tide = require 'tide'\n"
    "sleep = tide.sleep\n"
    "data = ('x'):rep(500)\n"
    "function open()\n"
    "  local udp = require 'tide.net'.udp()\n"
    "  return udp, pair(udp)\n"
    "end\n"
    /* a task that sends until it has to wait, and how that ended */
    "function fill(udp)\n"
    "  local it = {n = 0}\n"
    "  it.task = tide.task(function()\n"
    "    repeat\n"
    "      it.n = it.n + 1\n"
    "      it.ok, it.message, it.code = udp:send(data .. it.n)\n"
    "    until it.stop or not it.ok\n"
    "  end)\n"
    "  while udp:stats().unsent == 0 do sleep(0) end\n"
    "  return it\n"
    "end\n"
    "function raises(task)\n"
    "  local ok, err = tide.pcall(task.await, task)\n"
    "  assert(not ok and tide.is_cancelled(err), tostring(err))\n"
    "end\n"
    "function numbers(fd, n)\n" /* all that were sent, in order */
    "  for i = 1, n do\n"
    "    local got\n"
    "    repeat got = take(fd) sleep(0) until got\n"
    "    assert(got == data .. i, i)\n"
    "  end\n"
    "  assert(take(fd) == nil)\n"
    "end\n";

static lua_State *begin(void) {
  lua_State *L = new_state();
  lua_register(L, "pair", make_pair);
  lua_register(L, "take", take);
  lua_register(L, "put", put);
  lua_register(L, "shut", shut);
  run_code(L, prelude, __LINE__);
  return L;
}

static void test_waits_until_sent(void) {
  lua_State *L = begin();
  RUN(L, "tide.run(function()\n"
         "  local udp, fd = open()\n"
         "  local it = fill(udp)\n"
         "  assert(udp:stats().unsent == #data + #tostring(it.n))\n"
         "  assert(udp:stats().sent == it.n - 1)\n"
         "  sleep(0) sleep(0)\n"
         "  assert(not it.task:done())\n"
         "  it.stop = true\n"
         "  numbers(fd, it.n)\n"
         "  it.task:await()\n"
         "  assert(it.ok == true)\n"
         "  assert(udp:stats().unsent == 0 and udp:stats().sent == it.n)\n"
         "  udp:close() shut(fd)\n"
         "end)");
  lua_close(L);
}

static void test_keeps_order(void) {
  lua_State *L = begin();
  RUN(L, "tide.run(function()\n"
         "  local udp, fd = open()\n"
         "  local it, order = fill(udp), {}\n"
         "  it.stop = true\n"
         "  local tasks = {}\n"
         "  for i = 1, 5 do\n"
         "    tasks[i] = tide.task(function()\n"
         "      assert(udp:send(data .. it.n + i))\n"
         "      order[#order + 1] = i\n"
         "    end)\n"
         "  end\n"
         "  sleep(0)\n"
         "  numbers(fd, it.n + 5)\n"
         "  for i = 1, 5 do tasks[i]:await() end\n"
         "  assert(table.concat(order) == '12345')\n"
         "  udp:close() shut(fd)\n"
         "end)");
  lua_close(L);
}

static void test_cancelled_it_leaves(void) {
  lua_State *L = begin();
  RUN(L, "tide.run(function()\n"
         "  local udp, fd = open()\n"
         "  local it = fill(udp)\n"
         "  it.task:cancel()\n"
         "  raises(it.task)\n"
         "  assert(udp:stats().unsent > 0)\n" /* it is sent all the same */
         "  numbers(fd, it.n)\n"
         "  udp:close() shut(fd)\n"
         "end)");
  lua_close(L);
}

static void test_woken_then_cancelled_returns(void) {
  lua_State *L = begin();
  RUN(L, "tide.run(function()\n"
         "  local udp, fd = open()\n"
         "  local it = fill(udp)\n"
         "  local sent = udp:stats().sent\n"
         "  it.ok, it.stop = nil, true\n"
         "  while take(fd) do end\n"
         "  repeat sleep(0)\n"
         "    if udp:stats().sent > sent then it.task:cancel() end\n"
         "  until it.task:done()\n"
         "  assert(it.ok == true)\n"
         "  udp:close() shut(fd)\n"
         "end)");
  lua_close(L);
}

static void test_close_wakes(void) {
  lua_State *L = begin();
  RUN(L, "tide.run(function()\n"
         "  local udp, fd = open()\n"
         "  local it = fill(udp)\n"
         "  local order, others = '', {}\n"
         "  for i = 1, 3 do\n"
         "    others[i] = tide.task(function()\n"
         "      assert(select(3, udp:send(data)) == 'ECANCELED')\n"
         "      order = order .. i\n"
         "    end)\n"
         "  end\n"
         "  sleep(0)\n"
         "  udp:close()\n"
         "  it.task:await()\n"
         "  assert(it.ok == nil and it.code == 'ECANCELED')\n"
         "  for i = 1, 3 do others[i]:await() end\n"
         "  assert(order == '123', order)\n"
         "  sleep(0.001)\n"
         "  assert(udp:stats().unsent == 0)\n"
         "  shut(fd)\n"
         "end)");
  lua_close(L);
}

static void test_closed_when_one_is_cancelled(void) {
  lua_State *L = begin();
  RUN(L, "tide.run(function()\n"
         "  local udp, fd = open()\n"
         "  local it = fill(udp)\n"
         "  udp:close()\n"
         "  it.task:cancel()\n"
         "  tide.pcall(it.task.await, it.task)\n"
         "  assert(it.code == 'ECANCELED')\n" /* it was woken before */
         "  shut(fd)\n"
         "end)");
  lua_close(L);
}

static void test_failure_is_told(void) {
  lua_State *L = begin();
  RUN(L, "tide.run(function()\n"
         "  local udp, fd = open()\n"
         "  local it = fill(udp)\n"
         "  shut(fd)\n"
         "  it.task:await()\n"
         "  assert(it.ok == nil and it.code == 'ECONNREFUSED', it.code)\n"
         "  udp:close()\n"
         "end)");
  lua_close(L);
}

static void test_failure_nobody_waits_for_is_told_once(void) {
  lua_State *L = begin();
  RUN(L, "tide.run(function()\n"
         "  local udp, fd = open()\n"
         "  local it = fill(udp)\n"
         "  local receiver = tide.task(udp.recv, udp)\n"
         "  it.task:cancel()\n"
         "  raises(it.task)\n"
         "  assert(not receiver:done())\n"
         "  shut(fd)\n"
         "  local _, _, code = receiver:await()\n"
         "  assert(code == 'ECONNREFUSED', code)\n"
         "  udp:close()\n"
         "end)");
  lua_close(L);
}

static void test_cannot_yield(void) {
  lua_State *L = begin();
  RUN(L, "tide.run(function()\n"
         "  local udp, fd = open()\n"
         "  local it = fill(udp)\n"
         "  local unsent = udp:stats().unsent\n"
         "  local ok, err = tide.pcall(table.sort, {1, 2, 3}, function()\n"
         "    udp:send(data)\n"
         "  end)\n"
         "  assert(not ok and err:find('Udp:send', 1, true), err)\n"
         "  assert(udp:stats().unsent == unsent)\n"
         "  it.stop = true\n"
         "  numbers(fd, it.n)\n"
         "  udp:close() shut(fd)\n"
         "end)");
  lua_close(L);
}

static void test_main_program(void) {
  lua_State *L = begin();
  RUN(L, "local udp, fd = open()\n"
         "local taken = 0\n"
         "local reader = tide.task(function()\n"
         "  while taken < 100 do\n"
         "    while take(fd) do taken = taken + 1 end\n"
         "    sleep(0)\n"
         "  end\n"
         "end)\n"
         "for i = 1, 100 do assert(udp:send(data)) end\n"
         "reader:await()\n"
         "udp:close() shut(fd)\n");
  lua_close(L);
}

static void test_main_program_is_told(void) {
  lua_State *L = begin();
  RUN(L, "local udp, fd = open()\n"
         "tide.task(function()\n"
         "  while udp:stats().unsent == 0 do sleep(0) end\n"
         "  udp:close()\n"
         "end)\n"
         "local ok, message, code\n"
         "repeat ok, message, code = udp:send(data) until not ok\n"
         "assert(code == 'ECANCELED')\n"
         "shut(fd)\n");
  lua_close(L);
}

/* The task is gone with its runtime; so is what it sent. */
static void test_loop_closes(void) {
  lua_State *L = begin();
  RUN(L, "local udp, fd = open()\n"
         "local it = {n = 0}\n"
         "tide.task(function()\n"
         "  while udp:send(data) do end\n"
         "end)\n"
         "while udp:stats().unsent == 0 do tide.loop():step(0) end\n"
         "tide.loop():close()\n"
         "shut(fd)\n");
  RUN(L, "tide.run(function()\n"
         "  local udp, fd = open()\n"
         "  fill(udp)\n"
         "  lost = fd\n"
         "end)\n");
  RUN(L, "shut(lost)");
  lua_close(L);
}

static void test_state_closes(void) {
  lua_State *L = begin();
  RUN(L, "local udp, fd = open()\n"
         "it = tide.task(function()\n"
         "  while udp:send(data) do end\n"
         "end)\n"
         "while udp:stats().unsent == 0 do tide.loop():step(0) end\n"
         "shut(fd)\n");
  lua_close(L);
}

static void test_garbage(void) {
  lua_State *L = begin();
  RUN(L, "tide.run(function()\n"
         "  local udp, fd = open()\n"
         "  local it = fill(udp)\n"
         "  it.task:cancel()\n"
         "  raises(it.task)\n"
         "  udp, it = nil, nil\n"
         "  collectgarbage() collectgarbage()\n"
         "  sleep(0.001)\n"
         "  while take(fd) do end\n"
         "  shut(fd)\n"
         "end)\n"
         "assert(tide.stats().handles == 0)");
  lua_close(L);
}

/* Nor is there a host and a port of who sent it. */
static void test_receives(void) {
  lua_State *L = begin();
  RUN(L, "tide.run(function()\n"
         "  local udp, fd = open()\n"
         "  local receiver = tide.task(udp.recv, udp)\n"
         "  sleep(0)\n"
         "  put(fd, 'hello')\n"
         "  assert(receiver:await() == 'hello')\n"
         "  udp:close() shut(fd)\n"
         "end)");
  lua_close(L);
}

int main(int argc, char **argv) {
  static const test tests[] = {
      TEST(test_waits_until_sent),
      TEST(test_keeps_order),
      TEST(test_cancelled_it_leaves),
      TEST(test_woken_then_cancelled_returns),
      TEST(test_close_wakes),
      TEST(test_closed_when_one_is_cancelled),
      TEST(test_failure_is_told),
      TEST(test_failure_nobody_waits_for_is_told_once),
      TEST(test_cannot_yield),
      TEST(test_main_program),
      TEST(test_main_program_is_told),
      TEST(test_loop_closes),
      TEST(test_state_closes),
      TEST(test_garbage),
      TEST(test_receives),
  };
  return run_tests(tests, sizeof tests / sizeof *tests,
                   argc > 1 ? argv[1] : NULL);
}
