/*
 * gather.c: waiting for several, behind gather, wait, race and as_completed of
 * lua/tide/gather.lua.
 *
 * new_gather checks a list of awaitables and keeps it as its user value;
 * gather_wait makes tasks of the functions in it, at its first call, and waits.
 * Who waits has the gather on the stack. One that is dropped earlier leaves all
 * in its finaliser.
 */
#include <string.h>

#include "bindings.h"

#define MAGIC 0x67617468u

typedef struct tideL_gather {
  uint32_t magic;
  uint32_t serial; /* of the runtime */
  const struct mode *mode;
  uint32_t count;
  bool begun;
  bool futures; /* there are some in the list */
  bool tasks;
  tideR_gather gather;
  tideR_link links[]; /* to what is at the same place of the list, from 0 */
} tideL_gather;

static const struct mode {
  const char *name;
  const char *function; /* that the user called */
  tideR_until until;
  bool counted;
  bool functions; /* are taken, too */
} modes[] = {
    {"gather", "tide.gather", TIDE_UNTIL_ERROR, true, true},
    {"return_exceptions", "tide.gather", TIDE_UNTIL_ALL, true, true},
    {"race", "tide.race", TIDE_UNTIL_WINNER, true, true},
    {"as_completed", "tide.as_completed", TIDE_UNTIL_FIRST, true, true},
    {"all_completed", "tide.wait", TIDE_UNTIL_ALL, false, false},
    {"first_completed", "tide.wait", TIDE_UNTIL_FIRST, false, false},
    {"first_exception", "tide.wait", TIDE_UNTIL_FAILED, false, false},
};

static const struct mode *find_mode(const char *name) {
  const struct mode *mode = modes;
  while (strcmp(mode->name, name) != 0)
    mode++;
  return mode;
}

static tideL_gather *check(lua_State *L) {
  tideL_gather *self = lua_touserdata(L, 1);
  if (self == NULL || lua_rawlen(L, 1) < sizeof *self || self->magic != MAGIC)
    tideL_typeerror(L, 1, "gather", "Gather");
  return self;
}

/* ---- checking the list ---- */

static int refuse(lua_State *L, const char *function, int i, bool in_list,
                  const char *message) {
  if (in_list)
    return tideL_argerror(L, 1, function,
                          lua_pushfstring(L, "item %d: %s", i, message));
  return tideL_argerror(L, i, function, message);
}

/* What is to be awaited at the place i of the list, or NULL: it is to be
 * called. stack: <list, n, mode, in_list> */
static const tideL_task *check_item(lua_State *L, int i,
                                    const struct mode *mode) {
  const char *function = mode->function, *expected;
  bool in_list = lua_toboolean(L, 4);
  tideL_task *handle;
  lua_rawgeti(L, 1, i);
  if (mode->functions && lua_isfunction(L, -1)) {
    lua_pop(L, 1);
    return NULL;
  }
  handle = tideL_toawaitable(L, -1);
  if (handle == NULL && (!mode->functions || !tideL_iscallable(L, -1))) {
    expected = mode->functions ? "Task, Future or function" : "Task or Future";
    refuse(L, function, i, in_list,
           lua_pushfstring(L, "%s expected, got %s", expected,
                           tideL_typename(L, -1)));
  }
  tideL_noticecancel(L, tideL_get(L), lua_gettop(L));
  if (handle != NULL && handle->outcome == OUTCOME_CLOSED)
    refuse(L, function, i, in_list, "it is of a loop that was closed");
  lua_pop(L, 1);
  return handle;
}

/* new_gather(list, n, mode, in_list): the list is its own from now on
 */
