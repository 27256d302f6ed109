/* functions.c: how C functions that await are made functions of Lua. */
#include "hosting.h"

#if TIDE_YIELDK

void tide_pushfunction(lua_State *L, lua_CFunction function, int nup) {
  lua_pushcclosure(L, function, nup);
}

#else

/* The wrapper is waiter.c's. */
void tide_pushfunction(lua_State *L, lua_CFunction function, int nup) {
  tideL_state *S = tideL_find(L);
  if (S == NULL)
    luaL_error(L, "tide is not loaded");
  lua_pushcclosure(L, function, nup);
  tideL_pushanchored(L, &S->wrapping);
  lua_insert(L, -2);
  lua_call(L, 1, 1);
}

#endif

void tide_setfuncs(lua_State *L, const luaL_Reg *functions, int nup) {
  luaL_checkstack(L, nup + 3, "too many upvalues");
  for (; functions->name != NULL; functions++) {
    for (int i = 0; i < nup; i++)
      lua_pushvalue(L, -nup);
    tide_pushfunction(L, functions->func, nup);
    lua_setfield(L, -nup - 2, functions->name);
  }
  lua_pop(L, nup);
}
