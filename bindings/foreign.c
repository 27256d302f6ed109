/*
 * foreign.c: tide.coroutine, coroutines that may await.
 *
 * resume nests as Lua's does, and so does yield. Only when the inner coroutine
 * awaits does it yield to that resume, which then suspends the outer too: the
 * pair is linked, see links.c, and from then on the loop resumes the inner
 * directly. When that yields or ends, tideL_handback gives its values to the
 * outer, whose resume returns them.
 */
#include "bindings.h"

#define RESUMES_MAX 200 /* inside each other, on LuaJIT */

static lua_State *check_coroutine(lua_State *L, const char *function) {
  lua_State *co = lua_tothread(L, 1);
  if (co == NULL)
    tideL_typeerror(L, 1, function, "coroutine");
  return co;
}

/* It awaits, or has resumed one that does: only the loop may resume it. */
static bool is_waiting(lua_State *L, lua_State *co) {
  bool waits = tideL_resumer(L, co) != NULL;
  if (!waits && lua_status(co) == LUA_YIELD && co != L) {
    tideL_own(L, OWN_EXPOSED);
    lua_pushvalue(L, 1);
    lua_rawget(L, -2);
    waits = lua_toboolean(L, -1);
    lua_pop(L, 2);
  }
  return waits;
}

/* ---- resuming ---- */

/* LuaJIT does not count how deep resumes nest, and the C stack is not endless:
 * the same limit as the other Luas have. */
static int resume(tideL_state *S, lua_State *co, lua_State *L, int nargs,
                  int *n) {
#if TIDE_LUAJIT
  int status;
  if (S->depth >= RESUMES_MAX) {
    lua_settop(co, 0);
    lua_pushliteral(L, "C stack overflow");
    lua_xmove(L, co, 1);
    *n = 1;
    return LUA_ERRRUN;
  }
  S->depth++;
  status = tideL_resume(co, L, nargs, n);
  S->depth--;
#else
  int status;
  (void)S;
#if LUA_VERSION_NUM == 501
  lua_setlevel(L, co); /* so that 5.1 counts how deep resumes nest */
#endif
  status = tideL_resume(co, L, nargs, n);
#endif
  *n = tideL_nresults(co, *n);
  return status;
}

/* The task that L runs for; the main program's if it may wait, so not in one of
 * its finalisers; or NULL. */
static tideR_task *task_of(lua_State *L, tideL_state *S) {
  tideR_task *task = S->current;
  bool is_main;
  if (task != NULL)
    return task->coro == L ? task : NULL;
  if (tideL_isbusy(S))
    return NULL;
  is_main = lua_pushthread(L);
  lua_pop(L, 1);
  if (is_main && tideL_seemsfinaliser(L))
    return NULL;
  if (S->rt != NULL && S->mainthread != NULL) {
    task = tideR_task_root(S->rt);
    if (task->coro == L)
      return task;
  }
  if (is_main && !S->hosted && S->blocking)
    return tideL_entertask(L, S, "coroutine.resume");
  return NULL;
}

static uint64_t scope_id(const tideR_scope *scope) {
  return scope != NULL ? scope->id : 0;
}

/* What co left open, inside the scope that was the innermost when it was
 * resumed, is its own while it is suspended, and ends with it. If co has closed
 * that one, which was not its own, nothing of its own is left. */
static void take_scopes(lua_State *L, tideL_state *S, tideR_task *task,
                        uint64_t id, lua_State *co, int status) {
  tideR_scope *base = task->scope;
  if (scope_id(base) == id)
    return;
  while (base != NULL && base->id != id)
    base = tideR_scope_outer(base);
  if (base == NULL && id != 0)
    return;
  if (status == LUA_YIELD)
    tideL_detachscopes(L, S, task, base, co);
  else
    tideL_dropscopes(L, S, tideR_scope_detach(S->rt, task, base));
}

static int give_results(lua_State *L, lua_State *co, int status, int n) {
  bool ok = status == LUA_OK || status == LUA_YIELD;
  if (!ok)
    n = 1;
  if (!tideL_checkstack(L, n + 1)) {
    lua_settop(co, lua_gettop(co) - n);
    lua_pushboolean(L, 0);
    lua_pushliteral(L, "too many results to resume");
    return 2;
  }
  lua_pushboolean(L, ok);
  lua_xmove(co, L, n);
  return n + 1;
}

lua_State *tideL_handback(lua_State *T, tideL_state *S, tideR_task *task,
                          lua_State *co, int status, int n, int *nargs) {
  lua_State *outer = tideL_resumer(T, co);
  if (outer == NULL)
    return NULL;
  task->coro = outer;
  if (S->breaks)
    tideL_movebreak(S, co, outer);
  take_scopes(T, S, task, tideL_unlinkresumer(T, S, co), co, status);
  *nargs = give_results(outer, co, status, n);
  return outer;
}

