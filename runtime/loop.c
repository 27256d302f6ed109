/*
 * loop.c: the turn, and what drives it.
 *
 * A turn runs the callbacks and the tasks that were ready when it began; what
 * they make ready runs in the next. Between turns libuv may be asked (poll.c).
 */
#include "internal.h"

#define LOOK_EVERY 8 /* resumes between looks at the clock, in a step */

/* ---- the turn ---- */

static void abandon(tideR_runtime *rt, tideR_task *task) {
  const tideR_wait *wait = task->wait;
  bool granted = task->status == TIDE_WOKEN;
  if (granted && wait != NULL && wait->kind->forfeit != NULL)
    wait->kind->forfeit(rt, task);
  rt->hooks->report(rt, task, TIDE_REPORT_ABANDONED);
  rt->hooks->abandon(rt, task);
}

static bool has_ready(const tideR_runtime *rt) {
  return rt->ready.head != NULL || rt->batch != NULL || rt->ncalls > 0;
}

static void take_ready(tideR_runtime *rt) {
  rt->batch = rt->ready.head;
  rt->batch_ends = rt->switches + rt->ready.count;
  rt->ready.head = NULL;
  rt->ready.count = 0;
}

/* The tasks are those ready before the callbacks run: one that a callback wakes
 * runs in the next turn. */
static void begin_turn(tideR_runtime *rt) {
  rt->turns++;
  if (rt->seed != 0)
    tideR__shuffle(rt, &rt->ready);
  take_ready(rt);
  if (rt->batch == NULL)
    rt->look_at = rt->switches; /* or turns without a task would never poll */
  rt->calls_due = rt->ncalls;
}

/* ---- waiting ---- */

/* Nothing can happen any more: tells who waits for the whole, if anybody. */
static bool deadlock(tideR_runtime *rt) {
  tideR_task *victim = rt->main;
  if (rt->root != NULL && rt->root->state == TIDE_TASK_PARKED)
    victim = rt->root;
  if (victim == NULL || victim->state != TIDE_TASK_PARKED)
    return false;
  victim->wait->kind->abort(rt, victim, TIDE_DEADLOCKED);
  tideR_wake(rt, victim, TIDE_DEADLOCKED);
  return true;
}

/* Nothing is ready: waits until something is. False: nothing ever will be. */
static bool idle(tideR_runtime *rt) {
  uint32_t wakers = tideR__wakers(rt); /* first: one may post, and be no more */
  if (rt->idlers.head != NULL || tideR__posts_wait(rt)) {
    tideR__poll_now(rt);
    if (!has_ready(rt))
      tideR_waitq_wake_all(rt, &rt->idlers);
    return true;
  }
  if (rt->clock.is_virtual && !uv_loop_alive(rt->uv) &&
      (tideR__has_timers(rt) || (rt->heap.count > 0 && wakers > 0))) {
    tideR__clock_jump(rt, rt->heap.nodes[0].when);
    tideR__poll_now(rt);
    return true;
  }
  if (!tideR__has_timers(rt) && wakers == 0 && !uv_loop_alive(rt->uv))
    return deadlock(rt);
  tideR__poll_blocking(rt);
  return true;
}

/* ---- driving ---- */

static int begin(tideR_runtime *rt, bool blocking, uint64_t until) {
  rt->running = true;
  rt->blocking = blocking;
  rt->until = until;
  if (rt->root != NULL && rt->root->state == TIDE_TASK_READY)
    rt->stop = true;     /* it gave up its turn: one will do */
  if (rt->calls_due > 0) /* left over when a callback was left by longjmp */
    tideR__calls_run(rt);
  return 0;
}

/* What is due is seen even if the run ends after one turn; but a drain that has
 * no time is to have its turn. */
int tideR_loop_begin(tideR_runtime *rt) {
  if (rt->is_borrowed)
    return UV_ENOTSUP;
  if (rt->running)
    return UV_EBUSY;
  rt->announces = false;
  if (rt->stop_timer.index == 0 && tideR__timers_due(rt))
    tideR__timers_fire(rt);
  return begin(rt, true, TIDE_NEVER);
}

