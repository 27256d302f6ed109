/*
 * poll.c: when libuv is asked.
 *
 * When nothing is ready: then it may block until the first deadline. Otherwise
 * every 61 resumes or millisecond: an idle uv_run costs four switches, a look
 * at the clock half of one. No libuv callback does more than record and wake,
 * so hooks never run inside uv_run and may longjmp.
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

static inline void watch(tideR_runtime *rt, bool begins, bool blocking) {
  if (rt->watcher != NULL)
    rt->watcher->poll(rt, begins, blocking);
}

static void polled(tideR_runtime *rt) {
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

/* Where nothing is alive libuv does not look at what was sent, either. */
static void ask(tideR_runtime *rt, uv_run_mode mode) {
  atomic_store(&rt->sent, false);
  uv_ref((uv_handle_t *)&rt->wakeup);
  uv_run(&rt->uv, mode);
  uv_unref((uv_handle_t *)&rt->wakeup);
}

/* With nothing alive in it uv_run would but look at the clock: who starts a
 * timer of libuv's after a while without it calls uv_update_time before. */
void tideR__poll_now(tideR_runtime *rt) {
  watch(rt, true, false);
  if (uv_loop_alive(&rt->uv) || atomic_load(&rt->sent))
    ask(rt, UV_RUN_NOWAIT);
  polled(rt);
  watch(rt, false, false);
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

/* Rounded up to libuv's milliseconds: a deadline never fires early. */
static void arm_alarm(tideR_runtime *rt) {
  uint64_t when = rt->heap.nodes[0].when, now = tideR_now(rt);
  uint64_t ms = when > now ? (when - now + POLL_NS - 1) / POLL_NS : 0;
  uv_update_time(&rt->uv); /* its cached time is as old as the last poll */
  uv_timer_start(&rt->alarm, on_alarm, ms, 0);
}

void tideR__poll_blocking(tideR_runtime *rt) {
  if (rt->heap.count > 0 && !rt->is_virtual)
    arm_alarm(rt);
  watch(rt, true, true);
  ask(rt, UV_RUN_ONCE);
  uv_timer_stop(&rt->alarm);
  polled(rt);
  watch(rt, false, true);
}
