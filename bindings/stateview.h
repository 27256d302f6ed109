/*
 * stateview.h: whether a coroutine of 5.1 or 5.2 can be suspended. They cannot
 * be asked; but their last releases are final, so the start of lua_State is
 * known. yieldable.c proves at load that it is what we think; where it is not,
 * the yield itself raises Lua's own, less helpful error.
 */
#ifndef TIDE_STATEVIEW_H
#define TIDE_STATEVIEW_H

#pragma GCC visibility push(hidden)

typedef struct tideL_stateview {
  void *next;
  unsigned char tt, marked, status;
#if LUA_VERSION_NUM == 501
  void *top, *base, *global, *ci, *savedpc, *stack_last, *stack, *end_ci,
      *base_ci;
  int stacksize, size_ci;
  unsigned short calls, base_calls; /* C calls now, and at the resume */
#else
  void *top, *global, *ci, *oldpc, *stack_last, *stack;
  int stacksize;
  unsigned short calls, ncalls; /* calls that cannot be yielded across */
#endif
} tideL_stateview;

extern bool tideL_viewwrong; /* never so far; the same for all states */

static inline int tideL_blockingcalls(lua_State *L) {
  const tideL_stateview *view = (const tideL_stateview *)L;
#if LUA_VERSION_NUM == 501
  return view->calls - view->base_calls;
#else
  return view->calls;
#endif
}

static inline int lua_isyieldable(lua_State *L) {
  return tideL_blockingcalls(L) == 0 || tideL_viewwrong;
}

#pragma GCC visibility pop

#endif
