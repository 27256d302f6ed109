/*
 * borrowed.c: turns inside a host's own libuv loop.
 *
 * The host calls uv_run. One iteration of it is a step, which has two parts:
 * before libuv polls (prepare) and after (check), each with a turn if something
 * is ready. While something is, the idle handle keeps the poll from waiting;
 * else the alarm does at the first deadline. Both keep the loop alive, and so
 * does the wakeup while somebody has promised to wake a task: uv_run returns
 * when neither the host nor we have anything left.
 *
 * So hooks run inside uv_run, and hooks->turn must return. Nothing here knows
 * whether libuv runs timers before or after it polls.
 */
#include "internal.h"

#define OWN_HANDLES 5 /* prepare, check, idle, alarm, wakeup */

static void on_idle(uv_idle_t *idle) {
  (void)idle; /* that it is active is all */
}

void tideR__borrowed_go_on(tideR_runtime *rt) {
  uv_idle_start(&rt->idle, on_idle);
}

/* It may be a moment early, and the last that keeps the loop alive. */
static void on_alarm(uv_timer_t *alarm) {
  tideR__borrowed_go_on(alarm->data);
}

/* How long the next poll may wait. What ran took time, of which libuv's timers
 * are to know: the host's, and the alarm. */
static void settle(tideR_runtime *rt) {
  bool due = tideR__is_due(rt);
  uint64_t ms = 0;
  if (!due && rt->heap.count > 0) {
    ms = tideR__clock_patience(rt);
    due = ms == 0;
  }
  if (due)
    tideR__borrowed_go_on(rt);
  else
    uv_idle_stop(&rt->idle);
  tideR__wakers_changed(rt); /* remotes are released in any thread */
  uv_update_time(rt->uv);
  if (ms > 0)
    uv_timer_start(&rt->alarm, on_alarm, ms, 0);
  else
    uv_timer_stop(&rt->alarm);
  tideR__announce_again(rt);
}

/* False: the runtime is no more, but for its records. */
static bool turn(tideR_runtime *rt) {
  tideR__poll_deliver(rt);
  if (tideR_loop_ready(rt) || rt->leaves)
    rt->hooks->turn(rt);
  return !rt->is_ending;
}

/* What runs now is not to run another step inside of itself, whoever it lets
 * run the host's loop. */
static void on_prepare(uv_prepare_t *prepare) {
  tideR_runtime *rt = prepare->data;
  if (rt->running)
    return;
  rt->announces = false;
  tideR_waitq_wake_all(rt, &rt->ticks);
  if (!turn(rt))
    return;
  settle(rt);
  tideR__poll_watch(rt, true, !tideR__is_due(rt));
}

/* Others are blocked only if the poll has woken nobody. */
static void on_check(uv_check_t *check) {
  tideR_runtime *rt = check->data;
  if (rt->running)
    return;
  rt->announces = false;
  tideR__poll_watch(rt, false, false);
  if (!turn(rt))
    return;
  if (!tideR_loop_ready(rt))
    tideR_waitq_wake_all(rt, &rt->idlers);
  settle(rt);
}

/* ---- birth and death ---- */

void tideR__borrowed_open(tideR_runtime *rt) {
  uv_handle_t *always[] = {(uv_handle_t *)&rt->prepare,
                           (uv_handle_t *)&rt->check,
                           (uv_handle_t *)&rt->wakeup};
  uv_prepare_init(rt->uv, &rt->prepare);
  uv_check_init(rt->uv, &rt->check);
  uv_idle_init(rt->uv, &rt->idle);
  rt->prepare.data = rt->check.data = rt->idle.data = rt;
  rt->alarm.data = rt->wakeup.data = rt;
  for (size_t i = 0; i < sizeof always / sizeof *always; i++)
    uv_unref(always[i]);
  uv_prepare_start(&rt->prepare, on_prepare);
  uv_check_start(&rt->check, on_check);
  rt->handles = OWN_HANDLES;
  rt->is_asked = true;
}

static void on_close(uv_handle_t *handle) {
  tideR__handle_closed(handle->data);
}

void tideR__borrowed_close(tideR_runtime *rt) {
  rt->is_ending = true;
  tideR__handles_end(rt);
  tideR__descriptors_end(rt);
  tideR__processes_end(rt);
  uv_close((uv_handle_t *)&rt->prepare, on_close);
  uv_close((uv_handle_t *)&rt->check, on_close);
  uv_close((uv_handle_t *)&rt->idle, on_close);
  uv_close((uv_handle_t *)&rt->alarm, on_close);
  uv_close((uv_handle_t *)&rt->wakeup, on_close);
}

void tideR__handle_opened(tideR_runtime *rt) {
  rt->handles++;
}

void tideR__handle_closed(tideR_runtime *rt) {
  void (*freed)(void *ud) = rt->freed;
  void *ud = rt->freed_ud;
  if (--rt->handles > 0 || !rt->is_ending)
    return;
  tideR__runtime_release(rt);
  if (freed != NULL)
    freed(ud);
}
