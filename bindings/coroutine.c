/*
 * coroutine.c: coroutine <-> task. The only lua_resume of tasks.
 *
 * A task runs a coroutine that UP_THREADS anchors at the task's slot. When it
 * ends well, record and coroutine are kept together for the next task. From 5.4
 * on a base frame in C catches errors, so that coroutine can be used again too;
 * elsewhere it is dead, and kept with the error for its traceback.
 *
 * task->coro is the coroutine that runs now: the task's own, or one that it
 * resumed through tide.coroutine (foreign.c).
 *
 * What runs here runs in drive's or step's protected call on S->thread: an
 * out-of-memory error leaves by longjmp and ends the task (loop.c).
 */
#include <string.h>

#include "hosting.h"

/* ---- the base frame ---- */

#if TIDE_BASEFRAME

static int base_k(lua_State *L, int status, lua_KContext context) {
  (void)context;
  if (status == LUA_OK || status == LUA_YIELD)
    return lua_gettop(L) - 1; /* all but the message handler */
  tideL_get(L)->failed = true;
  return 1;
}

/* stack: <message handler, function, arguments...> */
static int task_base(lua_State *L) {
  return base_k(L, lua_pcallk(L, lua_gettop(L) - 2, LUA_MULTRET, 1, 0, base_k),
                0);
}

#endif

/* ---- ending ---- */

/* The functions of tide.scope leave what they enter; one that is still open was
 * to be closed by a variable that is none. */
static bool leave_scopes(lua_State *T, tideR_task *task) {
  tideL_retirescopes(T, task->scope);
  return !(task->scope->flags & TIDE_SCOPE_OWN) &&
         !(task->flags & TIDE_GIVENUP);
}

/* Its Task is on top of T. */
static tideR_end settle(lua_State *T, tideL_state *S, const tideR_task *task,
                        tideL_task *handle, lua_State *co, bool failed, int n) {
  tideL_settle(T, S, handle, co, failed, n);
  if (handle->outcome == OUTCOME_CANCELLED)
    return TIDE_END_CANCELLED;
  if (handle->outcome != OUTCOME_FAILED)
    return TIDE_END_OK;
  tideL_tellgroup(T, task, lua_gettop(T));
  return TIDE_END_FAILED;
}

static void report_forgotten(lua_State *T, tideL_state *S) {
  tideL_pushreport(T,
                   "a task ended with a scope open: give it a function, or "
                   "write `local x <close> = `",
                   0);
  lua_pushvalue(T, -2);
  lua_setfield(T, -2, "task");
  tideL_report(T, S);
}

/* co, n values on its top, is done: tells who waits, frees the record. */
static void end_task(lua_State *T, tideL_state *S, tideR_task *task,
                     lua_State *co, bool failed, int n, bool reusable) {
  if (!failed && task->flags & TIDE_SELFCANCEL) { /* in its last step */
    lua_pop(co, n);
    tideL_pushcancel(T, S, task);
    lua_xmove(T, co, 1);
    failed = true;
    n = 1;
  }
  if (failed && lua_isnil(co, -1)) {
    lua_pop(co, 1);
    lua_pushliteral(T, "<no error object>");
    lua_xmove(T, co, 1);
  }
  /* A Task is made for an error that nobody could ask for. What calls user
   * code comes last, when the task is no more. */
  bool forgotten = task->scope != NULL && leave_scopes(T, task);
  tideL_task *handle = tideL_findtask(T, task);
  bool held = handle != NULL;
  bool awaited = failed && tideR_task_is_awaited(task);
  tideR_end how = TIDE_END_OK;
  if (!held && (failed || forgotten))
    handle = tideL_pushtask(T, S, task);
  if (handle != NULL)
    how = settle(T, S, task, handle, co, failed, n);
  tideL_putaway(T, S, task, co, n, reusable);
  if (S->varied)
    tideL_dropcontext(T, task);
  tideR_task_finish(S->rt, task, how);
  S->current = NULL;
  if (forgotten)
    report_forgotten(T, S);
  if (failed)
    tideL_watchfailure(T, S, lua_gettop(T), held, awaited);
  if (handle != NULL)
    lua_pop(T, 1);
}

static void close_coroutine(lua_State *T, lua_State *co) {
  tideL_closethread(co, T);
  lua_settop(co, 0);
}

