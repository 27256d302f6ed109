/*
 * task.c: task records and their states.
 *
 *   FREE -> READY -> RUNNING -> PARKED -> READY ... RUNNING -> FREE
 *
 * A parked task is held by what it waits for, and by nothing else; tideR_wake
 * ends the suspension. A task that is cancelled while parked has its wait
 * aborted, at most once, by the wait's own kind. The record of a finished task
 * is used again.
 */
#include <stdlib.h>

#include "internal.h"

#define SWALLOW_FREE 100   /* deliveries that cost a turn and no more */
#define SWALLOW_PAUSE 1e-3 /* seconds that each further one costs */

/* ---- records ---- */

/* From `list`, or else a new one. */
static tideR_task *record_new(tideR_runtime *rt, tideR_task **list) {
  tideR_task *task = *list;
  uint32_t slot;
  if (task != NULL) {
    *list = task->next;
    return task;
  }
  task = tideR__young_reserve(rt) ? tideR__pool_grow(&rt->tasks, &slot) : NULL;
  if (task != NULL)
    task->slot = slot;
  return task;
}

static void record_free(tideR_runtime *rt, tideR_task *task) {
  task->state = TIDE_TASK_FREE;
  task->flags = 0;
  task->wait = NULL;
  task->prev = NULL;
  tideR_task **list = task->coro ? &rt->free_tasks : &rt->bare_tasks;
  task->next = *list;
  *list = task;
}

bool tideR_task_pooled(const tideR_runtime *rt) {
  return rt->free_tasks != NULL;
}

void *tideR_task_strip(tideR_runtime *rt, uint32_t *slot) {
  tideR_task *task = rt->free_tasks;
  if (task == NULL)
    return NULL;
  void *coro = task->coro;
  *slot = task->slot;
  rt->free_tasks = task->next;
  task->coro = NULL;
  task->next = rt->bare_tasks;
  rt->bare_tasks = task;
  return coro;
}

tideR_task *tideR_task_new(tideR_runtime *rt) {
  tideR_task *task =
      record_new(rt, rt->free_tasks ? &rt->free_tasks : &rt->bare_tasks);
  if (task == NULL)
    return NULL;
  task->next = task->prev = NULL;
  task->id = ++rt->last_id;
  task->flags = TIDE_FRESH;
  task->status = TIDE_WOKEN;
  return task;
}

/* Only now it is alive and counts: until then its making may fail. */
void tideR_task_start(tideR_runtime *rt, tideR_task *task) {
  task->state = TIDE_TASK_READY;
  rt->live++;
  rt->young++;
  rt->newest[(task->slot - 1) / TIDE_SLAB] = task->id;
  rt->spawned++;
  tideR__list_push(&rt->ready, task);
  if (rt->announces)
    tideR__announce(rt);
}

static void uncount(tideR_runtime *rt, tideR_task *task) {
  rt->live--;
  if (tideR_task_is_young(rt, task))
    rt->young--;
}

static void extra_free(tideR_runtime *rt, tideR_extra *extra) {
  extra->next_free = rt->free_extras;
  rt->free_extras = extra;
}

void tideR_task_discard(tideR_runtime *rt, tideR_task *task) {
  while (task->scope != NULL)
    tideR_scope_leave(rt, task);
  if (tideR__extra(task) != NULL)
    extra_free(rt, tideR__extra(task));
  task->ends = 0;
  record_free(rt, task);
}

tideR_task *tideR_task_root(tideR_runtime *rt) {
  if (rt->root == NULL) {
    tideR_task *root = record_new(rt, &rt->bare_tasks);
    if (root == NULL)
      return NULL;
    root->id = 0; /* so that it is never young */
    root->state = TIDE_TASK_RUNNING;
    root->flags = TIDE_ROOT;
    if (rt->watcher != NULL)
      root->flags |= TIDE_WATCHED;
    rt->root = root;
  }
  return rt->root;
}

tideR_extra *tideR__task_extra(tideR_runtime *rt, tideR_task *task) {
  tideR_extra *extra = tideR__extra(task);
  if (extra != NULL)
    return extra;
  extra = rt->free_extras;
  if (extra != NULL)
    rt->free_extras = extra->next_free;
  else
    extra = malloc(sizeof *extra);
  if (extra == NULL)
    return NULL;
  *extra = (tideR_extra){.own = NULL};
  tideR__join_init(&extra->join, task);
  if (tideR__awaiter(task) != NULL)
    tideR__join_adopt(&extra->join, tideR__awaiter(task));
  else if (tideR__only_link(task) != NULL)
    tideR__join_link(&extra->join, tideR__only_link(task));
  task->ends = (uintptr_t)extra | ENDS_EXTRA;
  return extra;
}

