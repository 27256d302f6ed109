/*
 * gather.c: waiting for several ends at once.
 *
 * A gather has a link in the join of each; a link is in `pending` until the end
 * comes, then in `done`. What else happens at an end is what sets gather, wait,
 * race, as_completed and groups apart: `until`.
 */
#include "internal.h"

static bool abort_gather(tideR_runtime *rt, tideR_task *task, tideR_status why);
static bool abort_group(tideR_runtime *rt, tideR_task *task, tideR_status why);
static const tideR_waitkind gather_kind = {"gather", abort_gather, NULL};
static const tideR_waitkind race_kind = {"race", abort_gather, NULL};
static const tideR_waitkind wait_kind = {"wait", abort_gather, NULL};
static const tideR_waitkind next_kind = {"as_completed", abort_gather, NULL};
const tideR_waitkind tideR__group_kind = {"group", abort_group, NULL};

/* They differ in their names. */
static const tideR_waitkind *kind_of(tideR_until until, bool counted) {
  switch (until) {
  case TIDE_UNTIL_EMPTY:
    return &tideR__group_kind;
  case TIDE_UNTIL_WINNER:
    return &race_kind;
  case TIDE_UNTIL_FIRST:
    return counted ? &next_kind : &wait_kind;
  default:
    return counted ? &gather_kind : &wait_kind;
  }
}

void tideR_gather_init(tideR_gather *gather, tideR_until until, bool counted) {
  *gather = (tideR_gather){.until = (uint8_t)until, .counted = counted};
  gather->wait.kind = kind_of(until, counted);
}

tideR_gather *tideR__gathering(const tideR_task *task) {
  if (task->wait->kind->abort != abort_gather &&
      task->wait->kind != &tideR__group_kind)
    return NULL;
  return CONTAINER(task->wait, tideR_gather, wait);
}

const tideR_link *tideR_task_pending(const tideR_task *task) {
  const tideR_gather *gather =
      task->state == TIDE_TASK_PARKED ? tideR__gathering(task) : NULL;
  return gather != NULL ? gather->pending.head : NULL;
}

bool tideR_task_waits_in_group(const tideR_task *task) {
  return task->state == TIDE_TASK_PARKED &&
         task->wait->kind == &tideR__group_kind;
}

const tideR_task *tideR_link_target(const tideR_link *link) {
  return tideR__link_task(link);
}

/* ---- lists ---- */

static void push(tideR_links *list, tideR_link *link) {
  link->after = NULL;
  link->before = list->tail;
  if (list->tail != NULL)
    list->tail->after = link;
  else
    list->head = link;
  list->tail = link;
}

static void take_out(tideR_links *list, tideR_link *link) {
  if (link->before != NULL)
    link->before->after = link->after;
  else
    list->head = link->after;
  if (link->after != NULL)
    link->after->before = link->before;
  else
    list->tail = link->before;
}

void tideR_gather_drop(tideR_link *link) {
  take_out(&link->gather->pending, link);
  if (link->join != NULL)
    tideR__join_unlink(link);
  else
    link->task->ends = 0;
}

tideR_link *tideR_gather_take(tideR_gather *gather) {
  tideR_link *link = gather->done.head;
  if (link != NULL)
    take_out(&gather->done, link);
  return link;
}

/* ---- what an end decides ---- */

/* gather and race: they cancel what they wait for when they give up. */
static bool cancels_others(const tideR_gather *gather) {
  return gather->counted && gather->until != TIDE_UNTIL_FIRST;
}

static bool decides(const tideR_gather *gather, tideR_end how) {
  switch (gather->until) {
  case TIDE_UNTIL_FAILED:
    return how == TIDE_END_FAILED;
  case TIDE_UNTIL_ERROR:
    return how != TIDE_END_OK;
  case TIDE_UNTIL_WINNER:
    return true;
  }
  return false;
}

static bool is_over(const tideR_gather *gather) {
  if (gather->pending.head == NULL)
    return true;
  switch (gather->until) {
  case TIDE_UNTIL_FIRST:
    return gather->done.head != NULL;
  case TIDE_UNTIL_FAILED:
    return gather->first != NULL;
  }
  return false;
}

static void add_done(tideR_gather *gather, tideR_link *link, tideR_end how) {
  push(&gather->done, link);
  if (gather->first == NULL && decides(gather, how))
    gather->first = link;
}

static void wake(tideR_runtime *rt, tideR_gather *gather) {
  tideR_task *waiter = gather->waiter;
  gather->waiter = NULL;
  if (waiter != NULL)
    tideR_wake(rt, waiter, TIDE_WOKEN);
}

void tideR_gather_leave(tideR_runtime *rt, tideR_gather *gather) {
  while (gather->pending.head != NULL)
    tideR_gather_drop(gather->pending.head);
  wake(rt, gather);
}

/* Who gives up does not count any more: true if others do. */
static bool is_shared(tideR_link *link) {
  if (link->counted)
    link->join->awaiters--;
  link->counted = false;
  return link->join->awaiters > 0;
}

static bool closes_ring(tideR_runtime *rt, const tideR_link *link,
                        const tideR_task *waiter) {
  return waiter != NULL && tideR__stays_for(rt, tideR__link_task(link), waiter);
}

