/*
 * join.c: waiting for the end of a task or future.
 *
 * Tasks that wait for one end stand in one of two queues of its join; gathers,
 * which wait for several, have a link in it for each. A task for which one
 * other waits, or one gather, as for most, needs no join for that: it points to
 * the other, which points back by its `prev`, or to the link.
 */
#include "internal.h"

static bool abort_alone(tide_runtime *rt, tide_task *task, tide_status why);
static bool abort_joined(tide_runtime *rt, tide_task *task, tide_status why);
static const tide_waitkind only = {"await", abort_alone, NULL};
static const tide_waitkind joined = {"await", abort_joined, NULL};
static const tide_waitkind watched = {"await", tide_waitq_abort, NULL};
static tide_wait alone = {&only};

static tide_join *awaited(const tide_task *task) {
  return CONTAINER(CONTAINER(task->wait, tide_waitq, wait), tide_join, joined);
}

void tide__join_init(tide_join *join, tide_task *task) {
  *join = (tide_join){.task = task};
  tide_waitq_init(&join->joined, &joined);
  tide_waitq_init(&join->watched, &watched);
}

void tide_future_init(tide_join *join) {
  tide__join_init(join, NULL);
}

tide_join *tide_task_join(tide_runtime *rt, tide_task *task) {
  tide_extra *extra = tide__task_extra(rt, task);
  return extra != NULL ? &extra->join : NULL;
}

/* ---- links of gathers ---- */

static void link_push(tide_join *join, tide_link *link) {
  link->next = NULL;
  link->prev = join->tail;
  if (join->tail != NULL)
    join->tail->next = link;
  else
    join->head = link;
  join->tail = link;
}

static void link_remove(tide_join *join, tide_link *link) {
  if (link->prev != NULL)
    link->prev->next = link->next;
  else
    join->head = link->next;
  if (link->next != NULL)
    link->next->prev = link->prev;
  else
    join->tail = link->prev;
}

void tide__join_link(tide_join *join, tide_link *link) {
  link->join = join;
  link->counted = link->gather->counted;
  link_push(join, link);
  if (link->counted)
    join->awaiters++;
  if (link->gather->leaving)
    join->leaving++;
}

void tide__join_unlink(tide_link *link) {
  tide_join *join = link->join;
  link_remove(join, link);
  link->join = NULL;
  if (link->counted)
    join->awaiters--;
  if (link->gather->leaving)
    join->leaving--;
}

tide_join *tide_link_join(tide_runtime *rt, tide_link *link) {
  return link->join != NULL ? link->join : tide_task_join(rt, link->task);
}

/* ---- the end ---- */

/* Wakes who waited for it. Their `wait` must not outlive the join. */
static void wake_waiters(tide_runtime *rt, tide_waitq *queue) {
  tide_task *waiter;
  while ((waiter = tide_waitq_wake(rt, queue)) != NULL)
    waiter->wait = &rt->turning;
}

void tide__join_end(tide_runtime *rt, tide_join *join, tide_end how) {
  tide_link *link;
  join->ended = true;
  join->how = (uint8_t)how;
  wake_waiters(rt, &join->joined);
  wake_waiters(rt, &join->watched);
  while ((link = join->head) != NULL) {
    tide__join_unlink(link);
    tide__gather_ended(rt, link, how);
  }
}

void tide_future_end(tide_runtime *rt, tide_join *join, tide_end how) {
  tide__join_end(rt, join, how);
}

/* ---- cancelling ---- */

static void cancel_now(tide_runtime *rt, tide_join *join) {
  if (join->task != NULL)
    tide_scope_cancel(rt, tide_task_own_scope(join->task));
  else if (!join->ended)
    tide__join_end(rt, join, TIDE_END_CANCELLED);
}

/* The cancel of an awaiter may cancel what it awaits, and so on down a chain of
 * any length: one after the other, not one inside the other. */
void tide__join_cancel(tide_runtime *rt, tide_join *join) {
  if (join->cancel_queued)
    return;
  join->cancel_queued = true;
  join->next_cancel = NULL;
  if (rt->cancels_tail != NULL)
    rt->cancels_tail->next_cancel = join;
  else
    rt->cancels = join;
  rt->cancels_tail = join;
  if (!rt->cancels_held)
    tide__cancels_release(rt, false);
}

bool tide__cancels_hold(tide_runtime *rt) {
  bool held = rt->cancels_held;
  rt->cancels_held = true;
  return held;
}

void tide__cancels_release(tide_runtime *rt, bool held) {
  if (held)
    return;
  rt->cancels_held = true;
  while (rt->cancels != NULL) {
    tide_join *join = rt->cancels;
    cancel_now(rt, join);
    join->cancel_queued = false;
    rt->cancels = join->next_cancel;
    if (rt->cancels == NULL)
      rt->cancels_tail = NULL;
  }
  rt->cancels_held = false;
}

int tide_join_cancel(tide_runtime *rt, tide_join *join) {
  if (join->ended) /* or it is ending: another of its links decided that */
    return 0;
  if (join->task != NULL)
    return tide_task_cancel(rt, join->task);
  tide__join_cancel(rt, join);
  return 0;
}

