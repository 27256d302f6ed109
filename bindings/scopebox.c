/*
 * scopebox.c: the scopes that a coroutine of tide.coroutine has open while it
 * is suspended: they leave the chain of its task with it, and come back with
 * it.
 */
#include "bindings.h"

/* What a suspended coroutine has open: a userdata, so that scopes of one that
 * is never resumed are freed with it. */
typedef struct scope_box {
  tideR_scope *top;
  uint32_t serial;
} scope_box;

static int scopebox__gc(lua_State *L) {
  tideL_state *S = tideL_get(L);
  const scope_box *box = lua_touserdata(L, 1);
  if (box->top != NULL && S->rt != NULL && box->serial == S->serial)
    tideL_dropscopes(L, S, box->top);
  return 0;
}

/* DETACHED[co] = box, or nil; co is not where L is. */
static void set_box(lua_State *L, lua_State *co) {
  tideL_own(L, OWN_DETACHED);
  tideL_pushcoroutine(L, co);
  lua_pushvalue(L, -3);
  lua_rawset(L, -3);
  lua_pop(L, 2);
}

void tideL_detachscopes(lua_State *L, tideL_state *S, tideR_task *task,
                        tideR_scope *base, lua_State *co) {
  scope_box *box;
  if (task->scope == base)
    return;
  box = tideL_newuserdata(L, sizeof *box);
  *box = (scope_box){NULL, S->serial};
  tideL_own(L, OWN_SCOPEBOX);
  lua_setmetatable(L, -2);
  S->detached++;
  lua_pushvalue(L, -1);
  set_box(L, co);
  box->top = tideR_scope_detach(S->rt, task, base);
  lua_pop(L, 1);
}

tideR_scope *tideL_takebox(lua_State *L, const tideL_state *S, lua_State *co) {
  tideR_scope *top = NULL;
  tideL_own(L, OWN_DETACHED);
  tideL_pushcoroutine(L, co);
  if (tideL_rawget(L, -2) == LUA_TUSERDATA) {
    scope_box *box = lua_touserdata(L, -1);
    if (box->serial == S->serial)
      top = box->top;
    box->top = NULL;
  }
  lua_pop(L, 2);
  return top;
}

void tideL_attachscopes(lua_State *L, tideL_state *S, tideR_task *task,
                        lua_State *co) {
  tideR_scope *top = S->detached > 0 ? tideL_takebox(L, S, co) : NULL;
  if (top != NULL)
    tideR_scope_attach(S->rt, task, top);
}

void tideL_openscopebox(lua_State *L) {
  static const luaL_Reg metamethods[] = {{"__gc", scopebox__gc}, {NULL, NULL}};
  tideL_newclass(L, OWN_SCOPEBOX, "tide.scopes", NULL, metamethods);
  lua_pop(L, 1);
}
