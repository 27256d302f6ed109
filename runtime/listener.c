/*
 * listener.c: signals that are waited for.
 *
 * A listener watches some signals as long as it is open, so that none is missed
 * between two waits. Of each it knows that it came and when it first did. Who
 * waits counts as a waker: a signal may always come.
 */
#include <signal.h>
#include <stdlib.h>

#include "internal.h"
#include "listener.h"

struct tideR_listener {
  tideR_handle handle;
  tideR_waitq waiter; /* at most one */
  bool busy;          /* a task waits, or was woken and is yet to take it */
  bool once;          /* for one wait */
  unsigned count;
  tideR_signal signals[];
};

bool tideR_signal_is_heard(int number) {
  switch (number) {
  case 0:
  case SIGSEGV:
  case SIGFPE:
  case SIGILL:
#ifndef _WIN32
  case SIGBUS:
  case SIGKILL:
  case SIGSTOP:
  case SIGCHLD:
#endif
    return false;
  default:
    return true;
  }
}

/* ---- who waits ---- */

static tideR_listener *listener_of(const tideR_task *task) {
  return CONTAINER(task->wait, tideR_listener, waiter.wait);
}

static void end_wait(tideR_listener *listener) {
  listener->busy = false;
  if (listener->once)
    tideR_handle_close(&listener->handle);
}

static bool abort_waiting(tideR_runtime *rt, tideR_task *task,
                          tideR_status why) {
  tideR_listener *listener = listener_of(task);
  bool aborted = tideR_waitq_abort(rt, task, why);
  tideR_waker_drop(rt);
  end_wait(listener);
  return aborted;
}

/* Who was woken will not come: what came is the next one's, or nobody's. */
static void forfeit_waiting(tideR_runtime *rt, tideR_task *task) {
  (void)rt;
  end_wait(listener_of(task));
}

static void wake(tideR_listener *listener) {
  tideR_runtime *rt = listener->handle.rt;
  if (listener->waiter.head == NULL)
    return;
  tideR_waker_drop(rt);
  tideR_waitq_wake(rt, &listener->waiter);
}

static void on_told(tideR_signal *signal) {
  wake(signal->data);
}

bool tideR_listener_busy(const tideR_listener *listener) {
  return listener->busy;
}

/* The place of the one that came first; count: none did. */
static unsigned find_first(const tideR_listener *listener) {
  unsigned first = listener->count, since = 0;
  for (unsigned i = 0; i < listener->count; i++) {
    const tideR_signal *it = &listener->signals[i];
    unsigned came = atomic_load(&it->since);
    if (!tideR_signal_came(it) ||
        (first < listener->count && (int)(came - since) > 0))
      continue;
    first = i;
    since = came;
  }
  return first;
}

bool tideR_listener_ready(const tideR_listener *listener) {
  return listener->handle.closed || find_first(listener) < listener->count;
}

tideR_wait *tideR_listener_promise(tideR_listener *listener) {
  listener->busy = true;
  return &listener->waiter.wait;
}

void tideR_listener_park(tideR_runtime *rt, tideR_task *task,
                         tideR_listener *listener) {
  tideR_waitq_park(rt, task, &listener->waiter);
  tideR_waker_add(rt);
  listener->busy = true;
}

int tideR_listener_see(tideR_listener *listener) {
  unsigned first = find_first(listener);
  listener->busy = false;
  if (listener->handle.closed || first == listener->count)
    return 0;
  return listener->signals[first].number;
}

void tideR_listener_take(tideR_listener *listener, int number) {
  for (unsigned i = 0; i < listener->count; i++)
    if (listener->signals[i].number == number)
      tideR_signal_take(&listener->signals[i]);
}

int tideR_listener_at(const tideR_listener *listener, unsigned place) {
  return place < listener->count ? listener->signals[place].number : 0;
}

/* ---- life ---- */

/* SIGINT is its alone: it cancels nobody meanwhile. */
static void hear_interrupt(tideR_runtime *rt, const tideR_signal *signal,
                           int by) {
  if (signal->number == SIGINT)
    atomic_fetch_add(&rt->interrupt_heard, by);
}

static void close_listener(tideR_handle *handle) {
  tideR_listener *listener = CONTAINER(handle, tideR_listener, handle);
  wake(listener);
  for (unsigned i = 0; i < listener->count; i++) {
    hear_interrupt(handle->rt, &listener->signals[i], -1);
    tideR_signal_unwatch(&listener->signals[i]);
  }
}

static bool is_active(const tideR_handle *handle) {
  (void)handle;
  return false; /* who waits counts */
}

static void free_listener(tideR_handle *handle) {
  free(CONTAINER(handle, tideR_listener, handle));
}

tideR_handle *tideR_listener_handle(tideR_listener *listener) {
  return &listener->handle;
}

static int watch(tideR_listener *listener, tideR_signal *signal, int number) {
  int err;
#ifdef SIGPIPE
  if (number == SIGPIPE) /* by default it ends who uses streams afterwards */
    tideR__ignore_sigpipe();
#endif
  tideR_signal_init(signal);
  signal->passes = true;
  signal->data = listener;
  err = tideR_signal_watch(listener->handle.rt, signal, number, false, on_told);
  if (err == 0)
    hear_interrupt(listener->handle.rt, signal, 1);
  return err;
}

int tideR_listener_new(tideR_runtime *rt, const int *numbers, unsigned count,
                       bool once, tideR_listener **out) {
  static const tideR_handlekind kind = {"signal", close_listener, is_active,
                                        NULL, free_listener};
  static const tideR_waitkind waiting = {"signal", abort_waiting,
                                         forfeit_waiting};
  tideR_listener *listener;
  int err = tideR__permit(rt, "signal");
  *out = NULL;
  if (err < 0)
    return err;
  listener = calloc(1, sizeof *listener + count * sizeof *listener->signals);
  if (listener == NULL)
    return UV_ENOMEM;
  tideR__handle_init(rt, &listener->handle, &kind);
  tideR_waitq_init(&listener->waiter, &waiting);
  listener->once = once;
  for (; err == 0 && listener->count < count; listener->count += err == 0)
    err = watch(listener, &listener->signals[listener->count],
                numbers[listener->count]);
  if (err < 0) {
    tideR_handle_release(&listener->handle);
    return err;
  }
  *out = listener;
  return 0;
}
