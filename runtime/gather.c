/*
 * gather.c: waiting for several ends at once.
 *
 * A gather has a link in the join of each; a link is in `pending` until the end
 * comes, then in `done`. What else happens at an end is what sets gather, wait,
 * race, as_completed and groups apart: `until`.
 */
#include "internal.h"

static bool abort_gather(tide_runtime *rt, tide_task *task, tide_status why);
static bool abort_group(tide_runtime *rt, tide_task *task, tide_status why);
static const tide_waitkind gather_kind = {"gather", abort_gather, NULL};
static const tide_waitkind race_kind = {"race", abort_gather, NULL};
static const tide_waitkind wait_kind = {"wait", abort_gather, NULL};
static const tide_waitkind next_kind = {"as_completed", abort_gather, NULL};
const tide_waitkind tide__group_kind = {"group", abort_group, NULL};

/* They differ in their names. */
static const tide_waitkind *kind_of(tide_until until, bool counted) {
  switch (until) {
  case TIDE_UNTIL_EMPTY:
    return &tide__group_kind;
  case TIDE_UNTIL_WINNER:
    return &race_kind;
  case TIDE_UNTIL_FIRST:
    return counted ? &next_kind : &wait_kind;
  default:
    return counted ? &gather_kind : &wait_kind;
  }
}

void tide_gather_init(tide_gather *gather, tide_until until, bool counted) {
  *gather = (tide_gather){.until = (uint8_t)until, .counted = counted};
  gather->wait.kind = kind_of(until, counted);
}

tide_gather *tide__gathering(const tide_task *task) {
  if (task->wait->kind->abort != abort_gather &&
      task->wait->kind != &tide__group_kind)
    return NULL;
  return CONTAINER(task->wait, tide_gather, wait);
}

const tide_link *tide_task_pending(const tide_task *task) {
  const tide_gather *gather =
      task->state == TIDE_TASK_PARKED ? tide__gathering(task) : NULL;
  return gather != NULL ? gather->pending.head : NULL;
}

bool tide_task_waits_in_group(const tide_task *task) {
  return task->state == TIDE_TASK_PARKED &&
         task->wait->kind == &tide__group_kind;
}

const tide_task *tide_link_target(const tide_link *link) {
  return tide__link_task(link);
}

/* ---- lists ---- */

static void push(tide_links *list, tide_link *link) {
  link->after = NULL;
  link->before = list->tail;
  if (list->tail != NULL)
    list->tail->after = link;
  else
    list->head = link;
  list->tail = link;
}

static void take_out(tide_links *list, tide_link *link) {
  if (link->before != NULL)
    link->before->after = link->after;
  else
    list->head = link->after;
  if (link->after != NULL)
    link->after->before = link->before;
  else
    list->tail = link->before;
}

void tide_gather_drop(tide_link *link) {
  take_out(&link->gather->pending, link);
  if (link->join != NULL)
    tide__join_unlink(link);
  else
    link->task->ends = 0;
}

tide_link *tide_gather_take(tide_gather *gather) {
  tide_link *link = gather->done.head;
  if (link != NULL)
    take_out(&gather->done, link);
  return link;
}

/* ---- what an end decides ---- */

/* gather and race: they cancel what they wait for when they give up. */
static bool cancels_others(const tide_gather *gather) {
  return gather->counted && gather->until != TIDE_UNTIL_FIRST;
}