static void end_badyield(lua_State *T, tideL_state *S, tideR_task *task,
                         lua_State *co) {
  lua_Debug ar;
  bool found = tideL_userlevel(T, co, 0, &ar);
  close_coroutine(T, co);
  if (found)
    lua_pushfstring(T, "%s:%d: ", ar.short_src, ar.currentline);
  lua_pushliteral(T, "a task yielded outside of an await: only coroutines "
                     "made in it can coroutine.yield; tide.sleep(0) gives "
                     "others a turn, tide.next_tick() waits for a frame");
  if (found)
    lua_concat(T, 2);
  lua_xmove(T, co, 1);
  end_task(T, S, task, co, true, 1, false);
}

/* The coroutine stopped, and not in an await: hands its values to the one that
 * resumed it, or ends the task. True: go on with *co. */
static bool stopped(lua_State *T, tideL_state *S, tideR_task *task,
                    lua_State **co, int status, int *n) {
  lua_State *next = NULL;
  if (S->links > 0)
    next = tideL_handback(T, S, task, *co, status, *n, n);
  if (next != NULL) {
    *co = next;
    return true;
  }
  task->coro = *co; /* else, out of memory for a link, one that it resumed */
  if (status == LUA_YIELD) {
    end_badyield(T, S, task, *co);
  } else {
    bool failed = status != LUA_OK || S->failed;
    S->failed = false;
    end_task(T, S, task, *co, failed, failed ? 1 : *n - TIDEL_BOTTOM,
             status == LUA_OK);
  }
  return false;
}

/* ---- resuming ---- */

static int first_arguments(tideR_task *task, lua_State *co) {
  task->flags &= (uint16_t)~TIDE_FRESH;
  return lua_gettop(co) - TIDEL_BOTTOM - 1;
}

int tideL_arguments(tideR_task *task, lua_State *co) {
  if (task->flags & TIDE_FRESH)
    return first_arguments(task, co);
#if !TIDE_YIELDK /* what the Lua function of the awaiting call looks for */
  if (task->status != TIDE_WOKEN || task->flags & (TASK_RAISE | TIDE_CANCEL)) {
    lua_pushboolean(co, 1);
    return 1;
  }
#endif
  return 0;
}

/* The task that stopped on the spot and could not be ended there. */
static tideR_task *take_stopped(tideL_state *S, lua_State **co, int *status,
                                int *n) {
  tideR_task *task = S->stopped;
  S->stopped = NULL;
  S->current = task;
  *co = S->stopped_on;
  *status = S->stopped_status;
  *n = S->stopped_values;
  return task;
}

static inline void resume(lua_State *T, tideL_state *S, tideR_task *task) {
  lua_State *co = task->coro != NULL ? task->coro : tideL_begin(T, S, task);
  int n = tideL_arguments(task, co), status;
  S->current = task;
  S->streak = 0;
  do {
    status = tideL_resume(co, T, n, &n);
    if (status != LUA_YIELD || task->state == TIDE_TASK_RUNNING)
      n = tideL_nresults(co, n);
    else if (S->stopped == NULL)
      break;
    else
      task = take_stopped(S, &co, &status, &n);
  } while (stopped(T, S, task, &co, status, &n));
  S->current = NULL;
}

/* The loop of all loops. A yield leaves lua_resume by longjmp, after which the
 * processor guesses the next few returns wrong: so as few as possible lie
 * between lua_resume and the next one. */
void tideL_resumeall(lua_State *T, tideL_state *S) {
  tideR_task *task;
  while ((task = tideR_loop_next(S->rt)) != NULL) {
    if (S->watching)
      tideL_beforerun(T, S, task);
    resume(T, S, task);
    if (S->watching)
      tideL_afterrun(T, S, task);
  }
}

/* One that stopped on the spot is the runtime's until it is ended. */
void tideL_parked(tideL_state *S, const tideR_task *task) {
  if (tideR_task_current(S->rt) == task)
    tideR_loop_left(S->rt);
}

/* ---- on the spot ---- */

/* It ended well, and nothing about its end can raise: its Task, at index 1 of
 * L, gets the result. */
