/* event.c: a flag to wait for. Hands over nothing, so nothing can be lost. */
#include "internal.h"

void tideR_event_init(tideR_event *event) {
  static const tideR_waitkind kind = {"event", tideR_waitq_abort, NULL};
  tideR_waitq_init(&event->waiters, &kind);
  event->is_set = false;
}

void tideR_event_park(tideR_runtime *rt, tideR_task *task, tideR_event *event) {
  tideR_waitq_park(rt, task, &event->waiters);
}

void tideR_event_set(tideR_runtime *rt, tideR_event *event) {
  event->is_set = true;
  tideR_waitq_wake_all(rt, &event->waiters);
}

void tideR_event_clear(tideR_event *event) {
  event->is_set = false;
}