static void ready_remove(tideR_runtime *rt, tideR_task *task) {
  tideR_list old = rt->ready;
  rt->ready = (tideR_list){0};
  for (tideR_task *at = old.head, *next; at != NULL; at = next) {
    next = at->next;
    if (at != task)
      tideR__list_push(&rt->ready, at);
  }
}

/* A task that runs but is registered somewhere: its yield failed (5.1, 5.2)
 * and it went on. Takes that back. */
void tideR_unpark(tideR_runtime *rt, tideR_task *task) {
  if (task->state == TIDE_TASK_PARKED) {
    task->wait->kind->abort(rt, task, TIDE_ABANDONED);
    if (task->flags & TIDE_LEAVING)
      rt->leavers--;
  } else if (task->state == TIDE_TASK_READY && !(task->flags & TIDE_ROOT))
    ready_remove(rt, task);
  task->state = TIDE_TASK_RUNNING;
}

/* For its locks, and for its end. */
static void end_waits(tideR_runtime *rt, tideR_task *task, tideR_end how) {
  tideR_extra *extra = tideR__extra(task);
  tideR_task *awaiter = tideR__awaiter(task);
  tideR_link *link = tideR__only_link(task);
  if (extra != NULL)
    tideR__locks_break(rt, extra);
  task->ends = 0;
  if (awaiter != NULL)
    tideR__awaiter_wake(rt, awaiter);
  if (link != NULL)
    tideR__gather_ended(rt, link, how);
  if (extra != NULL) {
    tideR__join_end(rt, &extra->join, how);
    extra_free(rt, extra);
  }
}

void tideR_task_finish(tideR_runtime *rt, tideR_task *task, tideR_end how) {
  if (task->state != TIDE_TASK_RUNNING)
    tideR_unpark(rt, task); /* also: no scope left below aborts a wait */
  while (task->scope != NULL)
    tideR_scope_leave(rt, task);
  end_waits(rt, task, how);
  if (rt->main == task) {
    rt->main = NULL;
    rt->stop = true;
  }
  if (rt->probed == task)
    tideR__probe_end(rt);
  if (rt->current == task)
    rt->current = NULL;
  uncount(rt, task);
  if (rt->draining && tideR_task_is_young(rt, task) &&
      task->id <= rt->drain_last && --rt->drain_left == 0)
    rt->stop = true;
  record_free(rt, task);
}

tideR_task *tideR_task_current(const tideR_runtime *rt) {
  return rt->current;
}

tideR_task *tideR_task_at(const tideR_runtime *rt, uint32_t slot) {
  return tideR__pool_at(&rt->tasks, slot);
}

uint32_t tideR_task_slots(const tideR_runtime *rt) {
  return rt->tasks.count;
}

bool tideR_task_alive(const tideR_task *task) {
  return task->state != TIDE_TASK_FREE && !(task->flags & TIDE_ROOT);
}

/* ---- park and wake ---- */

/* What was true of it until this suspension. */
static inline void clear_flags(tideR_task *task) {
  task->flags &=
      (uint16_t) ~(TIDE_FRESH | TIDE_ABORTED | TIDE_LEAVING | TIDE_SELFCANCEL);
}

void tideR_park(tideR_runtime *rt, tideR_task *task, tideR_wait *wait) {
  if (task->state != TIDE_TASK_RUNNING)
    tideR_unpark(rt, task);
  task->wait = wait;
  clear_flags(task);
  task->state = TIDE_TASK_PARKED;
}

static void clear_sleep(tideR_runtime *rt, tideR_task *task) {
  if (task->wait == &rt->sleeping && task->timer.index != 0) {
    tideR__timer_clear(rt, &task->timer);
    rt->sleepers--;
  }
}

void tideR_wake(tideR_runtime *rt, tideR_task *task, tideR_status status) {
  if (task->state != TIDE_TASK_PARKED)
    return;
  clear_sleep(rt, task);
  if (task->flags &
      TIDE_LEAVING) /* the flag itself is its own until it parks */
    rt->leavers--;
  task->status = (uint8_t)status;
  if (task == rt->current) { /* its yield failed: there is nobody to wake */
    task->state = TIDE_TASK_RUNNING;
    return;
  }
  task->state = TIDE_TASK_READY;
  if (!(task->flags & TIDE_ROOT))
    tideR__list_push(&rt->ready, task);
  else if (rt->running)
    rt->stop = true;
  if (rt->announces)
    tideR__announce(rt);
  if (task->flags & (TIDE_PROBED | TIDE_WATCHED))
    tideR__watch_woken(rt, task);
}

