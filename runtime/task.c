/*
 * task.c: task records and their states.
 *
 *   FREE -> READY -> RUNNING -> PARKED -> READY ... RUNNING -> FREE
 *
 * A parked task is held by what it waits for, and by nothing else; tide_wake
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
static tide_task *record_new(tide_runtime *rt, tide_task **list) {
  tide_task *task = *list;
  uint32_t slot;
  if (task != NULL) {
    *list = task->next;
    return task;
  }
  task = tide__young_reserve(rt) ? tide__pool_grow(&rt->tasks, &slot) : NULL;
  if (task != NULL)
    task->slot = slot;
  return task;
}

static void record_free(tide_runtime *rt, tide_task *task) {
  task->state = TIDE_TASK_FREE;
  task->flags = 0;
  task->wait = NULL;
  task->prev = NULL;
  tide_task **list = task->coro ? &rt->free_tasks : &rt->bare_tasks;
  task->next = *list;
  *list = task;
}

bool tide_task_pooled(const tide_runtime *rt) {
  return rt->free_tasks != NULL;
}

void *tide_task_strip(tide_runtime *rt, uint32_t *slot) {
  tide_task *task = rt->free_tasks;
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

tide_task *tide_task_new(tide_runtime *rt) {
  tide_task *task =
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
void tide_task_start(tide_runtime *rt, tide_task *task) {
  task->state = TIDE_TASK_READY;
  rt->live++;
  rt->young++;
  rt->newest[(task->slot - 1) / TIDE_SLAB] = task->id;
  rt->spawned++;
  tide__list_push(&rt->ready, task);
}

static void uncount(tide_runtime *rt, tide_task *task) {
  rt->live--;
  if (tide_task_is_young(rt, task))
    rt->young--;
}

static void extra_free(tide_runtime *rt, tide_extra *extra) {
  extra->next_free = rt->free_extras;
  rt->free_extras = extra;
}

void tide_task_discard(tide_runtime *rt, tide_task *task) {
  while (task->scope != NULL)
    tide_scope_leave(rt, task);
  if (tide__extra(task) != NULL)
    extra_free(rt, tide__extra(task));
  task->ends = 0;
  record_free(rt, task);
}

tide_task *tide_task_root(tide_runtime *rt) {
  if (rt->root == NULL) {
    tide_task *root = record_new(rt, &rt->bare_tasks);
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

tide_extra *tide__task_extra(tide_runtime *rt, tide_task *task) {
  tide_extra *extra = tide__extra(task);
  if (extra != NULL)
    return extra;
  extra = rt->free_extras;
  if (extra != NULL)
    rt->free_extras = extra->next_free;
  else
    extra = malloc(sizeof *extra);
  if (extra == NULL)
    return NULL;
  *extra = (tide_extra){.own = NULL};
  tide__join_init(&extra->join, task);
  if (tide__awaiter(task) != NULL)
    tide__join_adopt(&extra->join, tide__awaiter(task));
  else if (tide__only_link(task) != NULL)
    tide__join_link(&extra->join, tide__only_link(task));
  task->ends = (uintptr_t)extra | ENDS_EXTRA;
  return extra;
}

static void ready_remove(tide_runtime *rt, tide_task *task) {
  tide_list old = rt->ready;
  rt->ready = (tide_list){0};
  for (tide_task *at = old.head, *next; at != NULL; at = next) {
    next = at->next;
    if (at != task)
      tide__list_push(&rt->ready, at);
  }
}

/* A task that runs but is registered somewhere: its yield failed (5.1, 5.2)
 * and it went on. Takes that back. */
static void unpark(tide_runtime *rt, tide_task *task) {
  if (task->state == TIDE_TASK_PARKED) {
    task->wait->kind->abort(rt, task, TIDE_ABANDONED);
    if (task->flags & TIDE_LEAVING)
      rt->leavers--;
  } else if (task->state == TIDE_TASK_READY && !(task->flags & TIDE_ROOT))
    ready_remove(rt, task);
  task->state = TIDE_TASK_RUNNING;
}

/* For its locks, and for its end. */
static void end_waits(tide_runtime *rt, tide_task *task, tide_end how) {
  tide_extra *extra = tide__extra(task);
  tide_task *awaiter = tide__awaiter(task);
  tide_link *link = tide__only_link(task);
  if (extra != NULL)
    tide__locks_break(rt, extra);
  task->ends = 0;
  if (awaiter != NULL)
    tide__awaiter_wake(rt, awaiter);
  if (link != NULL)
    tide__gather_ended(rt, link, how);
  if (extra != NULL) {
    tide__join_end(rt, &extra->join, how);
    extra_free(rt, extra);
  }
}

void tide_task_finish(tide_runtime *rt, tide_task *task, tide_end how) {
  if (task->state != TIDE_TASK_RUNNING)
    unpark(rt, task); /* also: no scope left below aborts a wait */
  while (task->scope != NULL)
    tide_scope_leave(rt, task);
  end_waits(rt, task, how);
  if (rt->main == task) {
    rt->main = NULL;
    rt->stop = true;
  }
  if (rt->probed == task)
    tide__probe_end(rt);
  if (rt->current == task)
    rt->current = NULL;
  uncount(rt, task);
  if (rt->draining && tide_task_is_young(rt, task) &&
      task->id <= rt->drain_last && --rt->drain_left == 0)
    rt->stop = true;
  record_free(rt, task);
}

