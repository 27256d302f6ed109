/*
 * compat.h: what the Lua versions do differently, and nothing else.
 *
 * Written to the API of 5.3; older and newer ones are brought to it here.
 */
#ifndef TIDE_COMPAT_H
#define TIDE_COMPAT_H

#include <luaconf.h>

/* Lua's functions are called through their addresses and not through stubs: a
 * call less in each of the dozen that a switch makes. */
#if defined(__ELF__) && defined(__has_attribute)
#if __has_attribute(noplt)
#undef LUA_API
#define LUA_API extern __attribute__((noplt))
#endif
#endif

#include <lauxlib.h>
#include <lua.h>
#include <lualib.h>

#include "wronglua.h"

#ifdef LUA_JITLIBNAME
#define TIDE_LUAJIT 1
#else
#define TIDE_LUAJIT 0
#endif

/* 5.1 and LuaJIT: a C function that yielded is not continued, its yield returns
 * what the resume passed. See await.c for how an awaiting call copes. */
#define TIDE_YIELDK (LUA_VERSION_NUM >= 502)

/* A base frame in C under each task, with a protected call: its errors are
 * caught before the stack is unwound, `<close>` variables may await. */
#define TIDE_BASEFRAME (LUA_VERSION_NUM >= 504)

/* The value beside a userdata may be of any type; before, only a table. */
#define TIDE_ANYUSERVALUE (LUA_VERSION_NUM >= 503)

#if LUA_VERSION_NUM == 501
#define lua_rawlen lua_objlen
#ifndef LUA_OK
#define LUA_OK 0
#endif
#define lua_absindex(L, i) \
  ((i) < 0 && (i) > LUA_REGISTRYINDEX ? lua_gettop(L) + (i) + 1 : (i))
#endif

static inline lua_Number tideL_tonumber(lua_State *L, int i, int *isnum) {
#if LUA_VERSION_NUM >= 502 || TIDE_LUAJIT
  return lua_tonumberx(L, i, isnum);
#else
  lua_Number n = lua_tonumber(L, i);
  *isnum = n != 0 || lua_isnumber(L, i);
  return n;
#endif
}

/* Before 5.3 a number is a double, and an integer may have but 32 bits. */
static inline void tideL_pushint64(lua_State *L, int64_t n) {
#if LUA_VERSION_NUM >= 503
  lua_pushinteger(L, (lua_Integer)n);
#else
  lua_pushnumber(L, (lua_Number)n);
#endif
}
/* Into the table on top; under 2^63. */
static inline void tideL_setcount(lua_State *L, const char *field,
                                  uint64_t count) {
  tideL_pushint64(L, (int64_t)count);
  lua_setfield(L, -2, field);
}

/* From 5.3 on these return the type of what they push. */
#if LUA_VERSION_NUM >= 503
#define tideL_rawget lua_rawget
#define tideL_rawgeti lua_rawgeti
#define tideL_getfield lua_getfield
#else
static inline int tideL_rawget(lua_State *L, int i) {
  lua_rawget(L, i);
  return lua_type(L, -1);
}
static inline int tideL_rawgeti(lua_State *L, int i, int n) {
  lua_rawgeti(L, i, n);
  return lua_type(L, -1);
}
static inline int tideL_getfield(lua_State *L, int i, const char *k) {
  lua_getfield(L, i, k);
  return lua_type(L, -1);
}
#endif

/* What a traceback tells of a level. */
#if LUA_VERSION_NUM >= 502
#define TIDE_LEVELINFO "nSlt"
#define tideL_istailcall(ar) ((ar)->istailcall)
#else
#define TIDE_LEVELINFO "nSl"
#define tideL_istailcall(ar) false
#endif

#if LUA_VERSION_NUM >= 502
#define tideL_lessthan(L, a, b) lua_compare(L, a, b, LUA_OPLT)
#else
#define tideL_lessthan lua_lessthan
#endif

