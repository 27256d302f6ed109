/*
 * lock.c: tide.lock.
 *
 * A lock belongs to a task; the main program is one, too, the root task. A
 * callback of the loop is none.
 */
#include <stdio.h>

#include "primitives.h"

#define MAGIC 0x6c6f636bu

typedef struct tideL_lock {
  uint32_t magic;
  uint32_t serial;    /* of the runtime */
  tideL_state *state; /* as tideL_get gives it, but quicker */
  tideR_lock lock;    /* a waiter's stack keeps the userdata */
} tideL_lock;

static inline tideL_lock *check_type(lua_State *L, int arg,
                                     const char *function) {
  tideL_lock *self = lua_touserdata(L, arg);
  if (self == NULL || lua_rawlen(L, arg) != sizeof *self ||
      self->magic != MAGIC)
    tideL_typeerror(L, arg, function, "Lock");
  return self;
}

static inline void check_open(lua_State *L, const tideL_lock *self,
                              const char *function) {
  if (self->serial != self->state->serial)
    tideL_error(L, "'%s': the loop is closed", function);
}

static inline tideL_lock *check(lua_State *L, const char *function) {
  tideL_lock *self = check_type(L, 1, function);
  check_open(L, self, function);
  return self;
}

tideR_lock *tideL_checklock(lua_State *L, int arg, const char *function) {
  tideL_lock *self = check_type(L, arg, function);
  check_open(L, self, function);
  return &self->lock;
}

tideR_lock *tideL_newlock(lua_State *L) {
  tideL_state *S = tideL_open(L);
  tideL_lock *self = tideL_newuserdata(L, sizeof *self);
  *self = (tideL_lock){.magic = MAGIC, .serial = S->serial, .state = S};
  tideR_lock_init(&self->lock);
  tideL_own(L, OWN_LOCK);
  lua_setmetatable(L, -2);
  return &self->lock;
}

static int core_lock(lua_State *L) {
  tideL_newlock(L);
  return 1;
}

/* ---- whose it is ---- */

/* The task that L runs for, also where it could not wait. NULL: none. */
static tideR_task *running_task(lua_State *L, const tideL_state *S) {
  tideR_task *root;
  if (S->busy > 0)
    return NULL;
  if (S->current != NULL || tideR_loop_running(S->rt))
    return S->current;
  root = tideR_task_root(S->rt);
  if (root == NULL)
    luaL_error(L, "not enough memory");
  return root;
}

static tideR_task *check_task(lua_State *L, const tideL_state *S,
                              const char *function) {
  tideR_task *task = running_task(L, S);
  if (task == NULL)
    tideL_error(L,
                "'%s' cannot be called in a callback: only a task owns locks",
                function);
  return task;
}

/* Its record may be another's by now: then all that is left is the id. */
static void push_owner(lua_State *L, const tideR_lock *lock) {
  const tideR_task *owner = lock->owner;
  char name[32];
  bool broken = tideR_lock_broken(lock);
  if (!broken && owner->flags & TIDE_ROOT) {
    lua_pushliteral(L, "the main program");
    return;
  }
  if (!broken && tideL_findtask(L, owner) != NULL) {
    tideL_pushname(L, lua_gettop(L));
    return;
  }
  snprintf(name, sizeof name, "task-%llu", (unsigned long long)lock->owner_id);
  lua_pushstring(L, name);
}

static void check_whole(lua_State *L, const tideR_lock *lock) {
  if (!tideR_lock_broken(lock))
    return;
  luaL_checkstack(L, 8, "an error");
  push_owner(L, lock);
  lua_pushfstring(L, "the owner, %s, ended without releasing it",
                  lua_tostring(L, -1));
  tideL_raise(L, TIDEL_BROKENLOCK, lua_tostring(L, -1));
}

static void check_free(lua_State *L, const tideR_lock *lock,
                       const tideR_task *task, const char *function) {
  if (tideR_lock_owned(lock, task))
    tideL_error(L, "'%s': the task has the lock already", function);
}

static int refuse_owner(lua_State *L, const tideR_lock *lock,
                        const char *function) {
  check_whole(L, lock);
  if (lock->owner == NULL)
    tideL_error(L, "'%s': the lock is not locked", function);
  push_owner(L, lock);
  return tideL_error(L, "'%s': the lock is another's, locked by %s", function,
                     lua_tostring(L, -1));
}

void tideL_checkowner(lua_State *L, const tideL_state *S,
                      const tideR_lock *lock, const char *function) {
  if (!tideR_lock_owned(lock, check_task(L, S, function)))
    refuse_owner(L, lock, function);
}

/* ---- acquire ---- */

/* True: it is the task's now. */
static bool try(lua_State *L, const tideL_state *S, tideR_lock *lock,
                tideR_task *task) {
  int err = tideR_lock_try(S->rt, task, lock);
  if (err == UV_ENOMEM)
    luaL_error(L, "not enough memory");
  if (err < 0)
    check_whole(L, lock);
  return err == 0;
}