/* ---- who stays for whom ---- */

bool tide_task_stays(const tide_task *task) {
  return task->state == TIDE_TASK_PARKED &&
         (task->flags & TIDE_LEAVING || task->wait->kind == &tide__group_kind);
}

void tide__stay(tide_runtime *rt, tide_task *task) {
  if (!(task->flags & TIDE_LEAVING))
    rt->leavers++;
  task->flags |= TIDE_LEAVING;
}

void tide__stay_no_more(tide_runtime *rt, tide_task *task) {
  rt->leavers--;
  task->flags &= (uint16_t)~TIDE_LEAVING;
}

/* A walk from a task to those for whose ends it stays. Who stays for several is
 * in no queue: its `next` is free to list it. */
typedef struct walk {
  const tide_task *goal;
  tide_task *todo;
  tide_task *via; /* the last await on the way to the goal; NULL: none */
  uint32_t mark;
  const tide_task *start; /* where it began */
  const tide_task *up;    /* see climb; or NULL */
} walk;

/* The one for whose end, or lock, it stays. */
static tide_task *only_goal(const tide_task *task) {
  return task->wait->kind == &joined ? awaited(task)->task
                                     : tide__condition_holder(task);
}

static bool has_start(const tide_task *task) {
  const tide_scope *scope = task->scope;
  for (; scope != NULL; scope = tide_scope_outer(scope))
    if (scope->group != NULL && scope->group->target != NULL)
      return true;
  return false;
}

static bool host_stays(const tide_gather *children) {
  return children != NULL && children->waiter != NULL &&
         tide_task_stays(children->waiter);
}

/* Whether others than its awaiters might stay for the task. */
static bool may_be_held_up(const tide_task *task) {
  const tide_extra *extra = tide__extra(task);
  if (extra != NULL &&
      (extra->join.leaving > 0 || host_stays(extra->member.gather) ||
       extra->locks != NULL))
    return true;
  return has_start(task);
}

/* The first that awaits the task and stays for it, or NULL. An awaiter stays
 * only when all others do: those that came later are behind it. */
static const tide_task *first_stayer(const tide_task *task) {
  const tide_extra *extra = tide__extra(task);
  const tide_task *first = extra != NULL ? extra->join.joined.head : NULL;
  return first != NULL && first->flags & TIDE_LEAVING ? first : NULL;
}

/* Whether anybody might stay for the task: if not, it is in no ring, and a
 * chain need not be walked from each of its ends. */
static bool may_be_stayed_for(const tide_task *task) {
  return first_stayer(task) != NULL || may_be_held_up(task);
}

/* One step from the goal to where the walk began, as long as but one task can
 * stay for each: false when none does. Then the walk leads nowhere. In a long
 * chain it may be far to the other end. */
static bool climb(walk *walk) {
  const tide_task *stayer;
  if (walk->up == NULL)
    return true;
  stayer = first_stayer(walk->up);
  if (may_be_held_up(walk->up))
    walk->up = NULL;
  else if (stayer == NULL)
    return false;
  else
    walk->up = stayer->next == NULL && stayer != walk->start ? stayer : NULL;
  return true;
}

static void list(walk *walk, tide_task *task, tide_task *via) {
  tide_gather *gather = tide__gathering(task);
  if (gather->mark == walk->mark)
    return;
  gather->mark = walk->mark;
  gather->via = task->wait->kind == &tide__group_kind ? via : task;
  task->next = walk->todo;
  walk->todo = task;
}

/* True: at the goal. Who stays for one end, and that one for another, is
 * followed at once; there is never a ring of which all stay. */
static bool visit(walk *walk, tide_task *task, tide_task *via) {
  while (task != NULL && task != walk->goal && tide_task_stays(task)) {
    if (!climb(walk))
      return false;
    if (tide__gathering(task) != NULL) {
      list(walk, task, via);
      return false;
    }
    via = task;
    task = only_goal(task);
  }
  if (task == NULL || task != walk->goal)
    return false;
  walk->via = via;
  return true;
}

/* From a group: those that wait for a child of it to begin. */
static bool visit_starts(walk *walk, const tide_gather *gather) {
  const tide_group *start = NULL;
  bool found = false;
  if (gather->wait.kind == &tide__group_kind)
    start = CONTAINER(gather, tide_group, children)->starts;
  for (; start != NULL && !found; start = start->later)
    found = visit(walk, start->scope->task, gather->via);
  return found;
}

/* From one that stays for several. */
static bool visit_all(walk *walk, const tide_gather *gather) {
  const tide_link *link = gather->pending.head;
  bool found = false;
  for (; link != NULL && !found; link = link->after)
    found = visit(walk, tide__link_task(link), gather->via);
  return found || visit_starts(walk, gather);
}

/* The list is emptied also when the goal is found: who is in it may be in other
 * lists next. */
static bool visit_listed(walk *walk, bool found) {
  while (walk->todo != NULL) {
    tide_task *at = walk->todo;
    walk->todo = at->next;
    at->next = NULL;
    found = found || visit_all(walk, tide__gathering(at));
  }
  return found;
}

