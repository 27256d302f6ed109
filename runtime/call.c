/* call.c: callbacks that the loop runs: soon, at a time, after a task ended. */
#include "internal.h"

static tideR_call *call_new(tideR_runtime *rt) {
  tideR_call *call = rt->free_calls;
  uint32_t slot;
  if (call != NULL) {
    rt->free_calls = call->next;
  } else {
    call = tideR__pool_grow(&rt->calls, &slot);
    if (call == NULL)
      return NULL;
    call->slot = slot;
  }
  call->next = NULL;
  call->serial++;
  return call;
}

static void call_free(tideR_runtime *rt, tideR_call *call) {
  call->state = TIDE_CALL_FREE;
  call->next = rt->free_calls;
  rt->free_calls = call;
}

void tideR__call_queue(tideR_runtime *rt, tideR_call *call) {
  call->state = TIDE_CALL_QUEUED;
  call->next = NULL;
  if (rt->calls_head == NULL)
    rt->calls_head = call;
  else
    rt->calls_tail->next = call;
  rt->calls_tail = call;
  rt->ncalls++;
  if (rt->announces)
    tideR__announce(rt);
}

int tideR_call_soon(tideR_runtime *rt, tideR_call **out) {
  *out = call_new(rt);
  if (*out == NULL)
    return UV_ENOMEM;
  tideR__call_queue(rt, *out);
  return 0;
}

void tideR_call_chores(tideR_runtime *rt) {
  if (rt->chores.state == TIDE_CALL_FREE)
    tideR__call_queue(rt, &rt->chores);
}

int tideR_call_at(tideR_runtime *rt, uint64_t when, tideR_call **out) {
  tideR_call *call = *out = call_new(rt);
  if (call == NULL)
    return UV_ENOMEM;
  call->state = TIDE_CALL_TIMED;
  if (when == TIDE_NEVER) /* it can only be cancelled */
    return 0;
  int err = tideR__timer_set(rt, &call->timer, TIMER_CALL, when);
  if (err < 0) {
    call_free(rt, call);
    *out = NULL;
  }
  return err;
}

void tideR_call_cancel(tideR_runtime *rt, tideR_call *call) {
  if (call->state == TIDE_CALL_TIMED) {
    tideR__timer_clear(rt, &call->timer);
    call_free(rt, call);
  } else if (call->state == TIDE_CALL_QUEUED) {
    call->state = TIDE_CALL_CANCELLED; /* freed when its turn comes */
  }
}

tideR_call *tideR_call_find(const tideR_runtime *rt, uint32_t slot,
                            uint32_t serial) {
  tideR_call *call = tideR__pool_at(&rt->calls, slot);
  bool live = call->state == TIDE_CALL_TIMED || call->state == TIDE_CALL_QUEUED;
  return live && call->serial == serial ? call : NULL;
}

tideR_call *tideR_call_in(const tideR_runtime *rt, uint32_t slot) {
  return tideR__pool_at(&rt->calls, slot);
}

uint32_t tideR_call_slots(const tideR_runtime *rt) {
  return rt->calls.count;
}

uint64_t tideR_call_when(const tideR_runtime *rt, const tideR_call *call) {
  if (call->state != TIDE_CALL_TIMED || call->timer.index == 0)
    return TIDE_NEVER;
  return rt->heap.nodes[call->timer.index - 1].when;
}

/* What they queue runs in the next turn. Each is taken off before it runs: the
 * hook may longjmp. */
void tideR__calls_run(tideR_runtime *rt) {
  while (rt->calls_due > 0 && !rt->leaves) {
    tideR_call *call = rt->calls_head;
    bool cancelled = call->state == TIDE_CALL_CANCELLED;
    rt->calls_head = call->next;
    rt->ncalls--;
    rt->calls_due--;
    if (call == &rt->delivery) {
      call->state = TIDE_CALL_FREE;
      tideR__posts_run(rt);
      continue;
    }
    if (call == &rt->chores)
      call->state = TIDE_CALL_FREE;
    else
      call_free(rt, call);
    if (!cancelled)
      rt->hooks->call(rt, call);
  }
}