static int core_new_gather(lua_State *L) {
  const tideL_state *S = tideL_open(L);
  const struct mode *mode = find_mode(luaL_checkstring(L, 3));
  uint32_t count = (uint32_t)lua_tonumber(L, 2);
  tideL_gather *self;
  bool futures = false, tasks = false;
  for (uint32_t i = 1; i <= count; i++) {
    const tideL_task *handle = check_item(L, (int)i, mode);
    futures |= handle != NULL && handle->id == 0;
    tasks |= handle != NULL && handle->id != 0;
  }
  self = tideL_newuserdata(L, sizeof *self + count * sizeof(tideR_link));
  *self = (tideL_gather){.magic = MAGIC, .serial = S->serial, .mode = mode};
  self->count = count;
  self->futures = futures;
  self->tasks = tasks;
  tideR_gather_init(&self->gather, mode->until, mode->counted);
  lua_pushvalue(L, 1);
  tideL_setuservalue(L, -2);
  tideL_own(L, OWN_GATHER);
  lua_setmetatable(L, -2);
  return 1;
}

/* ---- waiting ---- */

static tideR_end end_of(const tideL_task *handle) {
  switch (handle->outcome) {
  case OUTCOME_RESULTS:
    return TIDE_END_OK;
  case OUTCOME_FAILED:
    return TIDE_END_FAILED;
  }
  return TIDE_END_CANCELLED;
}

/* A task of the function on top. stack: <gather>, then the list, and its item
 * i + 1 on top. */
static void add_call(lua_State *L, tideL_state *S, tideL_gather *self,
                     uint32_t i) {
  tideR_link *link = &self->links[i];
  tideR_task *task = tideL_spawn(L, S, lua_gettop(L), NULL);
  lua_rawseti(L, -3, (int)i + 1);
  link->mine = true;
  if (tideR_gather_add_task(S->rt, &self->gather, link, task) < 0)
    luaL_error(L, "not enough memory");
}

/* One that was made by others. */
static void add_link(lua_State *L, tideL_state *S, tideL_gather *self,
                     tideL_task *handle, uint32_t i) {
  tideR_link *link = &self->links[i];
  link->mine = false;
  tideL_noticecancel(L, S, lua_gettop(L));
  if (handle->outcome == OUTCOME_NONE)
    tideR_gather_add(&self->gather, link,
                     tideL_tojoin(L, S, handle, self->mode->function));
  else
    tideR_gather_add_ended(&self->gather, link, end_of(handle));
}

/* Makes tasks of the functions. If that fails half way, what is there is linked
 * and ends with the gather. */
static void begin(lua_State *L, tideL_state *S, tideL_gather *self) {
  if (self->begun)
    return;
  tideL_getuservalue(L, 1);
  for (uint32_t i = 0; i < self->count; i++) {
    tideL_task *handle;
    lua_rawgeti(L, -1, (int)i + 1);
    handle = lua_isfunction(L, -1) ? NULL : tideL_toawaitable(L, -1);
    if (handle == NULL)
      add_call(L, S, self, i);
    else
      add_link(L, S, self, handle, i);
    lua_pop(L, 1);
  }
  lua_pop(L, 1);
  self->begun = true;
}

static void refuse_self(lua_State *L, const tideL_gather *self,
                        const tideR_task *task) {
  if (task == NULL || !self->tasks)
    return;
  tideL_getuservalue(L, 1);
  for (uint32_t i = 1; i <= self->count; i++) {
    const tideL_task *handle;
    lua_rawgeti(L, -1, (int)i);
    handle = tideL_toawaitable(L, -1);
    if (handle != NULL)
      tideL_refuseself(L, handle, task);
    lua_pop(L, 1);
  }
  lua_pop(L, 1);
}

/* Of futures that it cancelled itself. */
static void notice_cancels(lua_State *L, tideL_state *S,
                           const tideL_gather *self) {
  if (!self->futures || !self->gather.leaving)
    return;
  tideL_getuservalue(L, 1);
  for (uint32_t i = 1; i <= self->count; i++) {
    lua_rawgeti(L, -1, (int)i);
    tideL_noticecancel(L, S, lua_gettop(L));
    lua_pop(L, 1);
  }
  lua_pop(L, 1);
}

static int push_place(lua_State *L, const tideL_gather *self,
                      const tideR_link *link) {
  if (link == NULL)
    return 0;
  lua_pushinteger(L, link - self->links + 1);
  return 1;
}