bool tide__stays_for(tide_runtime *rt, tide_task *other,
                     const tide_task *task) {
  walk walk = {.goal = task, .mark = ++rt->mark, .start = other, .up = task};
  return may_be_stayed_for(task) &&
         visit_listed(&walk, visit(&walk, other, NULL));
}

/* ---- rings ---- */

/* A way from the task, which stays for several, back to it, that begins at the
 * link or after it: the last await on it; NULL: there is no such way. */
static tide_task *ring_from(tide_runtime *rt, const tide_task *task,
                            const tide_link **link) {
  walk walk = {.goal = task, .mark = ++rt->mark};
  tide__gathering(task)->via = NULL;
  for (; *link != NULL; *link = (*link)->after)
    if (visit_listed(&walk, visit(&walk, tide__link_task(*link), NULL)))
      return walk.via;
  visit_listed(&walk, visit_starts(&walk, tide__gathering(task)));
  return walk.via;
}

/* It stays no longer: it leaves with its cancellation. */
static void release(tide_runtime *rt, tide_task *task) {
  if (tide__gathering(task) != NULL) {
    tide__gather_release(rt, tide__gathering(task));
  } else {
    task->wait->kind->abort(rt, task, TIDE_ABANDONED); /* cannot be refused */
    tide_wake(rt, task, TIDE_CANCELLED);
  }
}

/* No release makes a ring where there was none: each walk goes on where the
 * last one found one. */
void tide__rings_break(tide_runtime *rt, tide_task *task) {
  const tide_link *link = tide__gathering(task)->pending.head;
  tide_task *via;
  if (rt->leavers == 0) /* no ring is of hosts alone: children are younger */
    return;
  while (may_be_stayed_for(task) && (via = ring_from(rt, task, &link)) != NULL)
    release(rt, via);
}

/* ---- one waiter ---- */

const tide_task *tide_task_awaits(const tide_task *task) {
  if (task->state != TIDE_TASK_PARKED)
    return NULL;
  if (task->wait == &alone)
    return task->prev;
  if (task->wait->kind == &joined)
    return awaited(task)->task;
  if (task->wait->kind == &watched)
    return CONTAINER(CONTAINER(task->wait, tide_waitq, wait), tide_join,
                     watched)
        ->task;
  return NULL;
}

bool tide_task_awaits_future(const tide_task *task) {
  return task->state == TIDE_TASK_PARKED &&
         (task->wait->kind == &joined || task->wait->kind == &watched) &&
         tide_task_awaits(task) == NULL;
}

bool tide_task_is_awaited(const tide_task *task) {
  const tide_extra *extra = tide__extra(task);
  const tide_link *link = extra != NULL ? extra->join.head : NULL;
  if (extra == NULL)
    return task->ends != 0;
  if (link == &extra->member) /* its group's, which is not its awaiter */
    link = link->next;
  return link != NULL || extra->join.joined.head != NULL ||
         extra->join.watched.head != NULL;
}

/* A cancelled waiter that was the last cancels what it waited for, and stays
 * until that has ended; any other just leaves. */
static bool abort_joined(tide_runtime *rt, tide_task *task, tide_status why) {
  tide_join *join = awaited(task);
  bool last = !(task->flags & TIDE_LEAVING) && --join->awaiters == 0;
  if (last && why == TIDE_CANCELLED && !tide__stays_for(rt, join->task, task)) {
    tide__stay(rt, task); /* first: the cancel may come round to us */
    if (tide_join_cancel(rt, join) == 0)
      return false;
    tide__stay_no_more(rt, task);
  }
  return tide_waitq_abort(rt, task, why);
}

void tide__join_adopt(tide_join *join, tide_task *awaiter) {
  awaiter->wait = &join->joined.wait;
  tide__waitq_push(&join->joined, awaiter);
  join->awaiters = 1;
}

void tide__awaiter_wake(tide_runtime *rt, tide_task *awaiter) {
  awaiter->prev = NULL;
  tide_wake(rt, awaiter, TIDE_WOKEN);
}

static bool abort_alone(tide_runtime *rt, tide_task *task, tide_status why) {
  tide_task *target = task->prev;
  if (why == TIDE_CANCELLED && tide__task_extra(rt, target) != NULL)
    return abort_joined(rt, task, why);
  task->prev = NULL;
  target->ends = 0;
  return true;
}

int tide_task_await(tide_runtime *rt, tide_task *task, tide_task *target) {
  if (target->ends == 0) {
    tide_park(rt, task, &alone);
    task->prev = target;
    target->ends = (uintptr_t)task | ENDS_AWAITER;
    return 0;
  }
  tide_extra *extra = tide__task_extra(rt, target);
  if (extra == NULL)
    return UV_ENOMEM;
  tide_join_park(rt, task, &extra->join, true);
  return 0;
}

void tide_join_park(tide_runtime *rt, tide_task *task, tide_join *join,
                    bool counted) {
  if (counted)
    join->awaiters++;
  tide_waitq_park(rt, task, counted ? &join->joined : &join->watched);
}
