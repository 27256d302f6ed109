/*
 * context.c: what the vars of a task, of a callback, of the main program are.
 *
 * A context is a Lua table that nobody changes: lua/tide/var.lua puts another
 * in its place. So a task shares its spawner's, and a callback that of who
 * added it. Until a var is set for the first time there is no context, and
 * S->varied is all that is looked at.
 *
 * OWN_CONTEXTS: slot of a task -> its context. OWN_CALLVARS is that of the
 * callback that runs, OWN_MAINVARS the main program's, which is no loop's.
 */
#include "bindings.h"

static void push_taskcontext(lua_State *L, const tideR_task *task) {
  if (task->flags & TIDE_ROOT) {
    tideL_own(L, OWN_MAINVARS);
    return;
  }
  tideL_own(L, OWN_CONTEXTS);
  lua_rawgeti(L, -1, (int)task->slot);
  lua_remove(L, -2);
}

/* CONTEXTS[slot] = the value on top, which is popped. */
static void set_taskcontext(lua_State *L, const tideR_task *task) {
  tideL_own(L, OWN_CONTEXTS);
  lua_insert(L, -2);
  lua_rawseti(L, -2, (int)task->slot);
  lua_pop(L, 1);
}

static int place_of(const tideL_state *S) {
  return S->calling ? OWN_CALLVARS : OWN_MAINVARS;
}

void tideL_pushowncontext(lua_State *L, const tideL_state *S) {
  if (S->current != NULL)
    push_taskcontext(L, S->current);
  else
    tideL_own(L, place_of(S));
}

void tideL_setcontext(lua_State *L, tideL_state *S) {
  S->varied = true;
  if (S->current != NULL)
    set_taskcontext(L, S->current);
  else
    lua_rawseti(L, UP_OWN, place_of(S));
}

/* Also nil: out of memory, the slot's last task may have left its own there. */
void tideL_sharecontext(lua_State *L, const tideL_state *S,
                        const tideR_task *task) {
  tideL_pushowncontext(L, S);
  set_taskcontext(L, task);
}

/* Allocates nothing: Luas before 5.4 would make a place for a nil. */
static void clear(lua_State *L, int index, int place) {
  index = lua_absindex(L, index);
  if (tideL_rawgeti(L, index, place) != LUA_TNIL) {
    lua_pushnil(L);
    lua_rawseti(L, index, place);
  }
  lua_pop(L, 1);
}

void tideL_dropcontext(lua_State *L, const tideR_task *task) {
  tideL_own(L, OWN_CONTEXTS);
  clear(L, -1, (int)task->slot);
  lua_pop(L, 1);
}

/* ---- callbacks ---- */

void tideL_clearcallvars(lua_State *T) {
  clear(T, UP_OWN, OWN_CALLVARS);
}

void tideL_callfor(lua_State *T, tideL_state *S, const tideR_task *task) {
  S->callbacks++;
  if (!S->varied)
    return;
  push_taskcontext(T, task);
  lua_rawseti(T, UP_OWN, OWN_CALLVARS);
}

/* ---- for lua/tide/var.lua ---- */

/* context(): of what runs now, or nil */
static int core_context(lua_State *L) {
  tideL_pushcontext(L, tideL_get(L));
  return 1;
}

/* set_context(t) */
static int core_set_context(lua_State *L) {
  lua_settop(L, 1);
  tideL_setcontext(L, tideL_get(L));
  return 0;
}

/* context_owner(): two numbers that tell the task, the callback or the main
 * program from all others */
static int core_context_owner(lua_State *L) {
  const tideL_state *S = tideL_get(L);
  lua_Number id = 0, serial = 0;
  if (S->current != NULL) {
    id = (lua_Number)S->current->id;
    serial = S->serial;
  } else if (S->calling) {
    id = -(lua_Number)S->callbacks;
  }
  lua_pushnumber(L, id);
  lua_pushnumber(L, serial);
  return 2;
}

void tideL_opencontext(lua_State *L) {
  static const luaL_Reg functions[] = {{"context", core_context},
                                       {"set_context", core_set_context},
                                       {"context_owner", core_context_owner},
                                       {NULL, NULL}};
  tideL_setfunctions(L, functions);
}
