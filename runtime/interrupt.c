/* interrupt.c: SIGINT as the cancel of who waits for the whole. */
#include <signal.h>

#include "internal.h"

static atomic_flag is_taken = ATOMIC_FLAG_INIT; /* one runtime has it */

/* The first is a cancel; what comes before that is taken ends the process. */
static void on_interrupt(tide_signal *signal) {
  tide_runtime *rt = signal->rt;
  tide_task *victim = rt->main != NULL ? rt->main : rt->root;
  if (rt->interrupted)
    return;
  rt->interrupted = true;
  if (victim != NULL)
    tide_task_cancel(rt, victim);
}

int tide_interrupt_watch(tide_runtime *rt) {
  int err;
  if (tide_interrupt_watched(rt))
    return 0;
  if (atomic_flag_test_and_set(&is_taken))
    return UV_EBUSY;
  tide_signal_init(&rt->interrupt);
  rt->interrupted = false;
  err = tide_signal_watch(rt, &rt->interrupt, SIGINT, true, on_interrupt);
  if (err < 0)
    atomic_flag_clear(&is_taken);
  return err;
}

void tide_interrupt_unwatch(tide_runtime *rt) {
  if (!tide_interrupt_watched(rt))
    return;
  tide_signal_unwatch(&rt->interrupt);
  atomic_flag_clear(&is_taken);
}

bool tide_interrupt_watched(const tide_runtime *rt) {
  return rt->interrupt.rt != NULL;
}

bool tide_interrupt_told(const tide_runtime *rt) {
  return rt->interrupted;
}

bool tide_interrupt_came(const tide_runtime *rt) {
  return tide_signal_came(&rt->interrupt);
}

void tide_interrupt_caught(tide_runtime *rt, void (*caught)(tide_signal *)) {
  atomic_store(&rt->interrupt.caught, caught);
}

bool tide_interrupt_take(tide_runtime *rt) {
  bool interrupted = rt->interrupted || tide_signal_came(&rt->interrupt);
  rt->interrupted = false;
  if (interrupted)
    tide_signal_take(&rt->interrupt);
  return interrupted;
}