static bool end_plainly(lua_State *L, tideL_state *S, tideR_task *task,
                        tideL_task *handle, lua_State *co, int n) {
  if (S->failed || S->varied || S->links > 0 || handle->info || n > 1 ||
      task->scope != NULL) /* as it is after a cancel */
    return false;
  if (S->remade && !tideL_isitstask(L, task, handle))
    return false;
  if (n == 1 && !tideL_storesmall(L, 1, co))
    return false;
  handle->outcome = OUTCOME_RESULTS;
  tideL_putaway(L, S, task, co, n, true);
  tideR_task_finish(S->rt, task, TIDE_END_OK);
  return true;
}

bool tideL_runhere(lua_State *L, tideL_state *S, tideR_task *task,
                   tideL_task *handle) {
  tideR_task *next = handle->task;
  lua_State *co = next->coro;
  int n, status;
  if (co == NULL || S->nested || S->watching ||
      task->flags & (TIDE_ROOT | TASK_GUARDED | TASK_PINNED) ||
      !tideR_loop_take(S->rt, next))
    return false;
  n = tideL_arguments(next, co);
  S->current = next;
  S->streak = 0;
  S->nested = true;
  status = tideL_resume(co, S->thread, n, &n);
  S->nested = false;
  S->current = task;
  if (status == LUA_YIELD && next->state != TIDE_TASK_RUNNING) {
    tideR_loop_left(S->rt);
    return false;
  }
  n = tideL_nresults(co, n);
  if (status != LUA_OK ||
      !end_plainly(L, S, next, handle, co, n - TIDEL_BOTTOM)) {
    S->stopped = next;
    S->stopped_on = co;
    S->stopped_status = status;
    S->stopped_values = n;
    return false;
  }
  if (!tideR_loop_take(S->rt, task))
    return false;
  S->streak = 0;
  return true;
}

/* ---- ends that are not the coroutine's own ---- */

/* Its own coroutine; others that it had resumed are left to the collector.
 * NULL: it never ran. */
static lua_State *own_coroutine(lua_State *T, tideR_task *task) {
  lua_State *co = NULL;
  if (task->coro == NULL)
    return NULL;
  if (tideL_rawgeti(T, UP_THREADS, (int)task->slot) == LUA_TTHREAD)
    co = lua_tothread(T, -1);
  lua_pop(T, 1);
  return co;
}

static int abandon_body(lua_State *T) {
  tideL_state *S = tideL_get(T);
  tideR_task *task = S->failing;
  lua_State *co = own_coroutine(T, task);
  bool inside = tideL_entercallback(T, S);
  tideL_dropput(T, task);
  tideL_droplinks(T, S, task);
  if (co == NULL) {
    tideL_dropcall(T, S, task);
    co = task->coro = lua_newthread(T);
  }
  tideL_callfor(T, S, task);
  close_coroutine(T, co);
  tideL_leavecallback(T, S, inside);
  tideL_checkstack(co, 2);
  tideL_pusherror(T, TIDEL_ABANDONED,
                  "the task went on after it was cancelled and was abandoned");
  lua_xmove(T, co, 1);
  end_task(T, S, task, co, true, 1, false);
  return 0;
}

/* Must return: what raises is out of memory, then the task just ends. */
static void on_abandon(tideR_runtime *rt, tideR_task *task) {
  tideL_state *S = tideR_runtime_data(rt);
  lua_State *T = S->thread;
  bool calling = S->calling;
  tideL_own(T, OWN_ABANDON);
  S->failing = task;
  if (lua_pcall(T, 0, 0, 0) == LUA_OK)
    return;
  lua_pop(T, 1);
  S->calling = calling;
  tideL_endtask(S, task);
}

static int let_go(lua_State *T, tideL_state *S, void *arg) {
  const tideR_task *task = arg;
  lua_pushboolean(T, 0);
  lua_rawseti(T, UP_THREADS, (int)task->slot);
  tideL_dropcall(T, S, task);
  return 0;
}

/* What its coroutine or its call holds, a child say, is not to stay until there
 * is another task in its place. A failure may come too late to matter. */
void tideL_endtask(tideL_state *S, tideR_task *task) {
  if (task->state == TIDE_TASK_FREE)
    return; /* it had ended before the error */
  tideL_forgetlinks(S, task);
  if (!tideL_tryhere(S, S->thread, 0, let_go, task))
    lua_pop(S->thread, 1);
  task->coro = NULL;
  tideR_task_finish(S->rt, task, TIDE_END_FAILED);
}

