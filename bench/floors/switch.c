/*
 * floor_switch.c: what a switch costs at least in this Lua: a C loop that
 * resumes a coroutine which yields from a C function, n times.
 *
 *   floor_switch N COROUTINES   prints nanoseconds per switch
 */
#include <stdio.h>
#include <stdlib.h>

#include <lauxlib.h>
#include <lua.h>
#include <lualib.h>
#include <time.h>

static int pause_here(lua_State *L) {
  return lua_yield(L, 0);
}

static int resume(lua_State *co, lua_State *from) {
#if LUA_VERSION_NUM >= 504
  int n;
  return lua_resume(co, from, 0, &n);
#elif LUA_VERSION_NUM >= 502
  return lua_resume(co, from, 0);
#else
  (void)from;
  return lua_resume(co, 0);
#endif
}

static double now(void) {
  struct timespec t;
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
  return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

int main(int argc, char **argv) {
  long n = argc > 1 ? atol(argv[1]) : 1000000;
  long width = argc > 2 ? atol(argv[2]) : 1;
  long rounds = n / width;
  lua_State *L = luaL_newstate();
  lua_State **cos = malloc((size_t)width * sizeof *cos);
  double start;
  luaL_openlibs(L);
  lua_pushcfunction(L, pause_here);
  lua_setglobal(L, "pause");
  if (luaL_loadstring(L, "local pause = pause return function() "
                         "while true do pause() end end") != 0 ||
      lua_pcall(L, 0, 1, 0) != 0)
    return 1;
  lua_newtable(L);
  for (long i = 0; i < width; i++) {
    cos[i] = lua_newthread(L);
    lua_rawseti(L, -2, (int)i + 1);
    lua_pushvalue(L, -2);
    lua_xmove(L, cos[i], 1);
    resume(cos[i], L);
  }
  start = now();
  for (long round = 0; round < rounds; round++)
    for (long i = 0; i < width; i++)
      resume(cos[i], L);
  printf("%.2f\n", (now() - start) / (double)(rounds * width));
  lua_close(L);
  free(cos);
  return 0;
}
