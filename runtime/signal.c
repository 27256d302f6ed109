/*
 * signal.c: signals, taken from the process and given back.
 *
 * A handler is the process's, however many runtimes and threads it has, so this
 * is the one file with statics: the list of those who watch, and what was there
 * before them. uv_signal is not used: it would leave the default action behind,
 * not the handler that was there.
 *
 * The handler walks the list without a lock; `inside` counts those that run.
 * Who takes a watcher out waits until it is 0, which is never long.
 */
#include <errno.h>
#include <signal.h>
#include <string.h>
#ifndef _WIN32
#include <unistd.h>
#endif

#include "internal.h"

#ifndef NSIG
#define NSIG 32
#endif

/* ---- watching ---- */

#ifdef _WIN32

int tideR__signal_add(tideR_signal *signal) {
  (void)signal;
  return UV_ENOTSUP;
}

void tideR__signal_remove(tideR_signal *signal) {
  (void)signal;
}

int tideR_signal_default(int number) {
  return signal(number, SIG_DFL) == SIG_ERR ? UV_EINVAL : 0;
}

int tideR_signal_send(int number, bool group) {
  (void)group;
  return raise(number) == 0 ? 0 : UV_EINVAL;
}

#else

static _Atomic(tideR_signal *) watched;
static atomic_int inside;    /* handlers that run */
static atomic_long changing; /* the process that changes the list; 0: none */
static atomic_long changer;  /* ... that last did */
static struct {
  struct sigaction actions[2]; /* what was there before us: */
  atomic_int current;          /* ... this one; handlers read it */
  unsigned watchers;
  void (*over)(int); /* the last one put over ours, which it may call */
  atomic_bool late;  /* was put back: a signal may be on its way to us still */
} before[NSIG];

static const struct sigaction *action_before(int number) {
  return &before[number].actions[atomic_load(&before[number].current)];
}

/* What was there before us gets the signal. Not if that is who called us: a
 * handler that was put over ours may do so. */
static void pass_on(int number) {
  const struct sigaction *action = action_before(number);
  struct sigaction now;
  if (sigaction(number, NULL, &now) < 0)
    return;
  if (now.sa_handler == action->sa_handler &&
      !atomic_exchange(&before[number].late, false))
    return;
  if (action->sa_handler == SIG_DFL)
    uv_tty_reset_mode(); /* it may be the end */
  sigaction(number, action, NULL);
  raise(number);
}

/* Async-signal-safe, as are all of its calls: getpid, uv_async_send,
 * uv_tty_reset_mode, sigaction, raise, kill, what `caught` does. In the child
 * of a fork nobody watches any more: there it is as if we had never been. */
static void on_signal(int number) {
  int error = errno;
  bool pass = true, again = false;
  void (*caught)(tideR_signal *);
  atomic_fetch_add(&inside, 1);
  for (tideR_signal *it = atomic_load(&watched); it != NULL;
       it = atomic_load(&it->next)) {
    if (it->number != number || tideR_loop_forked(it->rt))
      continue;
    caught = atomic_load(&it->caught);
    if (caught != NULL)
      caught(it);
    if (it->aside)
      continue;
    pass = false;
    again |= atomic_fetch_add(&it->hits, 1) > 0 && it->urgent;
    tideR__wakeup(it->rt);
  }
  if (pass || again)
    pass_on(number);
  atomic_fetch_sub(&inside, 1);
  errno = error;
}

/* Threads that changed or walked the list when another forked are not in the
 * child: what they hold there is nobody's. */
static void begin_change(void) {
  long pid = uv_os_getpid(), holder = 0;
  while (!atomic_compare_exchange_weak(&changing, &holder, pid))
    if (holder == pid)
      holder = 0;
  if (atomic_exchange(&changer, pid) != pid)
    atomic_store(&inside, 0);
}

static void end_change(void) {
  atomic_store(&changing, 0);
}

static void wait_for_handlers(void) {
  while (atomic_load(&inside) > 0)
    continue;
}

/* Those that may still read the one before that are awaited. */
static void set_before(int number, const struct sigaction *action) {
  int next = !atomic_load(&before[number].current);
  wait_for_handlers();
  before[number].actions[next] = *action;
  atomic_store(&before[number].current, next);
  atomic_store(&before[number].late, false);
}

/* What was there is known before ours, which may be called at once, is there.
 */
static int take_signal(int number) {
  struct sigaction action, old;
  if (sigaction(number, NULL, &old) < 0)
    return uv_translate_sys_error(errno);
  if (before[number].watchers > 1)
    before[number].over = old.sa_handler;
  set_before(number, &old);
  memset(&action, 0, sizeof action);
  action.sa_handler = on_signal;
  action.sa_flags = SA_RESTART; /* reads and writes of user code go on */
  sigemptyset(&action.sa_mask);
  return sigaction(number, &action, NULL) < 0 ? uv_translate_sys_error(errno)
                                              : 0;
}