void tideL_failtask(lua_State *T, tideL_state *S, tideR_task *task) {
  lua_State *co = own_coroutine(T, task);
  S->failed = false;
  if (task->state == TIDE_TASK_FREE)
    return; /* it had ended before the error */
  tideL_droplinks(T, S, task);
  if (co == NULL) { /* the error came before it had one */
    tideL_dropcall(T, S, task);
    co = task->coro = lua_newthread(T);
    lua_insert(T, -2);
  }
  if (lua_gettop(co) > 0)
    lua_pop(co, 1); /* a dead one has no room: the error comes in its place */
  lua_pushvalue(T, -1);
  lua_xmove(T, co, 1);
  end_task(T, S, task, co, true, 1, false);
}

static void on_report(tideR_runtime *rt, tideR_task *task, tideR_report what) {
  tideL_state *S = tideR_runtime_data(rt);
  if (what == TIDE_REPORT_SWALLOWED) /* inside the task's own await */
    tideL_noteswallower(S, task);
}

const tideR_hooks tideL_hooks = {.abandon = on_abandon,
                                 .call = tideL_oncall,
                                 .report = on_report,
                                 .turn = tideL_onturn,
                                 .post = tideL_onpost};

/* ---- coroutine.running ---- */

static void expose(lua_State *L, tideR_task *task, const lua_State *co) {
  lua_rawgeti(L, UP_THREADS, (int)task->slot);
  if (lua_tothread(L, -1) == co) {
    task->flags |= TASK_EXPOSED | TASK_GUARDED;
    tideL_own(L, OWN_EXPOSED);
    lua_insert(L, -2);
    lua_pushboolean(L, 1);
    lua_rawset(L, -3);
  }
  lua_pop(L, 1);
}

#if !TIDE_YIELDK

bool tideL_pushcaller(lua_State *L) {
  bool inner = false;
  tideL_own(L, OWN_INNER);
  for (lua_pushthread(L);; inner = true) {
    lua_pushvalue(L, -1);
    lua_rawget(L, -3);
    if (lua_isnil(L, -1))
      break;
    lua_replace(L, -2);
  }
  lua_pop(L, 1);
  if (!inner)
    lua_pop(L, 2);
  return inner;
}

#endif

/* What Lua's own returns. A coroutine that user code gets to hold is not used
 * again for another task. */
static int coroutine_running(lua_State *L) {
  tideL_state *S = tideL_get(L);
  bool in_task = S->current != NULL && S->current->coro == L;
#if !TIDE_YIELDK
  if (tideL_pushcaller(L)) {
    if (in_task)
      expose(L, S->current, lua_tothread(L, -1));
    return 1;
  }
#endif
  if (in_task)
    expose(L, S->current, L);
  tideL_own(L, OWN_RUNNING);
  lua_insert(L, 1);
  lua_call(L, lua_gettop(L) - 1, LUA_MULTRET);
  return lua_gettop(L);
}

static void wrap_running(lua_State *L) {
  lua_getfield(L, LUA_REGISTRYINDEX, "_LOADED");
  if (tideL_getfield(L, -1, "coroutine") == LUA_TTABLE) {
    lua_getfield(L, -1, "running");
    lua_rawseti(L, UP_OWN, OWN_RUNNING);
    tideL_pushfunction(L, coroutine_running);
    lua_setfield(L, -2, "running");
  }
  lua_pop(L, 2);
}

void tideL_opencoroutine(lua_State *L) {
#if TIDE_BASEFRAME
  tideL_pushfunction(L, task_base);
  lua_rawseti(L, UP_OWN, OWN_BASE);
#elif LUA_VERSION_NUM == 501 && !TIDE_LUAJIT
  static const char base[] = "local function pass(...) return ... end "
                             "return function(f, ...) "
                             "return pass(f(...)) end";
  if (luaL_loadbuffer(L, base, sizeof base - 1, "=[tide]") != LUA_OK)
    lua_error(L);
  lua_call(L, 0, 1);
  lua_rawseti(L, UP_OWN, OWN_BASE);
#endif
  tideL_pushfunction(L, abandon_body);
  lua_rawseti(L, UP_OWN, OWN_ABANDON);
  wrap_running(L);
}
