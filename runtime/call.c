/* call.c: callbacks that the loop runs: soon, at a time, after a task ended. */
#include "internal.h"

static tide_call *call_new(tide_runtime *rt) {
  tide_call *call = rt->free_calls;
  uint32_t slot;
  if (call != NULL) {
    rt->free_calls = call->next;
  } else {
    call = tide__pool_grow(&rt->calls, &slot);
    if (call == NULL)
      return NULL;
    call->slot = slot;
  }
  call->next = NULL;
  call->serial++;
  return call;
}

static void call_free(tide_runtime *rt, tide_call *call) {
  call->state = TIDE_CALL_FREE;
  call->next = rt->free_calls;
  rt->free_calls = call;
}

void tide__call_queue(tide_runtime *rt, tide_call *call) {
  call->state = TIDE_CALL_QUEUED;
  call->next = NULL;
  if (rt->calls_head == NULL)
    rt->calls_head = call;
  else
    rt->calls_tail->next = call;
  rt->calls_tail = call;
  rt->ncalls++;
}

int tide_call_soon(tide_runtime *rt, tide_call **out) {
  *out = call_new(rt);
  if (*out == NULL)
    return UV_ENOMEM;
  tide__call_queue(rt, *out);
  return 0;
}

int tide_call_at(tide_runtime *rt, uint64_t when, tide_call **out) {
  tide_call *call = *out = call_new(rt);
  if (call == NULL)
    return UV_ENOMEM;
  call->state = TIDE_CALL_TIMED;
  if (when == TIDE_NEVER) /* it can only be cancelled */
    return 0;
  int err = tide__timer_set(rt, &call->timer, TIMER_CALL, when);
  if (err < 0) {
    call_free(rt, call);
    *out = NULL;
  }
  return err;
}

void tide_call_cancel(tide_runtime *rt, tide_call *call) {
  if (call->state == TIDE_CALL_TIMED) {
    tide__timer_clear(rt, &call->timer);
    call_free(rt, call);
  } else if (call->state == TIDE_CALL_QUEUED) {
    call->state = TIDE_CALL_CANCELLED; /* freed when its turn comes */
  }
}

tide_call *tide_call_at_slot(const tide_runtime *rt, uint32_t slot) {
  return tide__pool_at(&rt->calls, slot);
}

uint32_t tide_call_slots(const tide_runtime *rt) {
  return rt->calls.count;
}

tide_call *tide_call_find(const tide_runtime *rt, uint32_t slot,
                          uint32_t serial) {
  tide_call *call = tide__pool_at(&rt->calls, slot);
  bool live = call->state == TIDE_CALL_TIMED || call->state == TIDE_CALL_QUEUED;
  return live && call->serial == serial ? call : NULL;
}

/* What they queue runs in the next turn. Each is taken off before it runs: the
 * hook may longjmp. */
void tide__calls_run(tide_runtime *rt) {
  while (rt->calls_due > 0) {
    tide_call *call = rt->calls_head;
    bool cancelled = call->state == TIDE_CALL_CANCELLED;
    rt->calls_head = call->next;
    rt->ncalls--;
    rt->calls_due--;
    call_free(rt, call);
    if (!cancelled)
      rt->hooks->call(rt, call);
  }
}