void tideR_park_turn(tideR_runtime *rt, tideR_task *task) {
  tideR_park(rt, task, &rt->turning);
  task->state = TIDE_TASK_READY;
  task->status = TIDE_WOKEN;
  if (!(task->flags & TIDE_ROOT)) /* who drives the loop makes one turn */
    tideR__list_push(&rt->ready, task);
}

bool tideR_next_turn(tideR_runtime *rt, tideR_task *task) {
  if (rt->batch == NULL && rt->ready.head == NULL &&
      task->state == TIDE_TASK_RUNNING && tideR__turn_alone(rt)) {
    clear_flags(task);
    return true;
  }
  tideR_park_turn(rt, task);
  return false;
}

void tideR_park_tick(tideR_runtime *rt, tideR_task *task) {
  tideR_waitq_park(rt, task, &rt->ticks);
}

void tideR_park_idle(tideR_runtime *rt, tideR_task *task) {
  tideR_waitq_park(rt, task, &rt->idlers);
}

int tideR_park_until(tideR_runtime *rt, tideR_task *task, uint64_t when) {
  if (when == TIDE_NEVER) {
    tideR_park(rt, task, &rt->forever);
    tideR_waker_add(rt); /* it asked for this: no deadlock */
    return 0;
  }
  tideR_unpark(rt,
               task); /* before it has the timer that the abort would clear */
  task->timer.index = 0;
  int err = tideR__timer_set(rt, &task->timer, TIMER_TASK, when);
  if (err < 0)
    return err;
  rt->sleepers++;
  tideR_park(rt, task, &rt->sleeping);
  return 0;
}

static bool abort_sleep(tideR_runtime *rt, tideR_task *task, tideR_status why) {
  (void)why;
  clear_sleep(rt, task);
  return true;
}

static bool abort_forever(tideR_runtime *rt, tideR_task *task,
                          tideR_status why) {
  (void)task;
  (void)why;
  tideR_waker_drop(rt);
  return true;
}

void tideR__waits_init(tideR_runtime *rt) {
  static const tideR_waitkind sleeping = {"sleep", abort_sleep, NULL};
  static const tideR_waitkind forever = {"sleep", abort_forever, NULL};
  static const tideR_waitkind turning = {"sleep", abort_sleep, NULL};
  static const tideR_waitkind ticks = {"next_tick", tideR_waitq_abort, NULL};
  static const tideR_waitkind idlers = {"wait_all_tasks_blocked",
                                        tideR_waitq_abort, NULL};
  rt->sleeping.kind = &sleeping;
  rt->forever.kind = &forever;
  rt->turning.kind = &turning;
  tideR_waitq_init(&rt->ticks, &ticks);
  tideR_waitq_init(&rt->idlers, &idlers);
}

/* ---- cancellation ---- */

void tideR__task_abort(tideR_runtime *rt, tideR_task *task, tideR_status why) {
  if (task->state != TIDE_TASK_PARKED || task->flags & TIDE_ABORTED)
    return;
  task->flags |= TIDE_ABORTED;
  if (task->wait->kind->abort(rt, task, why))
    tideR_wake(rt, task, why);
}

/* From here on the cancel is under way: a shield put up before it is raised
 * does not make it another's. */
static void remember_culprit(tideR_runtime *rt, tideR_task *task) {
  tideR_extra *extra = tideR__task_extra(rt, task);
  const tideR_scope *scope = tideR_scope_culprit(rt, task->scope);
  if (extra != NULL && scope != NULL)
    extra->culprit = scope->id;
}

uint64_t tideR_task_culprit(tideR_runtime *rt, const tideR_task *task) {
  const tideR_scope *scope = tideR_scope_culprit(rt, task->scope);
  if (scope != NULL)
    return scope->id;
  return tideR__extra(task) != NULL ? tideR__extra(task)->culprit : 0;
}

/* Takes over what the innermost scope says. */
void tideR__task_mark(tideR_runtime *rt, tideR_task *task) {
  unsigned scope = task->scope != NULL ? task->scope->flags : 0;
  unsigned before = task->flags;
  unsigned flags = before & ~(unsigned)(TIDE_CANCEL | TIDE_TIMED);
  if (scope & TIDE_SCOPE_INSIDE)
    flags |= TIDE_CANCEL;
  if (scope & TIDE_SCOPE_TIMED)
    flags |= TIDE_TIMED;
  task->flags = (uint16_t)flags;
  if (flags & TIDE_CANCEL) {
    if (before & TIDE_WATCHED && !(before & TIDE_CANCEL))
      tideR__watch_cancelled(rt, task);
    if (task->state == TIDE_TASK_PARKED && !(task->flags & TIDE_ABORTED))
      remember_culprit(rt, task);
    tideR__task_abort(rt, task, TIDE_CANCELLED);
  } else if (tideR__extra(task) != NULL && tideR__extra(task)->cancels == 0)
    tideR__extra(task)->swallowed = 0;
}