tide_task *tide_task_current(const tide_runtime *rt) {
  return rt->current;
}

tide_task *tide_task_at(const tide_runtime *rt, uint32_t slot) {
  return tide__pool_at(&rt->tasks, slot);
}

uint32_t tide_task_slots(const tide_runtime *rt) {
  return rt->tasks.count;
}

bool tide_task_alive(const tide_task *task) {
  return task->state != TIDE_TASK_FREE && !(task->flags & TIDE_ROOT);
}

/* ---- park and wake ---- */

/* What was true of it until this suspension. */
static inline void clear_flags(tide_task *task) {
  task->flags &=
      (uint16_t) ~(TIDE_FRESH | TIDE_ABORTED | TIDE_LEAVING | TIDE_SELFCANCEL);
}

void tide_park(tide_runtime *rt, tide_task *task, tide_wait *wait) {
  if (task->state != TIDE_TASK_RUNNING)
    unpark(rt, task);
  task->wait = wait;
  clear_flags(task);
  task->state = TIDE_TASK_PARKED;
}

static void clear_sleep(tide_runtime *rt, tide_task *task) {
  if (task->wait == &rt->sleeping && task->timer.index != 0) {
    tide__timer_clear(rt, &task->timer);
    rt->sleepers--;
  }
}

void tide_wake(tide_runtime *rt, tide_task *task, tide_status status) {
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
    tide__list_push(&rt->ready, task);
  else if (rt->running)
    rt->stop = true;
  if (task->flags & (TIDE_PROBED | TIDE_WATCHED))
    tide__watch_woken(rt, task);
}

void tide_park_turn(tide_runtime *rt, tide_task *task) {
  tide_park(rt, task, &rt->turning);
  task->state = TIDE_TASK_READY;
  task->status = TIDE_WOKEN;
  if (!(task->flags & TIDE_ROOT)) /* who drives the loop makes one turn */
    tide__list_push(&rt->ready, task);
}

bool tide_next_turn(tide_runtime *rt, tide_task *task) {
  if (rt->batch == NULL && rt->ready.head == NULL &&
      task->state == TIDE_TASK_RUNNING && tide__turn_alone(rt)) {
    clear_flags(task);
    return true;
  }
  tide_park_turn(rt, task);
  return false;
}

void tide_park_tick(tide_runtime *rt, tide_task *task) {
  tide_waitq_park(rt, task, &rt->ticks);
}

void tide_park_idle(tide_runtime *rt, tide_task *task) {
  tide_waitq_park(rt, task, &rt->idlers);
}

int tide_park_until(tide_runtime *rt, tide_task *task, uint64_t when) {
  if (when == TIDE_NEVER) {
    tide_park(rt, task, &rt->forever);
    rt->wakers++; /* it asked for this: no deadlock */
    return 0;
  }
  unpark(rt, task); /* before it has the timer that the abort would clear */
  task->timer.index = 0;
  int err = tide__timer_set(rt, &task->timer, TIMER_TASK, when);
  if (err < 0)
    return err;
  rt->sleepers++;
  tide_park(rt, task, &rt->sleeping);
  return 0;
}

static bool abort_sleep(tide_runtime *rt, tide_task *task, tide_status why) {
  (void)why;
  clear_sleep(rt, task);
  return true;
}

static bool abort_forever(tide_runtime *rt, tide_task *task, tide_status why) {
  (void)task;
  (void)why;
  rt->wakers--;
  return true;
}

void tide__waits_init(tide_runtime *rt) {
  static const tide_waitkind sleeping = {"sleep", abort_sleep, NULL};
  static const tide_waitkind forever = {"sleep", abort_forever, NULL};
  static const tide_waitkind turning = {"sleep", abort_sleep, NULL};
  static const tide_waitkind ticks = {"next_tick", tide_waitq_abort, NULL};
  static const tide_waitkind idlers = {"wait_all_tasks_blocked",
                                       tide_waitq_abort, NULL};
  rt->sleeping.kind = &sleeping;
  rt->forever.kind = &forever;
  rt->turning.kind = &turning;
  tide_waitq_init(&rt->ticks, &ticks);
  tide_waitq_init(&rt->idlers, &idlers);
}

/* ---- cancellation ---- */

void tide__task_abort(tide_runtime *rt, tide_task *task, tide_status why) {
  if (task->state != TIDE_TASK_PARKED || task->flags & TIDE_ABORTED)
    return;
  task->flags |= TIDE_ABORTED;
  if (task->wait->kind->abort(rt, task, why))
    tide_wake(rt, task, why);
}

/* From here on the cancel is under way: a shield put up before it is raised
 * does not make it another's. */
static void remember_culprit(tide_runtime *rt, tide_task *task) {
  tide_extra *extra = tide__task_extra(rt, task);
  const tide_scope *scope = tide_scope_culprit(rt, task->scope);
  if (extra != NULL && scope != NULL)
    extra->culprit = scope->id;
}

