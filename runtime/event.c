/* event.c: a flag to wait for. Hands over nothing, so nothing can be lost. */
#include "internal.h"

void tide_event_init(tide_event *event) {
  static const tide_waitkind kind = {"event", tide_waitq_abort, NULL};
  tide_waitq_init(&event->waiters, &kind);
  event->is_set = false;
}

void tide_event_park(tide_runtime *rt, tide_task *task, tide_event *event) {
  tide_waitq_park(rt, task, &event->waiters);
}

void tide_event_set(tide_runtime *rt, tide_event *event) {
  event->is_set = true;
  tide_waitq_wake_all(rt, &event->waiters);
}

void tide_event_clear(tide_event *event) {
  event->is_set = false;
}