static int waited(lua_State *L, tideL_state *S, tideR_task *task) {
  tideL_gather *self = check(L);
  task->flags &= (uint16_t)~TIDE_LEAVING;
  notice_cancels(L, S, self);
  if (self->gather.cancelled && task->status == TIDE_WOKEN)
    return tideL_raisecancel(L, S, task);
  if (self->mode->functions)
    tideL_checkdelivered(L, S, task);
  else
    tideL_checkwoken(L, S, task);
  if (self->gather.until == TIDE_UNTIL_FIRST)
    return push_place(L, self, tideR_gather_take(&self->gather));
  self->gather.until = self->mode->until; /* after gather_cancel */
  return push_place(L, self, self->gather.first);
}

/* A task that waits for itself would wait for ever, and one of two that wait in
 * the same gather. */
static void check_waiter(lua_State *L, const tideL_gather *self,
                         const tideR_task *task) {
  const tideR_task *waiter = self->gather.waiter;
  if (!self->begun)
    refuse_self(L, self, task);
  else if (tideR_gather_awaits(&self->gather, task))
    tideL_error(L, "a task cannot await itself");
  if (waiter != NULL && waiter != task)
    tideL_error(L, "'%s': another task waits for the next one",
                self->mode->function);
}

/* gather_wait(gather): the place of what decided it, if any; as_completed: of
 * the next that ended, or nothing if none is left */
static int core_gather_wait(lua_State *L) {
  tideL_state *S = tideL_get(L);
  tideL_gather *self = check(L);
  const char *name = self->mode->function;
  tideR_task *task = tideL_enter(L, S, name);
  if (self->serial != S->serial)
    return tideL_error(L, "'%s': the loop is closed", name);
  check_waiter(L, self, task);
  if (tideL_checkpoint(S, task))
    return tideL_cancel(L, S, task, name, waited);
  if (!self->begun && self->count > 0)
    tideL_checkyield(L, task, name);
  begin(L, S, self);
  if (!tideR_gather_begin(S->rt, task, &self->gather))
    return tideL_ready(L, S, task, NULL, waited);
  tideL_checkyield(L, task, name);
  tideR_gather_park(S->rt, task, &self->gather);
  tideR_task_notice(S->rt, task); /* a finaliser may have cancelled it */
  if (task->state != TIDE_TASK_PARKED)
    return tideL_cancel(L, S, task, name, waited);
  return tideL_suspend(L, S, task, waited);
}

/* gather_begin(gather): makes the tasks without waiting */
static int core_gather_begin(lua_State *L) {
  tideL_state *S = tideL_get(L);
  tideL_gather *self = check(L);
  refuse_self(L, self, S->current);
  begin(L, S, self);
  return 0;
}

/* gather_ready(gather): whether gather_wait need not wait */
static int core_gather_ready(lua_State *L) {
  const tideL_gather *self = check(L);
  lua_pushboolean(L, self->gather.pending.head == NULL ||
                         self->gather.done.head != NULL);
  return 1;
}

static bool is_live(lua_State *L, const tideL_gather *self) {
  const tideL_state *S = tideL_get(L);
  return S->rt != NULL && self->serial == S->serial;
}

/* gather_cancel(gather): what is pending; gather_wait then waits for its end */
static int core_gather_cancel(lua_State *L) {
  tideL_gather *self = check(L);
  self->gather.until = TIDE_UNTIL_ALL;
  if (is_live(L, self))
    tideR_gather_cancel(tideL_get(L)->rt, &self->gather);
  return 0;
}

/* gather_leave(gather): what it made itself, and nobody else waits for, is
 * cancelled; how many it waited for */
static int core_gather_leave(lua_State *L) {
  tideL_gather *self = check(L);
  tideR_runtime *rt = tideL_get(L)->rt;
  tideR_link *link;
  lua_Integer left = 0;
  for (; is_live(L, self) && (link = self->gather.pending.head) != NULL;
       left++) {
    tideR_join *join = tideR_link_join(rt, link);
    tideR_gather_drop(link);
    if (link->mine && join != NULL && join->awaiters == 0)
      tideR_join_cancel(rt, join);
  }
  if (left > 0)
    tideR_gather_leave(rt, &self->gather);
  lua_pushinteger(L, left);
  return 1;
}

