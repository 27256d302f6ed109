/*
 * poll.c: when libuv is asked.
 *
 * When nothing is ready: then it may block until the first deadline. Otherwise
 * every 61 resumes or millisecond: an idle uv_run costs four switches, a look
 * at the clock half of one. No libuv callback does more than record and wake,
 * so hooks never run inside uv_run and may longjmp; but on a host's loop, which
 * the host polls: see borrowed.c.
 */
#include "internal.h"

#define POLL_RESUMES 61
#define POLL_NS 1000000u /* 1 ms */
#define LOOK_MOST 32     /* resumes between looks at the clock, at most */

/* libuv before 1.45 runs due timers also before it blocks: without the stop it
 * would then block with no timer left. */
static void on_alarm(uv_timer_t *alarm) {
  uv_stop(alarm->loop); /* the heap is looked at after each poll */
}

void tideR__poll_init(tideR_runtime *rt) {
  rt->pace = LOOK_MOST;
}

void tideR__poll_watch(tideR_runtime *rt, bool begins, bool blocking) {
  if (rt->watcher != NULL)
    rt->watcher->poll(rt, begins, blocking);
}

void tideR__poll_deliver(tideR_runtime *rt) {
  rt->polls++;
  rt->polled = rt->switches;
  rt->look_at = rt->polled + rt->pace;
  rt->polled_at = uv_hrtime();
  if (rt->signals != NULL)
    tideR__signals_deliver(rt);
  if (rt->mailbox != NULL)
    tideR__posts_take(rt);
  tideR__timers_fire(rt);
}

/* Not asked for: with nothing alive in it uv_run would but look at the clock.
 * Who starts a timer of libuv's after a while without it calls uv_update_time
 * before. */
static void ask(tideR_runtime *rt) {
  uv_handle_t *wakeup = (uv_handle_t *)&rt->wakeup;
  bool sent = atomic_load(&rt->sent);
  if (sent) { /* the descriptor is to be quiet again */
    atomic_store(&rt->sent, false);
    uv_ref(wakeup);
  }
  if (uv_loop_alive(rt->uv))
    uv_run(rt->uv, UV_RUN_NOWAIT);
  if (sent)
    uv_unref(wakeup);
}

void tideR__poll_now(tideR_runtime *rt) {
  if (!rt->is_borrowed) {
    tideR__poll_watch(rt, true, false);
    ask(rt);
  }
  tideR__poll_deliver(rt);
  if (!rt->is_borrowed)
    tideR__poll_watch(rt, false, false);
}

/* Slow tasks are followed by a look at the clock each, quick ones every 32. */
bool tideR__poll_is_due(tideR_runtime *rt) {
  bool late;
  if (rt->switches < rt->look_at)
    return false;
  if (rt->switches >= rt->polled + POLL_RESUMES)
    return true;
  late = uv_hrtime() - rt->polled_at >= POLL_NS;
  if (late)
    rt->pace = 1;
  else if (rt->pace < LOOK_MOST)
    rt->pace *= 2;
  rt->look_at = rt->switches + rt->pace;
  if (rt->look_at > rt->polled + POLL_RESUMES)
    rt->look_at = rt->polled + POLL_RESUMES;
  return late;
}

static void arm_alarm(tideR_runtime *rt) {
  uint64_t ms = tideR__clock_patience(rt);
  uv_update_time(rt->uv); /* its cached time is as old as the last poll */
  uv_timer_start(&rt->alarm, on_alarm, ms, 0);
}

void tideR__poll_blocking(tideR_runtime *rt) {
  if (rt->heap.count > 0 && !rt->clock.is_virtual)
    arm_alarm(rt);
  tideR__poll_watch(rt, true, true);
  atomic_store(&rt->sent, false);
  uv_ref((uv_handle_t *)&rt->wakeup);
  uv_run(rt->uv, UV_RUN_ONCE);
  uv_unref((uv_handle_t *)&rt->wakeup);
  uv_timer_stop(&rt->alarm);
  tideR__poll_deliver(rt);
  tideR__poll_watch(rt, false, true);
}
