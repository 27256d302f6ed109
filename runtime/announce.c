/*
 * announce.c: what a host that drives the loop knows: when a step is due, and
 * that it is due earlier than it was told.
 *
 * Inside of a step nobody is told; all that is made ready or given a deadline
 * looks at one flag, rt->announces.
 */
#include <math.h>

#include "internal.h"

static bool handles_alive(const tideR_runtime *rt) {
  if (!rt->is_borrowed)
    return uv_loop_alive(rt->uv);
  return rt->works != NULL || rt->asked.count > 0 ||
         tideR__handles_active(rt) || tideR__descriptors_active(rt);
}

bool tideR__is_due(const tideR_runtime *rt) {
  return tideR_loop_ready(rt) || rt->ticks.head != NULL ||
         rt->idlers.head != NULL || tideR__posts_wait(rt);
}

bool tideR_loop_alive(const tideR_runtime *rt) {
  return tideR__is_due(rt) || tideR__has_timers(rt) || tideR__wakers(rt) > 0 ||
         handles_alive(rt);
}

static double until_timer(tideR_runtime *rt) {
  uint64_t ns = TIDE_NEVER;
  if (rt->heap.count > 0)
    ns = tideR__clock_until(rt, rt->heap.nodes[0].when);
  return ns == TIDE_NEVER ? INFINITY : (double)ns / 1e9;
}

/* Also of libuv's own timers, which C may have started. */
static double until_poll(tideR_runtime *rt) {
  int ms;
  if (rt->is_borrowed || !uv_loop_alive(rt->uv))
    return INFINITY;
  uv_update_time(rt->uv);
  ms = uv_backend_timeout(rt->uv);
  return ms < 0 ? INFINITY : ms / 1e3;
}

double tideR_loop_timeout(tideR_runtime *rt) {
  if (tideR__is_due(rt))
    return 0;
  if (!rt->running)
    tideR__announce_again(rt);
  if (!tideR_loop_alive(rt))
    return -1;
  return fmin(until_timer(rt), until_poll(rt));
}

int tideR_loop_fd(const tideR_runtime *rt) {
  return uv_backend_fd(rt->uv);
}

/* ---- what is due earlier ---- */

void tideR_loop_announce(tideR_runtime *rt, void (*told)(tideR_runtime *rt)) {
  rt->told = told;
  rt->is_asked = true;
  if (!rt->running)
    tideR__announce_again(rt);
}

void tideR__announce_again(tideR_runtime *rt) {
  rt->announces = rt->is_asked;
  rt->announced = rt->heap.count > 0 ? rt->heap.nodes[0].when : TIDE_NEVER;
}

void tideR__announce(tideR_runtime *rt) {
  rt->announces = false;
  if (rt->is_borrowed)
    tideR__borrowed_go_on(rt);
  if (rt->told != NULL)
    rt->told(rt);
  else if (!rt->is_borrowed)
    tideR__wakeup(rt);
}

/* Marked after it was sent: the poll that sees the mark sees what was sent. */
void tideR__wakeup(tideR_runtime *rt) {
  uv_async_send(&rt->wakeup);
  atomic_store(&rt->sent, true);
}
