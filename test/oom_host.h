/* oom_host.h: what the scenarios of lua_oom.c have of a host in C: the table
 * `oom`. Its functions raise what tide.h returns. */
#ifndef TIDE_OOM_HOST_H
#define TIDE_OOM_HOST_H

#include "oom_memory.h"

/* What tide.h promises to call, and what it has called. */
static atomic_int promised, kept;

static int check_code(lua_State *L, int err, const char *what) {
  if (err == 0)
    return 0;
  if (err == UV_ENOMEM)
    return luaL_error(L, "not enough memory");
  return luaL_error(L, "assertion failed: %s: %s", what, uv_strerror(err));
}

static tide_runtime *check_runtime(lua_State *L) {
  tide_runtime *rt = tide_runtime_of(L);
  if (rt == NULL)
    check_code(L, UV_ENOMEM, "tide_runtime_of");
  return rt;
}

static int oom_open(lua_State *L) {
  tide_runtime *rt;
  return check_code(L, tide_open(&rt, L, NULL), "tide_open");
}

static int oom_step(lua_State *L) {
  tide_step(check_runtime(L), 0);
  return 0;
}

/* kept(): how many promises were, of how many */
static int oom_kept(lua_State *L) {
  lua_pushinteger(L, kept);
  lua_pushinteger(L, promised);
  return 2;
}

/* ---- tasks and futures ---- */

static void keep_task(tide_task *task, tide_outcome how, lua_State *L, int n,
                      void *ud) {
  (void)task, (void)how, (void)L, (void)n, (void)ud;
  kept++;
}

/* spawn(f): its Task */
static int oom_spawn(lua_State *L) {
  tide_runtime *rt = check_runtime(L);
  tide_task *task;
  int err;
  lua_settop(L, 1);
  lua_pushnil(L); /* the slot above */
  lua_pop(L, 1);
  check_code(L, tide_spawn(rt, L, 0, &task), "tide_spawn");
  err = tide_task_on_done(task, keep_task, NULL);
  promised += err == 0;
  if (err == 0)
    err = tide_task_push(task, L);
  tide_task_release(task);
  check_code(L, err, "tide_task_on_done");
  return 1;
}

/* future(v): a Future with that result */
static int oom_future(lua_State *L) {
  tide_runtime *rt = check_runtime(L);
  tide_future *future;
  int err;
  lua_settop(L, 1);
  check_code(L, tide_future_new(rt, &future), "tide_future_new");
  err = tide_future_set(future, L, 1);
  if (err == 0)
    err = tide_future_push(future, L);
  tide_future_release(future);
  check_code(L, err, "tide_future_set");
  return 1;
}

/* ---- posts and awaits ---- */

static void keep_post(tide_runtime *rt, void *arg) {
  (void)rt, (void)arg;
  kept++;
}

/* post(): one, and a remote for it */
static int oom_post(lua_State *L) {
  tide_remote *remote = tide_remote_new(check_runtime(L));
  int err = remote == NULL ? UV_ENOMEM : tide_post(remote, keep_post, NULL);
  promised += err == 0;
  tide_remote_release(remote);
  return check_code(L, err, "tide_post");
}

typedef struct awaiting {
  tide_remote *remote;
  tide_waiter *waiter;
} awaiting;

static awaiting *new_awaiting(lua_State *L) {
  awaiting *it = calloc(1, sizeof *it);
  if (it == NULL)
    check_code(L, UV_ENOMEM, "calloc");
  promised++; /* its release */
  return it;
}

static void release(void *arg) {
  awaiting *it = arg;
  tide_remote_release(it->remote);
  free(it);
  kept++;
}

static void wake(tide_runtime *rt, void *arg) {
  const awaiting *it = arg;
  (void)rt;
  tide_wake(it->waiter, 0);
}

static int start(tide_waiter *waiter, void *arg) {
  awaiting *it = arg;
  it->waiter = waiter;
  return tide_post(it->remote, wake, it);
}

/* await(): until a post wakes it */
static int oom_await(lua_State *L) {
  static const tide_await_ops ops = {
      .name = "oom.await", .start = start, .release = release};
  tide_runtime *rt = check_runtime(L);
  awaiting *it = new_awaiting(L);
  it->remote = tide_remote_new(rt);
  if (it->remote == NULL) {
    release(it);
    return check_code(L, UV_ENOMEM, "tide_remote_new");
  }
  return tide_await(L, &ops, it);
}

static void do_nothing(void *arg) {
  (void)arg;
}

/* work(): in a thread */
static int oom_work(lua_State *L) {
  static const tide_work_ops ops = {
      .name = "oom.work", .work = do_nothing, .release = release};
  return tide_work(L, &ops, new_awaiting(L));
}

/* prepare(): adds to the table what awaits; loads tide */
static int oom_prepare(lua_State *L) {
  static const luaL_Reg awaits[] = {
      {"await", oom_await}, {"work", oom_work}, {NULL, NULL}};
  check_runtime(L);
  promised = kept = 0;
  lua_getglobal(L, "oom");
  tide_setfuncs(L, awaits, 0);
  return 0;
}

/* oom.unwinds: false on 5.1, where a pcall is a coroutine. One that has no
 * memory to wait ends its task, and what it was to clean up stays. */
static void open_host(lua_State *L) {
  static const luaL_Reg functions[] = {
      {"open", oom_open},       {"step", oom_step}, {"kept", oom_kept},
      {"spawn", oom_spawn},     {"post", oom_post}, {"future", oom_future},
      {"prepare", oom_prepare}, {NULL, NULL}};
  lua_newtable(L);
  for (const luaL_Reg *f = functions; f->name != NULL; f++) {
    lua_pushcfunction(L, f->func);
    lua_setfield(L, -2, f->name);
  }
  lua_pushboolean(L, TIDE_YIELDK || TIDE_LUAJIT);
  lua_setfield(L, -2, "unwinds");
  lua_setglobal(L, "oom");
}

#endif
