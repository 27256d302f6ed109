/* lua_import.c: tide_import, where another tide is loaded than it needs. */
#include "lua_state.h"

static int import(lua_State *L) {
  tide_import(L);
  return 0;
}

/* Whether tide_import raises an error that says this. */
static bool raises(lua_State *L, const char *text) {
  bool does;
  lua_pushcfunction(L, import);
  if (lua_pcall(L, 0, 0, 0) == 0)
    return false;
  does = strstr(lua_tostring(L, -1), text) != NULL;
  if (!does)
    printf("# %s\n", lua_tostring(L, -1));
  lua_pop(L, 1);
  return does;
}

static void set_table(lua_State *L, const tide_api *api) {
  lua_pushliteral(L, TIDE_API_KEY);
  *(const tide_api **)lua_newuserdata(L, sizeof api) = api;
  lua_rawset(L, LUA_REGISTRYINDEX);
}

static const tide_api *table_of(lua_State *L) {
  const tide_api *api;
  lua_getfield(L, LUA_REGISTRYINDEX, TIDE_API_KEY);
  api = *(const tide_api **)lua_touserdata(L, -1);
  lua_pop(L, 1);
  return api;
}

static void a_newer_or_equal_one_is_taken(void) {
  lua_State *L = new_state();
  tide_api newer;
  CHECK(tide_import(L)->version == TIDE_VERSION_NUM);
  CHECK(tide_import(L) == table_of(L));
  newer = *table_of(L);
  newer.version++;
  newer.size += sizeof(void *);
  set_table(L, &newer);
  CHECK(tide_import(L) == &newer);
  lua_close(L);
}

static void an_older_one_is_refused(void) {
  lua_State *L = new_state();
  tide_api older = *tide_import(L);
  older.version--;
  set_table(L, &older);
  CHECK(raises(L, "tide is older than this module needs: 99 for 100"));
  older.version++;
  older.size--;
  CHECK(raises(L, "tide is older than this module needs"));
  lua_close(L);
}

static void without_tide_the_error_names_it(void) {
  lua_State *L = luaL_newstate();
  luaL_openlibs(L);
  CHECK(luaL_dostring(L, "package.path, package.cpath = '', ''") == 0);
  CHECK(raises(L, "tide.core"));
  CHECK(luaL_dostring(L, "package.preload['tide.core'] = "
                         "function() return {} end") == 0);
  CHECK(raises(L, "tide is older than this module needs: 0 for"));
  lua_close(L);
}

int main(int argc, char **argv) {
  static const test tests[] = {
      TEST(a_newer_or_equal_one_is_taken),
      TEST(an_older_one_is_refused),
      TEST(without_tide_the_error_names_it),
  };
  return run_tests(tests, sizeof tests / sizeof *tests,
                   argc > 1 ? argv[1] : NULL);
}