bool tideR_loop_step_is_poll(tideR_runtime *rt) {
  if (rt->running || rt->is_borrowed || has_ready(rt) || rt->calls_due > 0 ||
      rt->ticks.head != NULL || tideR__timers_due(rt) || tideR__posts_wait(rt))
    return false;
  rt->announces = false;
  rt->running = true;
  tideR_loop_end(rt);
  return true;
}

int tideR_loop_begin_step(tideR_runtime *rt, double budget) {
  uint64_t until = TIDE_NEVER;
  if (rt->running)
    return UV_EBUSY;
  rt->announces = false;
  if (!rt->is_borrowed) /* there a step is an iteration of the host's loop */
    tideR_waitq_wake_all(rt, &rt->ticks);
  if (rt->heap.count > 0)
    tideR__timers_fire(rt);
  tideR__posts_take(rt);
  if (rt->batch == NULL)
    rt->in_turn = false; /* the last step's budget ended with its turn */
  if (budget > 0 && tideR_instant(budget) != TIDE_NEVER)
    until = uv_hrtime() + tideR_instant(budget); /* also in virtual time */
  rt->one_turn = !(budget > 0);
  rt->stop = !has_ready(rt); /* then the step is but a poll */
  return begin(rt, false, until);
}

/* The turn that ran is over: looks for events; false: the run is over, too. */
static bool end_turn(tideR_runtime *rt) {
  if (!has_ready(rt) && !rt->stop && rt->ticks.head == NULL)
    return idle(rt) && !rt->stop;
  if (tideR__poll_is_due(rt))
    tideR__poll_now(rt);
  return !rt->stop;
}

static bool end_turn_of_step(const tideR_runtime *rt) {
  return !rt->one_turn && has_ready(rt) && uv_hrtime() < rt->until;
}

/* Turns until one has a task to run. */
static bool next_turn(tideR_runtime *rt) {
  do {
    if (rt->leaves)
      return false;
    if (rt->in_turn) {
      rt->in_turn = false;
      if (!(rt->blocking ? end_turn(rt) : end_turn_of_step(rt)))
        return false;
    } else if (rt->stop && !rt->blocking) {
      return false;
    }
    if (rt->blocking && rt->ticks.head != NULL)
      tideR_waitq_wake_all(rt, &rt->ticks);
    begin_turn(rt);
    rt->in_turn = true;
    if (rt->calls_due > 0)
      tideR__calls_run(rt);
  } while (rt->batch == NULL);
  return !rt->leaves;
}

static bool out_of_budget(const tideR_runtime *rt) {
  if (rt->leaves)
    return true;
  return rt->until != TIDE_NEVER && rt->switches % LOOK_EVERY == 0 &&
         rt->resumed && uv_hrtime() >= rt->until;
}

void tideR_loop_left(tideR_runtime *rt) {
  tideR_task *task = rt->current;
  rt->current = NULL;
  if (task != NULL && task->flags & TIDE_PROBED)
    tideR__probe_parked(rt, task);
}

static tideR_task *take(tideR_runtime *rt, tideR_task *task) {
  rt->batch = task->next;
  rt->switches++;
  task->state = TIDE_TASK_RUNNING;
  return rt->current = task;
}

/* The next task, where there may be more to do first. Out of line, or the short
 * way would save the registers that only this one needs. */
static TIDE_NOINLINE tideR_task *next_task(tideR_runtime *rt) {
  tideR_loop_left(rt);
  for (;;) {
    if (out_of_budget(rt) || (rt->batch == NULL && !next_turn(rt)))
      return NULL;
    rt->resumed = true;
    tideR_task *task = take(rt, rt->batch);
    if (!(task->flags & TIDE_GIVENUP))
      return task;
    rt->current = NULL;
    abandon(rt, task);
  }
}

/* Where the turn is over, all there is to do is to begin the next. */
static inline bool is_plain_turn(const tideR_runtime *rt) {
  return rt->blocking && rt->in_turn && !rt->stop &&
         rt->switches < rt->look_at && rt->ncalls == 0 &&
         rt->ticks.head == NULL && rt->seed == 0;
}