/* ---- results ---- */

/* Pushes the first result of what is on top, or all of them, packed. */
static void push_result(lua_State *L, tideL_task *handle, bool pack) {
  int n = tideL_pushoutcome(L, lua_gettop(L), handle);
  int first = lua_gettop(L) - n + 1;
  if (!pack) {
    lua_settop(L, first);
    return;
  }
  lua_createtable(L, n, 1);
  lua_insert(L, first);
  for (int i = n; i >= 1; i--)
    lua_rawseti(L, first, i);
  lua_pushinteger(L, n);
  lua_setfield(L, first, "n");
}

static void set_n(lua_State *L, int index, uint32_t n) {
  lua_pushinteger(L, (lua_Integer)n);
  lua_setfield(L, index, "n");
}

/* gather_results(gather, pack): the results, and the errors, where there are
 * any, of all that it waited for; both with n */
static int core_gather_results(lua_State *L) {
  enum { LIST = 3, RESULTS, ERRORS, HANDLE };
  const tideL_gather *self = check(L);
  bool pack = lua_toboolean(L, 2);
  lua_settop(L, 2);
  tideL_getuservalue(L, 1);
  lua_createtable(L, (int)self->count, 1);
  lua_newtable(L);
  for (uint32_t i = 1; i <= self->count; i++) {
    tideL_task *handle;
    lua_rawgeti(L, LIST, (int)i);
    handle = lua_touserdata(L, HANDLE); /* checked, or made here */
    if (handle->outcome == OUTCOME_RESULTS) {
      push_result(L, handle, pack);
      lua_rawseti(L, RESULTS, (int)i);
    } else {
      tideL_pushfailure(L, HANDLE, handle);
      lua_rawseti(L, ERRORS, (int)i);
    }
    lua_settop(L, ERRORS);
  }
  set_n(L, RESULTS, self->count);
  set_n(L, ERRORS, self->count);
  return 2;
}

/* report_others(gather, place): the failures of all but that one, which may be
 * there twice, go to the exception handler: nobody will ask for them */
static int core_report_others(lua_State *L) {
  tideL_state *S = tideL_get(L);
  const tideL_gather *self = check(L);
  lua_Number place = lua_tonumber(L, 2);
  lua_settop(L, 2);
  tideL_getuservalue(L, 1);
  lua_rawgeti(L, 3, (int)place);
  for (uint32_t i = 1; i <= self->count; i++) {
    const tideL_task *handle;
    lua_rawgeti(L, 3, (int)i);
    handle = tideL_toawaitable(L, 5);
    if (handle->outcome == OUTCOME_FAILED && !handle->seen &&
        !lua_rawequal(L, 4, 5))
      tideL_reportfailure(L, S, 5);
    lua_settop(L, 4);
  }
  return 0;
}

void tideL_opengather(lua_State *L) {
  static const luaL_Reg metamethods[] = {{"__gc", core_gather_leave},
                                         {"__close", core_gather_leave},
                                         {NULL, NULL}};
  static const luaL_Reg functions[] = {{"new_gather", core_new_gather},
                                       {"gather_begin", core_gather_begin},
                                       {"gather_ready", core_gather_ready},
                                       {"gather_cancel", core_gather_cancel},
                                       {"gather_leave", core_gather_leave},
                                       {"gather_results", core_gather_results},
                                       {"report_others", core_report_others},
                                       {NULL, NULL}};
  static const tideL_awaiting awaiting[] = {
      {"gather_wait", core_gather_wait, waited, AWAIT_RESULTS},
      {NULL, NULL, NULL, AWAIT_RESULTS}};
  tideL_newclass(L, OWN_GATHER, "tide.Gather", NULL, metamethods);
  lua_pop(L, 1);
  tideL_setfunctions(L, functions);
  tideL_setawaiting(L, awaiting);
}