/* The main program cannot yield: it drives the loop, and resumes what awaits
 * on its behalf, until that comes back to it. */
static int resume_in_main(lua_State *L, tideL_state *S, tideR_task *root) {
  for (;;) {
    lua_State *co = root->coro;
    int n, status;
    tideL_driveroot(S, root);
    n = tideL_arguments(root, co);
    status = tideL_resume(co, L, n, &n);
    while (status != LUA_YIELD || root->state == TIDE_TASK_RUNNING) {
      n = tideL_nresults(co, n);
      co = tideL_handback(L, S, root, co, status, n, &n);
      if (co == L)
        return n;
      status = tideL_resume(co, L, n, &n);
    }
  }
}

#if TIDE_YIELDK

#if LUA_VERSION_NUM == 502
static int resume_k(lua_State *L) {
#else
static int resume_k(lua_State *L, int status, lua_KContext context) {
  (void)status;
  (void)context;
#endif
  if (is_waiting(L, lua_tothread(L, 1))) {
    lua_settop(L, 1); /* resumed by somebody else: goes on waiting */
    return lua_yieldk(L, 0, 0, resume_k);
  }
  return lua_gettop(L) - 1;
}

#endif

/* co, of L's task, awaits: L waits for it. stack of L: <co> */
static int wait_for_inner(lua_State *L, tideL_state *S, tideR_task *task) {
  if (task->flags & TIDE_ROOT && L == S->mainthread)
    return resume_in_main(L, S, task);
#if TIDE_YIELDK
  return lua_yieldk(L, 0, 0, resume_k);
#else
  return lua_yield(L, 0);
#endif
}

static int resume_as(lua_State *L, tideL_state *S, tideR_task *task,
                     lua_State *co, int nargs) {
  uint64_t base = scope_id(task->scope);
  unsigned pinned = task->flags & TASK_PINNED;
  lua_State *pinner = S->pinner;
  tideL_link *spare;
  int status, n;
  if (pinned == 0 && !tideL_yieldable(L, task)) {
    task->flags |= TASK_PINNED;
    S->pinner = L;
  }
  task->coro = co;
  tideL_attachscopes(L, S, task, co);
  spare = tideL_takelink(S);
  status = resume(S, co, L, nargs, &n);
  task->flags &= (uint16_t)~TASK_PINNED;
  task->flags |= (uint16_t)pinned;
  S->pinner = pinner;
  if (status == LUA_YIELD && task->state != TIDE_TASK_RUNNING) {
    tideL_parked(S, task);
    tideL_linkresumer(L, S, task, co, base, spare);
    return wait_for_inner(L, S, task);
  }
  tideL_returnlink(S, spare);
  task->coro = L;
  if (S->breaks)
    tideL_movebreak(S, co, L);
  take_scopes(L, S, task, base, co, status);
  return give_results(L, co, status, n);
}

static int refuse_resume(lua_State *L, const char *state) {
  lua_pushboolean(L, 0);
  lua_pushfstring(L, "cannot resume %s coroutine", state);
  return 2;
}

static const char *status_of(lua_State *L, lua_State *co) {
  lua_Debug ar;
  if (co == L)
    return "running";
  if (is_waiting(L, co))
    return "normal";
  switch (lua_status(co)) {
  case LUA_YIELD:
    return "suspended";
  case LUA_OK:
    if (lua_getstack(co, 0, &ar) > 0)
      return "normal";
    return lua_gettop(co) == 0 ? "dead" : "suspended";
  default:
    return "dead";
  }
}

/* A suspended one. stack: <co, arguments...> */
static int resume_for(lua_State *L, tideL_state *S, lua_State *co,
                      uint16_t flags) {
  int nargs = lua_gettop(L) - 1, n, status;
  tideR_task *task;
  if (!tideL_checkstack(co, nargs + 1)) {
    lua_pushboolean(L, 0);
    lua_pushliteral(L, "too many arguments to resume");
    return 2;
  }
  task = task_of(L, S);
  tideL_reservelink(L, S);
  lua_xmove(L, co, nargs);
  if (task != NULL) {
    task->flags |= flags;
    return resume_as(L, S, task, co, nargs);
  }
  status = resume(S, co, L, nargs, &n);
  return give_results(L, co, status, n);
}

/* resume(co, ...): as Lua's; co may await on behalf of the running task */
static int foreign_resume(lua_State *L) {
  tideL_state *S = tideL_get(L);
  lua_State *co = check_coroutine(L, "coroutine.resume");
  const char *state = status_of(L, co);
  if (*state != 's')
    return refuse_resume(L, *state == 'd' ? "dead" : "non-suspended");
  return resume_for(L, S, co, TASK_GUARDED);
}

/* inner_resume(co, ...): the same of one that nobody else holds, so that it is
 * suspended now and only the loop resumes it while it waits */
static int core_inner_resume(lua_State *L) {
  return resume_for(L, tideL_get(L), lua_tothread(L, 1), 0);
}

/* Whether L is the task's own coroutine, or in a pcall of 5.1 there. */
static bool is_own(lua_State *L, const tideR_task *task) {
  lua_State *co = L, *own;
  int top = lua_gettop(L);
#if !TIDE_YIELDK
  if (tideL_pushcaller(L))
    co = lua_tothread(L, -1);
#endif
  lua_rawgeti(L, UP_THREADS, (int)task->slot);
  own = lua_tothread(L, -1);
  lua_settop(L, top);
  return co == own;
}

/* A task itself has nobody to yield to. */
static void check_yields(lua_State *L) {
  const tideL_state *S = tideL_get(L);
  luaL_checkstack(L, 8, NULL);
  if (S->current != NULL && S->current->coro == L && is_own(L, S->current))
    tideL_error(L, "attempt to yield from outside a coroutine");
}

#if TIDE_LUAJIT

/* check_yield(): what a C function yields in a finaliser LuaJIT takes for what
 * a hook does, and crashes when it goes on: so there its own yield follows. */
static int core_check_yield(lua_State *L) {
  check_yields(L);
  return 0;
}

#else

/* yield(...): as Lua's. */
static int foreign_yield(lua_State *L) {
  check_yields(L);
  return lua_yield(L, lua_gettop(L));
}

#endif

static int foreign_status(lua_State *L) {
  lua_State *co = check_coroutine(L, "coroutine.status");
  lua_pushstring(L, status_of(L, co));
  return 1;
}

/* in_task(): whether an await here would suspend a coroutine of a task */
static int core_in_task(lua_State *L) {
  const tideL_state *S = tideL_get(L);
  lua_pushboolean(L, S->current != NULL && S->current->coro == L);
  return 1;
}

/* in_coroutine(): whether this is not the main program; tells nobody which */
static int core_in_coroutine(lua_State *L) {
  lua_pushboolean(L, !lua_pushthread(L));
  return 1;
}

/* scope_id(): which scope is the innermost that what runs has opened; 0: none.
 * A generator asks before and after. */
static int core_scope_id(lua_State *L) {
  const tideL_state *S = tideL_get(L);
  const tideR_task *task = S->current;
  const tideR_scope *scope;
  if (task == NULL && S->rt != NULL && S->mainthread != NULL)
    task = tideR_task_root(S->rt);
  scope = task != NULL ? task->scope : NULL;
  if (scope != NULL && scope->flags & TIDE_SCOPE_OWN)
    scope = scope->parent;
  lua_pushnumber(L, (lua_Number)scope_id(scope));
  return 1;
}

/* drop_scopes(co): of a coroutine that is closed */
static int core_drop_scopes(lua_State *L) {
  tideL_state *S = tideL_get(L);
  lua_State *co = check_coroutine(L, "coroutine.close");
  if (S->detached > 0 && S->rt != NULL)
    tideL_dropscopes(L, S, tideL_takebox(L, S, co));
  return 0;
}

/* co_raise(err): what wrap does with the error of its coroutine: PUC Lua puts
 * the line of the caller before a string */
static int core_co_raise(lua_State *L) {
  if (!TIDE_LUAJIT && lua_type(L, 1) == LUA_TSTRING)
    return tideL_error(L, "%s", lua_tostring(L, 1));
  lua_settop(L, 1);
  return lua_error(L);
}

/* inner_coroutine(co): 5.1's pcall runs its function in co, but
 * coroutine.running there is still the caller's, and so are its hook and
 * globals: returns co */
static int core_inner_coroutine(lua_State *L) {
  lua_State *co = lua_tothread(L, 1);
  lua_settop(L, 1);
  tideL_inherit(L, co);
  tideL_own(L, OWN_INNER);
  lua_pushvalue(L, 1);
  lua_pushthread(L);
  lua_rawset(L, -3);
  lua_settop(L, 1);
  return 1;
}

void tideL_openforeign(lua_State *L) {
  static const luaL_Reg functions[] = {
    {"co_raise", core_co_raise},
    {"inner_coroutine", core_inner_coroutine},
    {"inner_resume", core_inner_resume},
    {"co_resume", foreign_resume},
    {"co_status", foreign_status},
#if TIDE_LUAJIT
    {"check_yield", core_check_yield},
#else
    {"co_yield", foreign_yield},
#endif
    {"in_task", core_in_task},
    {"in_coroutine", core_in_coroutine},
    {"scope_id", core_scope_id},
    {"drop_scopes", core_drop_scopes},
    {NULL, NULL}
  };
  tideL_setfunctions(L, functions);
}