static bool decides(const tide_gather *gather, tide_end how) {
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

static bool is_over(const tide_gather *gather) {
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

static void add_done(tide_gather *gather, tide_link *link, tide_end how) {
  push(&gather->done, link);
  if (gather->first == NULL && decides(gather, how))
    gather->first = link;
}

static void wake(tide_runtime *rt, tide_gather *gather) {
  tide_task *waiter = gather->waiter;
  gather->waiter = NULL;
  if (waiter != NULL)
    tide_wake(rt, waiter, TIDE_WOKEN);
}

void tide_gather_leave(tide_runtime *rt, tide_gather *gather) {
  while (gather->pending.head != NULL)
    tide_gather_drop(gather->pending.head);
  wake(rt, gather);
}

/* Who gives up does not count any more: true if others do. */
static bool is_shared(tide_link *link) {
  if (link->counted)
    link->join->awaiters--;
  link->counted = false;
  return link->join->awaiters > 0;
}

static bool closes_ring(tide_runtime *rt, const tide_link *link,
                        const tide_task *waiter) {
  return waiter != NULL && tide__stays_for(rt, tide__link_task(link), waiter);
}

/* From now on each has a join, but for what there is no memory for. */
static void set_leaving(tide_runtime *rt, tide_gather *gather) {
  if (gather->leaving)
    return;
  gather->leaving = true;
  for (tide_link *link = gather->pending.head; link; link = link->after) {
    if (link->join != NULL)
      link->join->leaving++;
    else
      tide_link_join(rt, link); /* counts it */
  }
}

/* Those for which nobody else waits are cancelled, and stay; the others are
 * left. So is one that would wait for the end of our waiter in turn. One that
 * is ending right now, and has not come to this link yet, needs no cancel. */
void tide_gather_cancel(tide_runtime *rt, tide_gather *gather) {
  bool held = tide__cancels_hold(rt);
  set_leaving(rt, gather);
  if (gather->waiter != NULL)
    tide__stay(rt, gather->waiter);
  for (tide_link *link = gather->pending.head, *next; link; link = next) {
    next = link->after;
    if (link->join != NULL && link->join->ended)
      continue;
    if (link->join == NULL || is_shared(link) ||
        closes_ring(rt, link, gather->waiter) ||
        tide_join_cancel(rt, link->join) < 0)
      tide_gather_drop(link);
  }
  tide__cancels_release(rt, held);
}

static void drop_rings(tide_runtime *rt, tide_gather *gather,
                       const tide_task *waiter) {
  for (tide_link *link = gather->pending.head, *next; link; link = next) {
    next = link->after;
    if (closes_ring(rt, link, waiter))
      tide_gather_drop(link);
  }
}

void tide__gather_release(tide_runtime *rt, tide_gather *gather) {
  drop_rings(rt, gather, gather->waiter);
  if (is_over(gather))
    wake(rt, gather);
}

void tide__gather_ended(tide_runtime *rt, tide_link *link, tide_end how) {
  tide_gather *gather = link->gather;
  take_out(&gather->pending, link);
  if (gather->until == TIDE_UNTIL_EMPTY) {
    tide__group_ended(rt, gather, how);
    return;
  }
  add_done(gather, link, how);
  if (gather->begun && gather->first == link && cancels_others(gather) &&
      !gather->leaving)
    tide_gather_cancel(rt, gather);
  if (is_over(gather))
    wake(rt, gather);
}

/* ---- waiting ---- */

void tide_gather_add(tide_gather *gather, tide_link *link, tide_join *join) {
  link->gather = gather;
  if (join->ended) {
    tide_gather_add_ended(gather, link, join->how);
    return;
  }
  push(&gather->pending, link);
  tide__join_link(join, link);
}

int tide_gather_add_task(tide_runtime *rt, tide_gather *gather, tide_link *link,
                         tide_task *task) {
  tide_join *join;
  if (task->ends == 0) {
    link->gather = gather;
    link->join = NULL;
    link->task = task;
    push(&gather->pending, link);
    task->ends = (uintptr_t)link | ENDS_LINK;
    return 0;
  }
  join = tide_task_join(rt, task);
  if (join == NULL)
    return UV_ENOMEM;
  tide_gather_add(gather, link, join);
  return 0;
}

void tide_gather_add_ended(tide_gather *gather, tide_link *link, tide_end how) {
  link->gather = gather;
  link->join = NULL;
  add_done(gather, link, how);
}

bool tide_gather_begin(tide_runtime *rt, tide_task *task, tide_gather *gather) {
  gather->begun = true;
  if (cancels_others(gather) && gather->first != NULL && !gather->leaving)
    tide_gather_cancel(rt, gather);
  if (gather->leaving) /* it was cancelled when nobody waited here */
    drop_rings(rt, gather, task);
  return !is_over(gather);
}

bool tide_gather_awaits(const tide_gather *gather, const tide_task *task) {
  const tide_extra *extra = tide__extra(task);
  const tide_link *link = extra != NULL ? extra->join.head : NULL;
  if (tide__only_link(task) != NULL)
    return tide__only_link(task)->gather == gather;
  while (link != NULL && link->gather != gather)
    link = link->next;
  return link != NULL;
}

void tide_gather_park(tide_runtime *rt, tide_task *task, tide_gather *gather) {
  tide_park(rt, task, &gather->wait);
  gather->waiter = task;
  if (gather->leaving)
    tide__stay(rt, task);
}

/* gather and race cancel what they wait for, and stay; the others leave it to
 * who waits. */
static bool abort_gather(tide_runtime *rt, tide_task *task, tide_status why) {
  tide_gather *gather = CONTAINER(task->wait, tide_gather, wait);
  if (why == TIDE_CANCELLED && cancels_others(gather) && !gather->leaving) {
    gather->cancelled = true;
    tide_gather_cancel(rt, gather);
  }
  if (why == TIDE_CANCELLED && gather->leaving && gather->pending.head != NULL)
    return false;
  gather->waiter = NULL;
  if (why == TIDE_ABANDONED)
    tide_gather_leave(rt, gather);
  return true;
}

/* At its group's edge a host does not leave: its children are cancelled by the
 * scope around both. */
static bool abort_group(tide_runtime *rt, tide_task *task, tide_status why) {
  tide_gather *gather = CONTAINER(task->wait, tide_gather, wait);
  (void)rt;
  if (why == TIDE_CANCELLED)
    return false;
  gather->waiter = NULL;
  return true;
}