int tideL_acquire(lua_State *L, tideL_state *S, tideR_lock *lock,
                  tideR_task *task, const char *function, tideL_finish finish) {
  check_free(L, lock, task, function);
  if (tideL_checkpoint(S, task))
    return tideL_cancel(L, S, task, function, finish);
  if (try(L, S, lock, task)) {
    if (tideL_turn(L, S, task, &lock->waiters.wait))
      return tideL_suspend(L, S, task, finish);
    return tideL_doneself(L);
  }
  tideL_checkyield(L, task, function);
  if (tideR_lock_park(S->rt, task, lock) < 0)
    return luaL_error(L, "not enough memory");
  return tideL_suspend(L, S, task, finish);
}

void tideL_checkacquired(lua_State *L, tideL_state *S, tideR_task *task,
                         const tideR_lock *lock) {
  if (task->status != TIDE_REFUSED)
    tideL_checkdelivered(L, S, task);
  if (!tideR_lock_owned(lock, task))
    check_whole(L, lock);
}

static int acquired(lua_State *L, tideL_state *S, tideR_task *task) {
  const tideL_lock *self = lua_touserdata(L, 1);
  tideL_checkacquired(L, S, task, &self->lock);
  lua_settop(L, 1);
  return 1;
}

/* Lock:acquire(): returns the lock, for <close> */
static int lock_acquire(lua_State *L) {
  static const char name[] = "Lock:acquire";
  tideL_lock *self = check_type(L, 1, name);
  tideL_state *S = self->state;
  tideR_task *task = tideL_enter(L, S, name);
  check_open(L, self, name); /* entering may be what closes a parent's loop */
  return tideL_acquire(L, S, &self->lock, task, name, acquired);
}

/* Lock:acquire_nowait(): true; or nil, "locked" */
static int lock_acquire_nowait(lua_State *L) {
  static const char name[] = "Lock:acquire_nowait";
  tideL_lock *self = check(L, name);
  tideR_task *task = check_task(L, self->state, name);
  check_free(L, &self->lock, task, name);
  if (try(L, self->state, &self->lock, task)) {
    lua_pushboolean(L, 1);
    return 1;
  }
  lua_pushnil(L);
  lua_pushliteral(L, "locked");
  return 2;
}

/* ---- release ---- */

/* Lock:release() */
static int lock_release(lua_State *L) {
  static const char name[] = "Lock:release";
  tideL_lock *self = check(L, name);
  tideL_checkowner(L, self->state, &self->lock, name);
  tideR_lock_release(self->state->rt, &self->lock);
  return 0;
}

/* An error that passes is not replaced by one about the lock. And a coroutine
 * that is closed by force runs for no task: its lock breaks. */
void tideL_closelock(lua_State *L, tideR_lock *lock, const char *function) {
  const tideL_state *S = tideL_get(L);
  const tideR_task *task = running_task(L, S);
  if (task == NULL)
    return;
  if (lua_isnoneornil(L, 2))
    tideL_checkowner(L, S, lock, function);
  if (tideR_lock_owned(lock, task))
    tideR_lock_release(S->rt, lock);
}

static int lock__close(lua_State *L) {
  static const char name[] = "Lock:release";
  tideL_closelock(L, tideL_checklock(L, 1, name), name);
  return 0;
}

/* ---- the rest ---- */

static int lock_locked(lua_State *L) {
  lua_pushboolean(L, tideL_checklock(L, 1, "Lock:locked")->owner != NULL);
  return 1;
}

int tideL_locktostring(lua_State *L, const char *class, const tideR_lock *lock,
                       const tideR_waitq *waiters) {
  if (tideR_lock_broken(lock)) {
    lua_pushfstring(L, "%s<broken>", class);
    return 1;
  }
  if (lock->owner == NULL) {
    lua_pushliteral(L, "unlocked");
  } else {
    push_owner(L, lock);
    lua_pushfstring(L, "locked by %s", lua_tostring(L, -1));
  }
  lua_pushfstring(L, "%s<%s, %d waiting>", class, lua_tostring(L, -1),
                  (int)tideR_waitq_length(waiters));
  return 1;
}

static int lock__tostring(lua_State *L) {
  const tideR_lock *lock = tideL_checklock(L, 1, "Lock:__tostring");
  return tideL_locktostring(L, "Lock", lock, &lock->waiters);
}

/* check_lock(self, function): for lua/tide */
static int core_check_lock(lua_State *L) {
  tideL_checklock(L, 1, luaL_checkstring(L, 2));
  return 0;
}

void tideL_openlock(lua_State *L) {
  static const luaL_Reg methods[] = {{"acquire_nowait", lock_acquire_nowait},
                                     {"release", lock_release},
                                     {"locked", lock_locked},
                                     {NULL, NULL}};
  static const luaL_Reg metamethods[] = {
      {"__close", lock__close}, {"__tostring", lock__tostring}, {NULL, NULL}};
  static const luaL_Reg functions[] = {
      {"lock", core_lock}, {"check_lock", core_check_lock}, {NULL, NULL}};
  static const tideL_awaiting awaiting[] = {
      {"Lock:acquire", lock_acquire, acquired, AWAIT_SELF},
      {NULL, NULL, NULL, AWAIT_RESULTS}};
  tideL_newclass(L, OWN_LOCK, "tide.Lock", methods, metamethods);
  tideL_setawaiting(L, awaiting);
  lua_setfield(L, -2, "Lock"); /* its methods: lua/tide adds to them */
  tideL_setfunctions(L, functions);
}
