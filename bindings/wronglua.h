/*
 * wronglua.h: lets a module that the wrong Lua loads say so.
 *
 * A function that only some Luas have would be an undefined symbol, and loading
 * would fail with its name. As weak references they are NULL there instead, and
 * luaopen, which begins with tideL_checklua, can name the Lua that it needs.
 */
#ifndef TIDE_WRONGLUA_H
#define TIDE_WRONGLUA_H

#if defined(__ELF__) && !defined(__APPLE__)
#define TIDE_WEAK 1
#if LUA_VERSION_NUM == 501
#pragma weak luaL_loadbuffer
#pragma weak lua_call
#pragma weak lua_cpcall
#pragma weak lua_getfenv
#pragma weak lua_insert
#pragma weak lua_lessthan
#pragma weak lua_newuserdata
#pragma weak lua_objlen
#pragma weak lua_pcall
#pragma weak lua_remove
#pragma weak lua_replace
#pragma weak lua_setfenv
#pragma weak lua_tointeger
#pragma weak lua_tonumber
#pragma weak lua_yield
#ifdef LUA_JITLIBNAME
#pragma weak luaL_traceback
#pragma weak lua_isyieldable
#pragma weak lua_tonumberx
#else
#pragma weak lua_setlevel
#endif
#else
#pragma weak luaL_callmeta
#pragma weak luaL_loadbufferx
#pragma weak luaL_tolstring
#pragma weak luaL_traceback
#pragma weak lua_absindex
#pragma weak lua_callk
#pragma weak lua_compare
#pragma weak lua_copy
#pragma weak lua_getglobal
#pragma weak lua_pcallk
#pragma weak lua_rawlen
#pragma weak lua_tointegerx
#pragma weak lua_tonumberx
#pragma weak lua_yieldk
#endif
#if LUA_VERSION_NUM == 502
#pragma weak lua_getctx
#pragma weak lua_insert
#pragma weak lua_remove
#pragma weak lua_replace
#endif
#if LUA_VERSION_NUM >= 503
#pragma weak lua_isinteger
#pragma weak lua_isyieldable
#pragma weak lua_rotate
#endif
#if LUA_VERSION_NUM == 502 || LUA_VERSION_NUM == 503
#pragma weak lua_getuservalue
#pragma weak lua_newuserdata
#pragma weak lua_setuservalue
#endif
#if LUA_VERSION_NUM >= 504
#pragma weak lua_getiuservalue
#pragma weak lua_newuserdatauv
#pragma weak lua_resetthread
#pragma weak lua_setiuservalue
#endif

/* Which Lua this is: each has a function that those before it lack. The names
 * differ from the functions', which lua.h may declare. */
#define SYMBOL(name, symbol) \
  extern const char name __asm__(#symbol) __attribute__((weak))
SYMBOL(tideL_isjit, luaJIT_setmode);
SYMBOL(tideL_is55, lua_numbertocstring);
SYMBOL(tideL_is54, lua_toclose);
SYMBOL(tideL_is53, lua_seti);
SYMBOL(tideL_is52, lua_len);
#undef SYMBOL
#endif

#endif