/* Only what is still ours: somebody may have put his own over it since. */
static void give_back(int number) {
  const struct sigaction *action = action_before(number);
  struct sigaction now;
  if (sigaction(number, NULL, &now) < 0)
    return;
  if (now.sa_handler == on_signal) {
    atomic_store(&before[number].late,
                 before[number].over != action->sa_handler);
    sigaction(number, action, NULL);
  } else if (now.sa_handler != action->sa_handler) {
    before[number].over = now.sa_handler;
  }
}

/* Out of the list; no handler looks at it any more. */
static void drop(tideR_signal *signal) {
  _Atomic(tideR_signal *) *link = &watched;
  before[signal->number].watchers--;
  while (atomic_load(link) != signal)
    link = &atomic_load(link)->next;
  atomic_store(link, atomic_load(&signal->next));
  wait_for_handlers();
}

/* A handler that was put over ours, or back, gives way when the next watches.
 */
static bool is_ours(int number) {
  struct sigaction now;
  return sigaction(number, NULL, &now) == 0 && now.sa_handler == on_signal;
}

/* Listed first: a signal that comes from now on is its own. */
static int add(tideR_signal *signal) {
  int err = 0;
  before[signal->number].watchers++;
  atomic_store(&signal->next, atomic_load(&watched));
  atomic_store(&watched, signal);
  if (!is_ours(signal->number))
    err = take_signal(signal->number);
  if (err < 0)
    drop(signal);
  return err;
}

int tideR_signal_default(int number) {
  struct sigaction action;
  memset(&action, 0, sizeof action);
  action.sa_handler = SIG_DFL;
  sigemptyset(&action.sa_mask);
  if (sigaction(number, &action, NULL) < 0)
    return uv_translate_sys_error(errno);
  return 0;
}

int tideR_signal_send(int number, bool group) {
  int err = kill(group ? 0 : getpid(), number);
  return err < 0 ? uv_translate_sys_error(errno) : 0;
}

int tideR__signal_add(tideR_signal *signal) {
  int err;
  begin_change();
  err = add(signal);
  end_change();
  return err;
}

void tideR__signal_remove(tideR_signal *signal) {
  begin_change();
  if (before[signal->number].watchers == 1)
    give_back(signal->number);
  drop(signal);
  end_change();
}

#endif

int tideR_signal_watch(tideR_runtime *rt, tideR_signal *signal, int number,
                       bool urgent, void (*told)(tideR_signal *)) {
  int err;
  if (number <= 0 || number >= NSIG)
    return UV_EINVAL;
  signal->rt = rt;
  signal->number = number;
  signal->urgent = urgent;
  signal->told = told;
  signal->seen = 0;
  atomic_store(&signal->hits, 0);
  err = tideR__signal_add(signal);
  if (err < 0) {
    signal->rt = NULL;
    return err;
  }
  signal->sibling = rt->signals;
  rt->signals = signal;
  return 0;
}

static void wake_all(tideR_signal *signal) {
  for (uint32_t n = tideR_waitq_length(&signal->waiters); n > 0; n--)
    tideR_waker_drop(signal->rt);
  tideR_waitq_wake_all(signal->rt, &signal->waiters);
}

void tideR_signal_unwatch(tideR_signal *signal) {
  tideR_signal **link;
  if (signal->rt == NULL)
    return;
  tideR__signal_remove(signal);
  wake_all(signal);
  link = &signal->rt->signals;
  while (*link != signal)
    link = &(*link)->sibling;
  *link = signal->sibling;
  signal->rt = NULL;
}

void tideR__signals_end(tideR_runtime *rt) {
  while (rt->signals != NULL)
    tideR_signal_unwatch(rt->signals);
}

/* ---- what came ---- */

static bool abort_waiting(tideR_runtime *rt, tideR_task *task,
                          tideR_status why) {
  tideR_waker_drop(rt);
  return tideR_waitq_abort(rt, task, why);
}

void tideR_signal_init(tideR_signal *signal) {
  static const tideR_waitkind kind = {"signal", abort_waiting, NULL};
  memset(signal, 0, sizeof *signal);
  tideR_waitq_init(&signal->waiters, &kind);
}

bool tideR_signal_came(const tideR_signal *signal) {
  return signal->rt != NULL && atomic_load(&signal->hits) > 0;
}

uint32_t tideR_signal_take(tideR_signal *signal) {
  signal->seen = 0;
  return (uint32_t)atomic_exchange(&signal->hits, 0);
}

void tideR_signal_park(tideR_runtime *rt, tideR_task *task,
                       tideR_signal *signal) {
  tideR_waitq_park(rt, task, &signal->waiters);
  tideR_waker_add(rt);
}

void tideR__signals_deliver(tideR_runtime *rt) {
  for (tideR_signal *it = rt->signals, *next; it != NULL; it = next) {
    int hits = atomic_load(&it->hits);
    next = it->sibling;
    if (hits == it->seen)
      continue;
    it->seen = hits;
    wake_all(it);
    if (it->told != NULL)
      it->told(it);
  }
}
