/*
 * interrupt.c: SIGINT, taken from the process and given back.
 *
 * A signal handler is the process's, so this is the one place with a static:
 * which runtime watches. uv_signal is not used: it would leave the default
 * action behind, not the handler that was there.
 */
#include <errno.h>
#include <signal.h>
#include <stddef.h>

#include "internal.h"

#ifdef _WIN32

int tide_interrupt_watch(tide_runtime *rt) {
  (void)rt;
  return UV_ENOTSUP;
}

void tide_interrupt_unwatch(tide_runtime *rt) {
  (void)rt;
}

#else

static struct {
  uv_async_t *volatile wakeup; /* of the runtime that watches */
  volatile sig_atomic_t hits;
  struct sigaction before;
} watch;

/* Async-signal-safe: sigaction, raise and uv_async_send all are. */
static void on_interrupt(int signum) {
  int error = errno;
  if (watch.hits++ > 0) {
    sigaction(signum, &watch.before, NULL);
    raise(signum);
  } else if (watch.wakeup != NULL) {
    uv_async_send(watch.wakeup);
  }
  errno = error;
}

int tide_interrupt_watch(tide_runtime *rt) {
  struct sigaction action = {0};
  if (rt->interruptible)
    return 0;
  if (watch.wakeup != NULL)
    return UV_EBUSY;
  watch.hits = 0;
  watch.wakeup = &rt->wakeup;
  action.sa_handler = on_interrupt;
  action.sa_flags = SA_RESTART; /* reads and writes of user code go on */
  sigemptyset(&action.sa_mask);
  sigaction(SIGINT, &action, &watch.before);
  rt->interruptible = true;
  rt->interrupted = false;
  return 0;
}

void tide_interrupt_unwatch(tide_runtime *rt) {
  if (!rt->interruptible)
    return;
  sigaction(SIGINT, &watch.before, NULL);
  watch.wakeup = NULL;
  rt->interruptible = false;
}

#endif

bool tide_interrupt_watched(const tide_runtime *rt) {
  return rt->interruptible;
}

bool tide__interrupt_pending(const tide_runtime *rt) {
#ifndef _WIN32
  return rt->interruptible && !rt->interrupted && watch.hits > 0;
#else
  (void)rt;
  return false;
#endif
}

bool tide_interrupt_told(const tide_runtime *rt) {
  return rt->interrupted;
}

bool tide_interrupt_take(tide_runtime *rt) {
  bool interrupted = rt->interrupted || tide__interrupt_pending(rt);
  rt->interrupted = false;
#ifndef _WIN32
  if (interrupted && rt->interruptible)
    watch.hits = 0;
#endif
  return interrupted;
}
