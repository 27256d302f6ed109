/*
 * runtime.c: the runtime: its birth and its death, and what it counts.
 *
 * Its loop is its own, or borrowed from a host.
 */
#include <stdlib.h>

#include "internal.h"
#include "standard.h"

/* ---- birth and death ---- */

static void on_wakeup(uv_async_t *wakeup) {
  (void)wakeup; /* what it is for is looked at after each poll */
}

/* libuv has a descriptor in its poll only once it has polled: until then who
 * polls the loop's would not see a wakeup. */
static void first_poll(tideR_runtime *rt) {
  uv_run(rt->uv, UV_RUN_NOWAIT);
  uv_unref((uv_handle_t *)&rt->wakeup); /* only a blocking poll counts it */
}

/* The wakeup is the one handle that cannot always be had; libuv does not know
 * it then. */
static int open_loop(tideR_runtime *rt, uv_loop_t *loop) {
  int err = 0;
  tideR__stdio_reserve();
  rt->is_borrowed = loop != NULL;
  rt->uv = loop != NULL ? loop : &rt->own;
  if (loop == NULL)
    err = uv_loop_init(rt->uv);
  if (err < 0)
    return err;
  err = uv_async_init(rt->uv, &rt->wakeup, on_wakeup);
  if (err < 0) {
    if (loop == NULL)
      uv_loop_close(rt->uv);
    return err;
  }
  uv_timer_init(rt->uv, &rt->alarm);
  if (loop == NULL)
    first_poll(rt);
  else
    tideR__borrowed_open(rt);
  return 0;
}

int tideR_runtime_new(tideR_runtime **out, const tideR_hooks *hooks, void *data,
                      uv_loop_t *loop) {
  tideR_runtime *rt = calloc(1, sizeof *rt);
  int err;
  *out = NULL;
  if (rt == NULL)
    return UV_ENOMEM;
  err = tideR__timers_init(rt);
  if (err == 0)
    err = open_loop(rt, loop);
  if (err < 0) {
    free(rt->heap.nodes);
    free(rt);
    return err;
  }
  tideR__pool_init(&rt->tasks, sizeof(tideR_task));
  tideR__pool_init(&rt->scopes, sizeof(tideR_scope));
  tideR__pool_init(&rt->calls, sizeof(tideR_call));
  tideR__pool_init(&rt->groups, sizeof(tideR_group));
  tideR__waits_init(rt);
  tideR__clock_init(rt);
  rt->hooks = hooks;
  rt->data = data;
  rt->pid = uv_os_getpid();
  tideR__poll_init(rt);
  rt->culprits = 1;
  tideR_swallow_limits(rt, 1000, 1.0);
  tideR__announce_again(rt);
  *out = rt;
  return 0;
}

static void close_handle(uv_handle_t *handle, void *arg) {
  (void)arg;
  if (!uv_is_closing(handle))
    uv_close(handle, NULL);
}

void tideR__runtime_release(tideR_runtime *rt) {
  for (uint32_t slot = 1; slot <= rt->tasks.count; slot++)
    free(tideR__extra(tideR_task_at(rt, slot)));
  for (tideR_extra *extra = rt->free_extras, *next; extra; extra = next) {
    next = extra->next_free;
    free(extra);
  }
  tideR__pool_free(&rt->tasks);
  tideR__pool_free(&rt->scopes);
  tideR__pool_free(&rt->calls);
  tideR__pool_free(&rt->groups);
  free(rt->heap.nodes);
  free(rt->newest);
  tideR__handles_orphan(rt);
  tideR__chunks_free(rt);
  free(rt);
}

/* In the child of a fork the loop is made anew before anything of it is closed:
 * else that would unwatch the parent's. A host's is its own to mend. */
void tideR__loop_mend(tideR_runtime *rt) {
  if (rt->is_mended || rt->is_borrowed || !tideR_loop_forked(rt))
    return;
  rt->is_mended = true;
  uv_loop_fork(rt->uv);
}

static void close_own(tideR_runtime *rt) {
  bool forked = tideR_loop_forked(rt);
  tideR__loop_mend(rt);
  tideR__handles_end(rt);
  tideR__descriptors_end(rt);
  tideR__processes_end(rt);
  uv_walk(rt->uv, close_handle, NULL);
  /* Work of the parent's threads does not end here. */
  uv_run(rt->uv, forked ? UV_RUN_NOWAIT : UV_RUN_DEFAULT);
  uv_loop_close(rt->uv);
  tideR__runtime_release(rt);
}

void tideR_runtime_free(tideR_runtime *rt, void (*freed)(void *ud), void *ud) {
  bool is_borrowed = rt != NULL && rt->is_borrowed;
  if (rt != NULL) {
    rt->is_asked = rt->announces = false;
    tideR__remotes_end(rt);
    tideR__fs_end(rt);
    tideR__works_end(rt);
    tideR__stdio_end(rt);
    tideR__lookups_end(rt);
    tideR_interrupt_unwatch(rt);
    tideR__signals_end(rt);
  }
  if (is_borrowed) {
    rt->freed = freed;
    rt->freed_ud = ud;
    tideR__borrowed_close(rt);
    return;
  }
  if (rt != NULL)
    close_own(rt);
  if (freed != NULL)
    freed(ud);
}

void *tideR_runtime_data(tideR_runtime *rt) {
  return rt->data;
}

uv_loop_t *tideR_runtime_uv(tideR_runtime *rt) {
  return rt->uv;
}

bool tideR_loop_is_borrowed(const tideR_runtime *rt) {
  return rt->is_borrowed;
}

bool tideR_loop_forked(const tideR_runtime *rt) {
  return rt->pid != uv_os_getpid();
}

/* ---- counts ---- */

void tideR_runtime_stats(tideR_runtime *rt, tideR_stats *out) {
  *out = (tideR_stats){0};
  out->tasks = rt->live;
  out->ready = rt->ready.count + (rt->batch_ends - rt->switches);
  out->sleeping = rt->sleepers;
  out->timers = rt->heap.count;
  out->switches = rt->switches;
  out->turns = rt->turns;
  out->spawned = rt->spawned;
  out->polls = rt->polls;
  out->wakers = tideR__wakers(rt);
  out->swallowed = rt->swallowed;
  out->handles = tideR__handles_open(rt);
}