uint64_t tide_task_culprit(tide_runtime *rt, const tide_task *task) {
  const tide_scope *scope = tide_scope_culprit(rt, task->scope);
  if (scope != NULL)
    return scope->id;
  return tide__extra(task) != NULL ? tide__extra(task)->culprit : 0;
}

/* Takes over what the innermost scope says. */
void tide__task_mark(tide_runtime *rt, tide_task *task) {
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
      tide__watch_cancelled(rt, task);
    if (task->state == TIDE_TASK_PARKED && !(task->flags & TIDE_ABORTED))
      remember_culprit(rt, task);
    tide__task_abort(rt, task, TIDE_CANCELLED);
  } else if (tide__extra(task) != NULL && tide__extra(task)->cancels == 0)
    tide__extra(task)->swallowed = 0;
}

int tide_task_cancel(tide_runtime *rt, tide_task *task) {
  tide_extra *extra = tide__task_extra(rt, task);
  if (extra == NULL)
    return UV_ENOMEM;
  if (extra->own == NULL) {
    int err = tide__scope_own(rt, task);
    if (err < 0)
      return err;
  }
  extra->cancels++;
  if (task == rt->current)
    task->flags |= TIDE_SELFCANCEL;
  tide__join_cancel(rt, &extra->join);
  return 0;
}

uint32_t tide_task_cancelling(const tide_task *task) {
  return tide__extra(task) != NULL ? tide__extra(task)->cancels : 0;
}

uint32_t tide_task_uncancel(tide_runtime *rt, tide_task *task) {
  tide_extra *extra = tide__extra(task);
  if (extra == NULL || extra->cancels == 0)
    return 0;
  if (--extra->cancels == 0) {
    task->flags &= (uint16_t)~TIDE_SELFCANCEL;
    tide__scope_lift(rt, extra->own);
  }
  return extra->cancels;
}

tide_scope *tide_task_own_scope(const tide_task *task) {
  return tide__extra(task) != NULL ? tide__extra(task)->own : NULL;
}

bool tide_checkpoint(tide_runtime *rt, tide_task *task) {
  if (task->flags & TIDE_PROBED)
    tide__probe_enter(rt, task);
  if (task->flags & TIDE_TIMED && tide__timers_due(rt))
    tide__timers_fire(rt);
  return task->flags & TIDE_CANCEL;
}

/* A cancel that the task could only leave by ending: its own, or its group's.
 */
static bool own_cancelled(const tide_task *task) {
  tide_scope *own = tide_task_own_scope(task);
  return own != NULL && own->flags & TIDE_SCOPE_INSIDE;
}

/* A task that catches its cancellation and awaits again gets it again: at the
 * price of a turn, then of a pause, and in the end it is given up. So no loop
 * around pcall can freeze the others or live for ever. */
void tide_park_raise(tide_runtime *rt, tide_task *task) {
  tide_extra *extra = tide__task_extra(rt, task);
  uint64_t now;
  task->flags &= (uint16_t)~TIDE_SELFCANCEL;
  remember_culprit(rt, task);
  if (extra == NULL || ++extra->swallowed <= SWALLOW_FREE) {
    if (extra != NULL && extra->swallowed == 1)
      extra->since = tide_now(rt);
    tide_park_turn(rt, task);
    return;
  }
  now = tide_now(rt);
  if (!(task->flags & TIDE_SWALLOWER)) {
    task->flags |= TIDE_SWALLOWER;
    rt->hooks->report(rt, task, TIDE_REPORT_SWALLOWED);
  }
  if (extra->swallowed > rt->swallow_times && own_cancelled(task) &&
      now - extra->since >= tide_instant(rt->swallow_seconds) &&
      !(task->flags & TIDE_ROOT)) {
    task->flags |= TIDE_GIVENUP;
    tide_park_turn(rt, task);
  } else if (tide_park_until(rt, task, now + tide_instant(SWALLOW_PAUSE)) < 0) {
    tide_park_turn(rt, task);
  }
  task->flags |= TIDE_ABORTED; /* another cancel does not shorten the pause */
}

void tide_task_raises(tide_runtime *rt, tide_task *task) {
  tide_extra *extra = tide__extra(task);
  uint64_t culprit = tide_task_culprit(rt, task);
  if (extra == NULL || culprit == 0)
    return;
  if (extra->raised == culprit) {
    extra->again++;
    rt->swallowed++;
  }
  extra->raised = culprit;
}

uint32_t tide_task_swallowed(const tide_task *task) {
  return tide__extra(task) != NULL ? tide__extra(task)->again : 0;
}

void tide_task_give_up(tide_runtime *rt, tide_task *task) {
  task->flags |= TIDE_GIVENUP;
  if (task->state == TIDE_TASK_PARKED) {
    task->wait->kind->abort(rt, task, TIDE_ABANDONED);
    tide_wake(rt, task, TIDE_ABANDONED);
  }
}

void tide_swallow_limits(tide_runtime *rt, uint32_t times, double seconds) {
  rt->swallow_times = times;
  rt->swallow_seconds = seconds;
}
