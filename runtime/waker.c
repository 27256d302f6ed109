/*
 * waker.c: promises of a wake from outside: of remotes, signals, C programs,
 * parks. While there is one, a wait is no deadlock.
 */
#include "internal.h"

uint32_t tideR__wakers(const tideR_runtime *rt) {
  return rt->wakers + tideR__remotes_count(rt);
}

/* What may be woken keeps a host's loop alive. */
void tideR__wakers_changed(tideR_runtime *rt) {
  if (!rt->is_borrowed)
    return;
  if (tideR__wakers(rt) > 0)
    uv_ref((uv_handle_t *)&rt->wakeup);
  else
    uv_unref((uv_handle_t *)&rt->wakeup);
}

void tideR_waker_add(tideR_runtime *rt) {
  rt->wakers++;
  tideR__wakers_changed(rt);
}

void tideR_waker_drop(tideR_runtime *rt) {
  rt->wakers--;
  tideR__wakers_changed(rt);
}