#if LUA_VERSION_NUM >= 504
#define tideL_newuserdata(L, size) lua_newuserdatauv(L, size, 1)
#define tideL_setuservalue(L, i) lua_setiuservalue(L, i, 1)
#define tideL_getuservalue(L, i) lua_getiuservalue(L, i, 1)
#elif LUA_VERSION_NUM >= 502
#define tideL_newuserdata lua_newuserdata
#define tideL_setuservalue lua_setuservalue
#define tideL_getuservalue lua_getuservalue
#else
#define tideL_newuserdata lua_newuserdata
#define tideL_setuservalue lua_setfenv
#define tideL_getuservalue lua_getfenv
#endif

#if TIDE_LUAJIT
static int tideL_nothing(lua_State *L) {
  (void)L;
  return 0;
}
#endif

/* LuaJIT notes which lua_State runs, and a C function that ran another and
 * returns sets that right; one that raises does not, and the next exit from
 * compiled code takes the wrong stack (seen in 2.1.0-beta3). A call on L sets
 * it right, too: needed before an error is raised on L. */
static inline void tideL_switchback(lua_State *L) {
#if TIDE_LUAJIT
  lua_pushcfunction(L, tideL_nothing);
  lua_call(L, 0, 0);
#else
  (void)L;
#endif
}

/* Room for n values on a coroutine that does not run. An error raised there has
 * no handler: 5.1 and LuaJIT would end the process, so there nothing may be
 * allocated on it, and the few slots that every stack has to spare must do. */
static inline int tideL_checkstack(lua_State *co, int n) {
#if LUA_VERSION_NUM == 501
  if (n <= 3)
    return 1;
#endif
  return lua_checkstack(co, n);
}

/* Pushes co onto L. The stack of one that is dead, or yielded much, may be
 * full, and to make it larger may need memory: its topmost value makes way. */
static inline void tideL_pushcoroutine(lua_State *L, lua_State *co) {
  int top = lua_gettop(co);
  if (co == L || top == 0 || (top < 10 && lua_status(co) <= LUA_YIELD)) {
    lua_pushthread(co);
    lua_xmove(co, L, 1);
    return;
  }
  lua_xmove(co, L, 1);
  lua_pushthread(co);
  lua_xmove(co, L, 1);
  lua_insert(L, -2);
  lua_xmove(L, co, 1);
}

/* `make gcstress`: collects all garbage where a coroutine is resumed and stops,
 * a callback is called, an awaiting call begins and ends. */
#ifdef TIDE_GCSTRESS
void tideL_stress(lua_State *L);
void tideL_stressstopped(lua_State *L, int status); /* of what it resumed */
#else
#define tideL_stress(L) ((void)(L))
#define tideL_stressstopped(L, status) ((void)(L))
#endif

static inline int tideL_bareresume(lua_State *co, lua_State *from, int nargs,
                                   int *nresults) {
#if LUA_VERSION_NUM >= 504
  return lua_resume(co, from, nargs, nresults);
#else
  (void)nresults;
#if LUA_VERSION_NUM >= 502
  return lua_resume(co, from, nargs);
#else
  (void)from;
  return lua_resume(co, nargs);
#endif
#endif
}

/* *nresults: what tideL_nresults wants to know. */
static inline int tideL_resume(lua_State *co, lua_State *from, int nargs,
                               int *nresults) {
  int status;
  tideL_stress(from);
  status = tideL_bareresume(co, from, nargs, nresults);
  tideL_stressstopped(from, status);
  return status;
}

/* How many values are on top of a coroutine that was resumed: seldom asked. */
static inline int tideL_nresults(lua_State *co, int nresults) {
#if LUA_VERSION_NUM >= 504
  (void)co;
  return nresults;
#else
  (void)nresults;
  return lua_gettop(co);
#endif
}

/* Closes the pending variables of a coroutine that will not run again. */
static inline void tideL_closethread(lua_State *co, lua_State *from) {
#if LUA_VERSION_NUM >= 505 || \
    (defined(LUA_VERSION_RELEASE_NUM) && LUA_VERSION_RELEASE_NUM >= 50406)
  lua_closethread(co, from);
#elif LUA_VERSION_NUM == 504
  lua_resetthread(co);
  (void)from;
#else
  (void)co;
  (void)from;
#endif
}

#endif