void tideR_task_notice(tideR_runtime *rt, tideR_task *task) {
  if (task->flags & TIDE_CANCEL)
    tideR__task_mark(rt, task);
}

int tideR_task_cancel(tideR_runtime *rt, tideR_task *task) {
  tideR_extra *extra = tideR__task_extra(rt, task);
  if (extra == NULL)
    return UV_ENOMEM;
  if (extra->own == NULL) {
    int err = tideR__scope_own(rt, task);
    if (err < 0)
      return err;
  }
  extra->cancels++;
  if (task == rt->current)
    task->flags |= TIDE_SELFCANCEL;
  tideR__join_cancel(rt, &extra->join);
  return 0;
}

uint32_t tideR_task_cancelling(const tideR_task *task) {
  return tideR__extra(task) != NULL ? tideR__extra(task)->cancels : 0;
}

uint32_t tideR_task_uncancel(tideR_runtime *rt, tideR_task *task) {
  tideR_extra *extra = tideR__extra(task);
  if (extra == NULL || extra->cancels == 0)
    return 0;
  if (--extra->cancels == 0) {
    task->flags &= (uint16_t)~TIDE_SELFCANCEL;
    tideR__scope_lift(rt, extra->own);
  }
  return extra->cancels;
}

tideR_scope *tideR_task_own_scope(const tideR_task *task) {
  return tideR__extra(task) != NULL ? tideR__extra(task)->own : NULL;
}

bool tideR_checkpoint(tideR_runtime *rt, tideR_task *task) {
  if (task->flags & TIDE_PROBED)
    tideR__probe_enter(rt, task);
  if (task->flags & TIDE_TIMED && tideR__timers_due(rt))
    tideR__timers_fire(rt);
  return task->flags & TIDE_CANCEL;
}

/* A cancel that the task could only leave by ending: its own, or its group's.
 */
static bool own_cancelled(const tideR_task *task) {
  tideR_scope *own = tideR_task_own_scope(task);
  return own != NULL && own->flags & TIDE_SCOPE_INSIDE;
}

/* A task that catches its cancellation and awaits again gets it again: at the
 * price of a turn, then of a pause, and in the end it is given up. So no loop
 * around pcall can freeze the others or live for ever. */
void tideR_park_raise(tideR_runtime *rt, tideR_task *task) {
  tideR_extra *extra = tideR__task_extra(rt, task);
  uint64_t now;
  task->flags &= (uint16_t)~TIDE_SELFCANCEL;
  remember_culprit(rt, task);
  if (extra == NULL || ++extra->swallowed <= SWALLOW_FREE) {
    if (extra != NULL && extra->swallowed == 1)
      extra->since = tideR_now(rt);
    tideR_park_turn(rt, task);
    return;
  }
  now = tideR_now(rt);
  if (!(task->flags & TIDE_SWALLOWER)) {
    task->flags |= TIDE_SWALLOWER;
    rt->hooks->report(rt, task, TIDE_REPORT_SWALLOWED);
  }
  if (extra->swallowed > rt->swallow_times && own_cancelled(task) &&
      now - extra->since >= tideR_instant(rt->swallow_seconds) &&
      !(task->flags & TIDE_ROOT)) {
    task->flags |= TIDE_GIVENUP;
    tideR_park_turn(rt, task);
  } else if (tideR_park_until(rt, task, now + tideR_instant(SWALLOW_PAUSE)) <
             0) {
    tideR_park_turn(rt, task);
  }
  task->flags |= TIDE_ABORTED; /* another cancel does not shorten the pause */
}

void tideR_task_raises(tideR_runtime *rt, tideR_task *task) {
  tideR_extra *extra = tideR__extra(task);
  uint64_t culprit = tideR_task_culprit(rt, task);
  if (extra == NULL || culprit == 0)
    return;
  if (extra->raised == culprit) {
    extra->again++;
    rt->swallowed++;
  }
  extra->raised = culprit;
}

uint32_t tideR_task_swallowed(const tideR_task *task) {
  return tideR__extra(task) != NULL ? tideR__extra(task)->again : 0;
}

void tideR_task_give_up(tideR_runtime *rt, tideR_task *task) {
  task->flags |= TIDE_GIVENUP;
  if (task->state == TIDE_TASK_PARKED) {
    task->wait->kind->abort(rt, task, TIDE_ABANDONED);
    tideR_wake(rt, task, TIDE_ABANDONED);
  }
}

void tideR_swallow_limits(tideR_runtime *rt, uint32_t times, double seconds) {
  rt->swallow_times = times;
  rt->swallow_seconds = seconds;
}
