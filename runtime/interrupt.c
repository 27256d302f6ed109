/* interrupt.c: SIGINT as the cancel of who waits for the whole. */
#include <signal.h>

#include "internal.h"

static atomic_flag is_taken = ATOMIC_FLAG_INIT; /* one runtime has it */

/* The first is a cancel; what comes before that is taken ends the process. */
static void on_interrupt(tideR_signal *signal) {
  tideR_runtime *rt = signal->rt;
  tideR_task *victim = rt->main != NULL ? rt->main : rt->root;
  if (rt->interrupted)
    return;
  rt->interrupted = true;
  if (victim != NULL)
    tideR_task_cancel(rt, victim);
}

int tideR_interrupt_watch(tideR_runtime *rt) {
  int err;
  if (tideR_interrupt_watched(rt))
    return 0;
  if (atomic_flag_test_and_set(&is_taken))
    return UV_EBUSY;
  tideR_signal_init(&rt->interrupt);
  rt->interrupt.yields = true;
  rt->interrupted = false;
  err = tideR_signal_watch(rt, &rt->interrupt, SIGINT, true, on_interrupt);
  if (err < 0)
    atomic_flag_clear(&is_taken);
  return err;
}

void tideR_interrupt_unwatch(tideR_runtime *rt) {
  if (!tideR_interrupt_watched(rt))
    return;
  tideR_signal_unwatch(&rt->interrupt);
  atomic_flag_clear(&is_taken);
}

bool tideR_interrupt_watched(const tideR_runtime *rt) {
  return rt->interrupt.rt != NULL;
}

bool tideR_interrupt_told(const tideR_runtime *rt) {
  return rt->interrupted;
}

bool tideR_interrupt_came(const tideR_runtime *rt) {
  return tideR_signal_came(&rt->interrupt);
}

void tideR_interrupt_caught(tideR_runtime *rt, void (*caught)(tideR_signal *)) {
  atomic_store(&rt->interrupt.caught, caught);
}

bool tideR_interrupt_take(tideR_runtime *rt) {
  bool interrupted = rt->interrupted || tideR_signal_came(&rt->interrupt);
  rt->interrupted = false;
  if (interrupted)
    tideR_signal_take(&rt->interrupt);
  return interrupted;
}