static inline bool is_watched(const tideR_runtime *rt) {
  return rt->until != TIDE_NEVER || rt->watched;
}

/* One call a switch: as short as it can be. */
tideR_task *tideR_loop_next(tideR_runtime *rt) {
  tideR_task *task = rt->batch;
  if (task == NULL && rt->ready.head != NULL && is_plain_turn(rt)) {
    rt->turns++;
    take_ready(rt);
    task = rt->batch;
  }
  if (task == NULL || is_watched(rt) || task->flags & TIDE_GIVENUP)
    return next_task(rt);
  return take(rt, task);
}

bool tideR_loop_take(tideR_runtime *rt, tideR_task *task) {
  if (rt->batch != task &&
      (rt->batch != NULL || rt->ready.head != task || !is_plain_turn(rt)))
    return false;
  if (is_watched(rt) || task->flags & TIDE_GIVENUP)
    return false;
  if (rt->batch == NULL) {
    rt->turns++;
    take_ready(rt);
  }
  take(rt, task);
  return true;
}

bool tideR__turn_alone(tideR_runtime *rt) {
  if (!is_plain_turn(rt) || is_watched(rt))
    return false;
  rt->turns++;
  rt->batch_ends = ++rt->switches;
  return true;
}

/* One that is left is about to be closed. In the child of a fork, which closes
 * its copy, what it saw would be lost to the parent. */
void tideR_loop_end(tideR_runtime *rt) {
  if (!rt->blocking && !rt->leaves) {
    tideR__poll_now(rt);
    if (!has_ready(rt) && !rt->is_borrowed)
      tideR_waitq_wake_all(rt, &rt->idlers);
  }
  rt->running = rt->blocking = rt->stop = rt->resumed = false;
  tideR__announce_again(rt);
}

static void resume_all(tideR_runtime *rt) {
  tideR_task *task;
  while ((task = tideR_loop_next(rt)) != NULL)
    rt->hooks->resume(rt, task);
  tideR_loop_end(rt);
}

int tideR_loop_run(tideR_runtime *rt) {
  int err = tideR_loop_begin(rt);
  if (err == 0)
    resume_all(rt);
  return err;
}

int tideR_loop_step(tideR_runtime *rt, double budget) {
  int err = rt->is_borrowed ? UV_ENOTSUP : tideR_loop_begin_step(rt, budget);
  if (err < 0)
    return err;
  resume_all(rt);
  return has_ready(rt);
}

bool tideR_loop_ready(const tideR_runtime *rt) {
  return has_ready(rt);
}

void tideR_loop_stop(tideR_runtime *rt) {
  rt->stop = true;
}

void tideR_loop_leave(tideR_runtime *rt) {
  rt->leaves = true;
  rt->until = 0; /* no short cuts */
  if (rt->announces)
    tideR__announce(rt);
}

int tideR_loop_stop_after(tideR_runtime *rt, double seconds) {
  if (seconds < 0) {
    tideR__timer_clear(rt, &rt->stop_timer);
    return 0;
  }
  return tideR__timer_set(rt, &rt->stop_timer, TIMER_STOP,
                          tideR_deadline(rt, seconds));
}

uint64_t tideR_loop_drain(tideR_runtime *rt, bool on) {
  rt->draining = on;
  rt->drain_last = rt->last_id;
  rt->drain_left = rt->young;
  return rt->drain_last;
}

tideR_task *tideR_recover(tideR_runtime *rt) {
  tideR_task *task = rt->current;
  rt->current = NULL;
  rt->running = rt->blocking = rt->resumed = false;
  tideR__posts_recover(rt);
  tideR__announce_again(rt);
  return task;
}

bool tideR_loop_running(const tideR_runtime *rt) {
  return rt->running;
}

void tideR_loop_main(tideR_runtime *rt, tideR_task *main) {
  rt->main = main;
}

tideR_task *tideR_loop_mainof(const tideR_runtime *rt) {
  return rt->main;
}
