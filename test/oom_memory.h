/* oom_memory.h: one counter over the allocations of Lua, of libuv and of tide
 * itself, of which the n-th can fail. The linker sends tide's malloc, calloc,
 * realloc and free here (see the Makefile), so its sources know nothing. */
#ifndef TIDE_OOM_MEMORY_H
#define TIDE_OOM_MEMORY_H

#include <errno.h>
#include <limits.h>
#include <stdatomic.h>

#include "lua_state.h"

void *__real_malloc(size_t size);
void *__real_calloc(size_t count, size_t size);
void *__real_realloc(void *ptr, size_t size);
void __real_free(void *ptr);

/* How many fail from the n-th on. */
typedef enum failing {
  FAIL_COLLECTED, /* one, and Lua may collect its garbage and try again */
  FAIL_ONCE,      /* one, whether Lua tries again or not */
  FAIL_ALL,       /* all, until the scenario has ended */
  FAIL_CLOSE,     /* all, until the state is closed */
  FAILINGS
} failing;

/* Threads of libuv's count, too. */
static struct memory {
  atomic_long left; /* allocations until one fails */
  atomic_long asked, failed;
  atomic_long blocks; /* what tide and libuv have */
  failing how;
  size_t bytes; /* what Lua has */
  struct {      /* what Lua was denied last, and asks for again */
    void *ptr;
    size_t osize, nsize;
  } denied;
  lua_Alloc lua; /* the state's own */
  void *lua_ud;
} memory = {.left = LONG_MAX};

static void memory_fails(failing how, long n) {
  memory.how = how;
  memory.asked = memory.failed = 0;
  memory.denied.nsize = 0;
  memory.left = n;
}

static void memory_works(void) {
  memory.left = LONG_MAX;
}

#if LUA_VERSION_NUM >= 502
static int call_deeper(lua_State *L) {
  lua_Integer depth = lua_tointeger(L, 1);
  if (depth == 0)
    return 0;
  lua_pushcfunction(L, call_deeper);
  lua_pushinteger(L, depth - 1);
  lua_call(L, 1, 0);
  return 0;
}
#endif

/* What Lua from 5.2 on gives back when it collects is what lua_close needs to
 * call finalisers: see doc/reliability.md. */
static void memory_for_finalisers(lua_State *L) {
#if LUA_VERSION_NUM >= 502
  long left = memory.left;
  memory_works();
  lua_pushcfunction(L, call_deeper);
  lua_pushinteger(L, 10);
  lua_call(L, 1, 0);
  memory.left = left;
#else
  (void)L;
#endif
}

static bool is_denied(void) {
  long left = memory.left;
  if (left == LONG_MAX)
    return false;
  memory.asked++;
  left = atomic_fetch_sub(&memory.left, 1);
  if (left > 0 || (memory.how <= FAIL_ONCE && left < 0))
    return false;
  memory.failed++;
  errno = ENOMEM; /* as malloc does: libuv tells it on */
  return true;
}

/* ---- tide's and libuv's ---- */

static void *counted(void *ptr) {
  if (ptr != NULL)
    memory.blocks++;
  return ptr;
}

void *__wrap_malloc(size_t size) {
  return is_denied() ? NULL : counted(__real_malloc(size));
}

void *__wrap_calloc(size_t count, size_t size) {
  return is_denied() ? NULL : counted(__real_calloc(count, size));
}

void *__wrap_realloc(void *ptr, size_t size) {
  if (is_denied())
    return NULL;
  return ptr == NULL ? counted(__real_malloc(size)) : __real_realloc(ptr, size);
}

void __wrap_free(void *ptr) {
  if (ptr != NULL)
    memory.blocks--;
  __real_free(ptr);
}

/* All that libuv reallocates is its table of watchers, without which it aborts:
 * see doc/reliability.md. */
static void *reallocate_for_uv(void *ptr, size_t size) {
  return ptr == NULL ? counted(__real_malloc(size)) : __real_realloc(ptr, size);
}

static void memory_of_uv(void) {
  if (uv_replace_allocator(__wrap_malloc, reallocate_for_uv, __wrap_calloc,
                           __wrap_free) < 0)
    abort();
}

/* ---- Lua's ---- */

/* From 5.2 on Lua collects all garbage, and then asks again for the same. */
static bool is_denied_to_lua(void *ptr, size_t osize, size_t nsize) {
  bool again = memory.how == FAIL_ONCE && memory.left != LONG_MAX &&
               memory.denied.nsize == nsize && memory.denied.ptr == ptr &&
               memory.denied.osize == osize;
  memory.denied.nsize = 0;
  if (again || !is_denied())
    return again;
  memory.denied.ptr = ptr;
  memory.denied.osize = osize;
  memory.denied.nsize = nsize;
  return true;
}

static void *allocate(void *ud, void *ptr, size_t osize, size_t nsize) {
  size_t had = ptr == NULL ? 0 : osize;
  void *got;
  (void)ud;
  if (nsize > had && is_denied_to_lua(ptr, osize, nsize))
    return NULL;
  got = memory.lua(memory.lua_ud, ptr, osize, nsize);
  if (got != NULL || nsize == 0)
    memory.bytes += nsize - had;
  return got;
}

/* LuaJIT frees its arenas only if it finds its own allocator. */
static int end_memory(lua_State *L) {
  lua_setallocf(L, memory.lua, memory.lua_ud);
  return 0;
}

static void anchor(lua_State *L) {
  lua_newuserdata(L, 1);
  lua_newtable(L);
  lua_pushcfunction(L, end_memory);
  lua_setfield(L, -2, "__gc");
  lua_setmetatable(L, -2);
  luaL_ref(L, LUA_REGISTRYINDEX);
}

/* LuaJIT begins with its own allocator, too. There the first userdata, which is
 * finalised last, gives it back. */
static lua_State *memory_state(void) {
  lua_State *L = luaL_newstate();
  if (L == NULL)
    abort();
  memory.lua = lua_getallocf(L, &memory.lua_ud);
  if (TIDE_LUAJIT)
    anchor(L);
  memory.bytes = (size_t)lua_gc(L, LUA_GCCOUNT, 0) * 1024 +
                 (size_t)lua_gc(L, LUA_GCCOUNTB, 0);
  lua_setallocf(L, allocate, NULL);
  return prepare(L);
}

static size_t memory_left(void) {
  return TIDE_LUAJIT ? 0 : memory.bytes;
}

#endif