/* From now on each has a join, but for what there is no memory for. */
static void set_leaving(tideR_runtime *rt, tideR_gather *gather) {
  if (gather->leaving)
    return;
  gather->leaving = true;
  for (tideR_link *link = gather->pending.head; link; link = link->after) {
    if (link->join != NULL)
      link->join->leaving++;
    else
      tideR_link_join(rt, link); /* counts it */
  }
}

/* Those for which nobody else waits are cancelled, and stay; the others are
 * left. So is one that would wait for the end of our waiter in turn. One that
 * is ending right now, and has not come to this link yet, needs no cancel. */
void tideR_gather_cancel(tideR_runtime *rt, tideR_gather *gather) {
  bool held = tideR__cancels_hold(rt);
  set_leaving(rt, gather);
  if (gather->waiter != NULL)
    tideR__stay(rt, gather->waiter);
  for (tideR_link *link = gather->pending.head, *next; link; link = next) {
    next = link->after;
    if (link->join != NULL && link->join->ended)
      continue;
    if (link->join == NULL || is_shared(link) ||
        closes_ring(rt, link, gather->waiter) ||
        tideR_join_cancel(rt, link->join) < 0)
      tideR_gather_drop(link);
  }
  tideR__cancels_release(rt, held);
}

static void drop_rings(tideR_runtime *rt, tideR_gather *gather,
                       const tideR_task *waiter) {
  for (tideR_link *link = gather->pending.head, *next; link; link = next) {
    next = link->after;
    if (closes_ring(rt, link, waiter))
      tideR_gather_drop(link);
  }
}

void tideR__gather_release(tideR_runtime *rt, tideR_gather *gather) {
  drop_rings(rt, gather, gather->waiter);
  if (is_over(gather))
    wake(rt, gather);
}

void tideR__gather_ended(tideR_runtime *rt, tideR_link *link, tideR_end how) {
  tideR_gather *gather = link->gather;
  take_out(&gather->pending, link);
  if (gather->until == TIDE_UNTIL_EMPTY) {
    tideR__group_ended(rt, gather, how);
    return;
  }
  add_done(gather, link, how);
  if (gather->begun && gather->first == link && cancels_others(gather) &&
      !gather->leaving)
    tideR_gather_cancel(rt, gather);
  if (is_over(gather))
    wake(rt, gather);
}

/* ---- waiting ---- */

void tideR_gather_add(tideR_gather *gather, tideR_link *link,
                      tideR_join *join) {
  link->gather = gather;
  if (join->ended) {
    tideR_gather_add_ended(gather, link, join->how);
    return;
  }
  push(&gather->pending, link);
  tideR__join_link(join, link);
}

int tideR_gather_add_task(tideR_runtime *rt, tideR_gather *gather,
                          tideR_link *link, tideR_task *task) {
  tideR_join *join;
  if (task->ends == 0) {
    link->gather = gather;
    link->join = NULL;
    link->task = task;
    push(&gather->pending, link);
    task->ends = (uintptr_t)link | ENDS_LINK;
    return 0;
  }
  join = tideR_task_join(rt, task);
  if (join == NULL)
    return UV_ENOMEM;
  tideR_gather_add(gather, link, join);
  return 0;
}

void tideR_gather_add_ended(tideR_gather *gather, tideR_link *link,
                            tideR_end how) {
  link->gather = gather;
  link->join = NULL;
  add_done(gather, link, how);
}

bool tideR_gather_begin(tideR_runtime *rt, tideR_task *task,
                        tideR_gather *gather) {
  gather->begun = true;
  if (cancels_others(gather) && gather->first != NULL && !gather->leaving)
    tideR_gather_cancel(rt, gather);
  if (gather->leaving) /* it was cancelled when nobody waited here */
    drop_rings(rt, gather, task);
  return !is_over(gather);
}

bool tideR_gather_awaits(const tideR_gather *gather, const tideR_task *task) {
  const tideR_extra *extra = tideR__extra(task);
  const tideR_link *link = extra != NULL ? extra->join.head : NULL;
  if (tideR__only_link(task) != NULL)
    return tideR__only_link(task)->gather == gather;
  while (link != NULL && link->gather != gather)
    link = link->next;
  return link != NULL;
}

void tideR_gather_park(tideR_runtime *rt, tideR_task *task,
                       tideR_gather *gather) {
  tideR_park(rt, task, &gather->wait);
  gather->waiter = task;
  if (gather->leaving)
    tideR__stay(rt, task);
}

/* gather and race cancel what they wait for, and stay; the others leave it to
 * who waits. */
static bool abort_gather(tideR_runtime *rt, tideR_task *task,
                         tideR_status why) {
  tideR_gather *gather = CONTAINER(task->wait, tideR_gather, wait);
  if (why == TIDE_CANCELLED && cancels_others(gather) && !gather->leaving) {
    gather->cancelled = true;
    tideR_gather_cancel(rt, gather);
  }
  if (why == TIDE_CANCELLED && gather->leaving && gather->pending.head != NULL)
    return false;
  gather->waiter = NULL;
  if (why == TIDE_ABANDONED)
    tideR_gather_leave(rt, gather);
  return true;
}

/* At its group's edge a host does not leave: its children are cancelled by the
 * scope around both. */
static bool abort_group(tideR_runtime *rt, tideR_task *task, tideR_status why) {
  tideR_gather *gather = CONTAINER(task->wait, tideR_gather, wait);
  (void)rt;
  if (why == TIDE_CANCELLED)
    return false;
  gather->waiter = NULL;
  return true;
}
