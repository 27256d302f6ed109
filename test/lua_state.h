/* lua_state.h: what the tests of include/tide.h share: lua_States, checks. Each
 * test has states of its own. A failed check is printed, the test goes on. */
#ifndef TIDE_LUA_STATE_H
#define TIDE_LUA_STATE_H

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <uv.h>

#include "../bindings/compat.h"
#include "../include/tide.h"

static unsigned failures; /* of the test that runs */

static void check(int ok, const char *what, int line) {
  if (ok)
    return;
  failures++;
  printf("# line %d: %s\n", line, what);
}
#define CHECK(cond) check(!!(cond), #cond, __LINE__)

/* ---- states ---- */

/* A state in which `tide` is the module and `core` can be required. */
static lua_State *prepare(lua_State *L) {
  if (L == NULL)
    return NULL;
  luaL_openlibs(L);
  lua_getglobal(L, "package");
  lua_getfield(L, -1, "preload");
  lua_pushcfunction(L, luaopen_tide_core);
  lua_setfield(L, -2, "tide.core");
  lua_settop(L, 0);
  return L;
}

static inline lua_State *new_state(void) {
  return prepare(luaL_newstate());
}

static inline void run_code(lua_State *L, const char *code, int line) {
  if (luaL_loadstring(L, code) == LUA_OK && lua_pcall(L, 0, 0, 0) == LUA_OK)
    return;
  printf("# line %d: %s\n", line, lua_tostring(L, -1));
  lua_pop(L, 1);
  failures++;
}
#define RUN(L, code) run_code(L, "tide = require 'tide'; " code, __LINE__)

static inline int number(lua_State *L, const char *name) {
  int n;
  lua_getglobal(L, name);
  n = (int)lua_tointeger(L, -1);
  lua_pop(L, 1);
  return n;
}

static inline tide_runtime *open_runtime(lua_State *L) {
  tide_runtime *rt = NULL;
  CHECK(tide_open(&rt, L, NULL) == 0);
  CHECK(rt != NULL);
  return rt;
}

/* ---- all of them ---- */

typedef struct test {
  const char *name;
  void (*body)(void);
} test;
#define TEST(name) \
  { #name, name }

static inline int run_tests(const test *tests, size_t count, const char *only) {
  unsigned passed = 0, failed = 0;
  setvbuf(stdout, NULL, _IOLBF, 256);
  for (size_t i = 0; i < count; i++) {
    if (only != NULL && strcmp(only, tests[i].name) != 0)
      continue;
    failures = 0;
    alarm(60); /* a hang is a failure too */
    tests[i].body();
    printf("%s %s\n", failures == 0 ? "ok" : "not ok", tests[i].name);
    failures == 0 ? passed++ : failed++;
  }
  printf("%u passed, %u failed\n", passed, failed);
  return failed > 0;
}

#endif
