/*
 * work.c: tide_work, an await of what a thread does.
 *
 * The record has two owners, the await and libuv's request: a cancel may end
 * the first before the second.
 */
#include <stdlib.h>

#include "hosting.h"

typedef struct working {
  tideR_work work; /* first */
  tide_waiter *waiter;
  const tide_work_ops *ops;
  void *arg;
  tide_await_ops await;
  bool requested; /* libuv has it */
  bool awaited;
} working;

static void free_if_done(working *it) {
  if (!it->requested && !it->awaited)
    free(it);
}

/* In the thread. */
static void do_work(tideR_work *work) {
  working *it = (working *)work;
  it->ops->work(it->arg);
}

static void after_work(tideR_work *work, int status) {
  working *it = (working *)work;
  tide_waiter *waiter = it->waiter;
  it->requested = false;
  it->waiter = NULL;
  if (waiter != NULL)
    tide_wake(waiter, status);
  else
    free_if_done(it);
}

static int start(tide_waiter *waiter, void *arg) {
  working *it = arg;
  int err;
  it->work.work = do_work;
  it->work.after = after_work;
  err = tideR_work_start(tideL_runtimeof(waiter), &it->work);
  it->requested = err == 0;
  it->waiter = err == 0 ? waiter : NULL;
  return err;
}

static int abort_work(tide_waiter *waiter, void *arg) {
  working *it = arg;
  (void)waiter;
  if (!tideR_work_cancel(&it->work))
    return 0;
  it->waiter = NULL;
  return 1;
}

static int finish(lua_State *L, int status, void *arg) {
  const working *it = arg;
  return it->ops->finish(L, status, it->arg);
}

static void release(void *arg) {
  working *it = arg;
  if (it->ops->release != NULL)
    it->ops->release(it->arg);
  it->awaited = false;
  free_if_done(it);
}

int tide_work(lua_State *L, const tide_work_ops *ops, void *arg) {
  working *it = calloc(1, sizeof *it);
  if (it == NULL) {
    if (ops->release != NULL)
      ops->release(arg);
    return luaL_error(L, "not enough memory");
  }
  it->ops = ops;
  it->arg = arg;
  it->awaited = true;
  it->await = (tide_await_ops){ops->name != NULL ? ops->name : "work", start,
                               abort_work, ops->finish != NULL ? finish : NULL,
                               release};
  return tide_await(L, &it->await, it);
}
