/*
 * join.c: waiting for the end of a task or future.
 *
 * Tasks that wait for one end stand in one of two queues of its join; gathers,
 * which wait for several, have a link in it for each. A task for which one
 * other waits, or one gather, as for most, needs no join for that: it points to
 * the other, which points back by its `prev`, or to the link.
 */
#include "internal.h"

static bool abort_alone(tideR_runtime *rt, tideR_task *task, tideR_status why);
static bool abort_joined(tideR_runtime *rt, tideR_task *task, tideR_status why);
static const tideR_waitkind only = {"await", abort_alone, NULL};
static const tideR_waitkind joined = {"await", abort_joined, NULL};
static const tideR_waitkind watched = {"await", tideR_waitq_abort, NULL};
static tideR_wait alone = {&only};

static tideR_join *awaited(const tideR_task *task) {
  return CONTAINER(CONTAINER(task->wait, tideR_waitq, wait), tideR_join,
                   joined);
}

void tideR__join_init(tideR_join *join, tideR_task *task) {
  *join = (tideR_join){.task = task};
  tideR_waitq_init(&join->joined, &joined);
  tideR_waitq_init(&join->watched, &watched);
}

void tideR_future_init(tideR_join *join) {
  tideR__join_init(join, NULL);
}

tideR_join *tideR_task_join(tideR_runtime *rt, tideR_task *task) {
  tideR_extra *extra = tideR__task_extra(rt, task);
  return extra != NULL ? &extra->join : NULL;
}

/* ---- links of gathers ---- */

static void link_push(tideR_join *join, tideR_link *link) {
  link->next = NULL;
  link->prev = join->tail;
  if (join->tail != NULL)
    join->tail->next = link;
  else
    join->head = link;
  join->tail = link;
}

static void link_remove(tideR_join *join, tideR_link *link) {
  if (link->prev != NULL)
    link->prev->next = link->next;
  else
    join->head = link->next;
  if (link->next != NULL)
    link->next->prev = link->prev;
  else
    join->tail = link->prev;
}

void tideR__join_link(tideR_join *join, tideR_link *link) {
  link->join = join;
  link->counted = link->gather->counted;
  link_push(join, link);
  if (link->counted)
    join->awaiters++;
  if (link->gather->leaving)
    join->leaving++;
}

void tideR__join_unlink(tideR_link *link) {
  tideR_join *join = link->join;
  link_remove(join, link);
  link->join = NULL;
  if (link->counted)
    join->awaiters--;
  if (link->gather->leaving)
    join->leaving--;
}

tideR_join *tideR_link_join(tideR_runtime *rt, tideR_link *link) {
  return link->join != NULL ? link->join : tideR_task_join(rt, link->task);
}

/* ---- the end ---- */

void tideR_future_promise(tideR_runtime *rt, tideR_join *join, bool on) {
  if (join->promised == on || join->ended)
    return;
  join->promised = on;
  if (on)
    tideR_waker_add(rt);
  else
    tideR_waker_drop(rt);
}

/* Wakes who waited for it. Their `wait` must not outlive the join. */
static void wake_waiters(tideR_runtime *rt, tideR_waitq *queue) {
  tideR_task *waiter;
  while ((waiter = tideR_waitq_wake(rt, queue)) != NULL)
    waiter->wait = &rt->turning;
}

void tideR__join_end(tideR_runtime *rt, tideR_join *join, tideR_end how) {
  tideR_link *link;
  tideR_future_promise(rt, join, false);
  join->ended = true;
  join->how = (uint8_t)how;
  wake_waiters(rt, &join->joined);
  wake_waiters(rt, &join->watched);
  while ((link = join->head) != NULL) {
    tideR__join_unlink(link);
    tideR__gather_ended(rt, link, how);
  }
}

void tideR_future_end(tideR_runtime *rt, tideR_join *join, tideR_end how) {
  tideR__join_end(rt, join, how);
}

/* ---- cancelling ---- */

static void cancel_now(tideR_runtime *rt, tideR_join *join) {
  if (join->task != NULL)
    tideR_scope_cancel(rt, tideR_task_own_scope(join->task));
  else if (!join->ended)
    tideR__join_end(rt, join, TIDE_END_CANCELLED);
}

/* The cancel of an awaiter may cancel what it awaits, and so on down a chain of
 * any length: one after the other, not one inside the other. */
void tideR__join_cancel(tideR_runtime *rt, tideR_join *join) {
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
    tideR__cancels_release(rt, false);
}

bool tideR__cancels_hold(tideR_runtime *rt) {
  bool held = rt->cancels_held;
  rt->cancels_held = true;
  return held;
}

void tideR__cancels_release(tideR_runtime *rt, bool held) {
  if (held)
    return;
  rt->cancels_held = true;
  while (rt->cancels != NULL) {
    tideR_join *join = rt->cancels;
    cancel_now(rt, join);
    join->cancel_queued = false;
    rt->cancels = join->next_cancel;
    if (rt->cancels == NULL)
      rt->cancels_tail = NULL;
  }
  rt->cancels_held = false;
}

int tideR_join_cancel(tideR_runtime *rt, tideR_join *join) {
  if (join->ended) /* or it is ending: another of its links decided that */
    return 0;
  if (join->task != NULL)
    return tideR_task_cancel(rt, join->task);
  tideR__join_cancel(rt, join);
  return 0;
}

/* ---- who stays for whom ---- */

bool tideR_task_stays(const tideR_task *task) {
  return task->state == TIDE_TASK_PARKED &&
         (task->flags & TIDE_LEAVING || task->wait->kind == &tideR__group_kind);
}

void tideR__stay(tideR_runtime *rt, tideR_task *task) {
  if (!(task->flags & TIDE_LEAVING))
    rt->leavers++;
  task->flags |= TIDE_LEAVING;
}

void tideR__stay_no_more(tideR_runtime *rt, tideR_task *task) {
  rt->leavers--;
  task->flags &= (uint16_t)~TIDE_LEAVING;
}

/* A walk from a task to those for whose ends it stays. Who stays for several is
 * in no queue: its `next` is free to list it. */
typedef struct walk {
  const tideR_task *goal;
  tideR_task *todo;
  tideR_task *via; /* the last await on the way to the goal; NULL: none */
  uint32_t mark;
  const tideR_task *start; /* where it began */
  const tideR_task *up;    /* see climb; or NULL */
} walk;

/* The one for whose end, or lock, it stays. */
static tideR_task *only_goal(const tideR_task *task) {
  return task->wait->kind == &joined ? awaited(task)->task
                                     : tideR__condition_holder(task);
}

static bool has_start(const tideR_task *task) {
  const tideR_scope *scope = task->scope;
  for (; scope != NULL; scope = tideR_scope_outer(scope))
    if (scope->group != NULL && scope->group->target != NULL)
      return true;
  return false;
}

static bool host_stays(const tideR_gather *children) {
  return children != NULL && children->waiter != NULL &&
         tideR_task_stays(children->waiter);
}

/* Whether others than its awaiters might stay for the task. */
static bool may_be_held_up(const tideR_task *task) {
  const tideR_extra *extra = tideR__extra(task);
  if (extra != NULL &&
      (extra->join.leaving > 0 || host_stays(extra->member.gather) ||
       extra->locks != NULL))
    return true;
  return has_start(task);
}

/* The first that awaits the task and stays for it, or NULL. An awaiter stays
 * only when all others do: those that came later are behind it. */
static const tideR_task *first_stayer(const tideR_task *task) {
  const tideR_extra *extra = tideR__extra(task);
  const tideR_task *first = extra != NULL ? extra->join.joined.head : NULL;
  return first != NULL && first->flags & TIDE_LEAVING ? first : NULL;
}

/* Whether anybody might stay for the task: if not, it is in no ring, and a
 * chain need not be walked from each of its ends. */
static bool may_be_stayed_for(const tideR_task *task) {
  return first_stayer(task) != NULL || may_be_held_up(task);
}

/* One step from the goal to where the walk began, as long as but one task can
 * stay for each: false when none does. Then the walk leads nowhere. In a long
 * chain it may be far to the other end. */
static bool climb(walk *walk) {
  const tideR_task *stayer;
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

static void list(walk *walk, tideR_task *task, tideR_task *via) {
  tideR_gather *gather = tideR__gathering(task);
  if (gather->mark == walk->mark)
    return;
  gather->mark = walk->mark;
  gather->via = task->wait->kind == &tideR__group_kind ? via : task;
  task->next = walk->todo;
  walk->todo = task;
}

/* True: at the goal. Who stays for one end, and that one for another, is
 * followed at once; there is never a ring of which all stay. */
static bool visit(walk *walk, tideR_task *task, tideR_task *via) {
  while (task != NULL && task != walk->goal && tideR_task_stays(task)) {
    if (!climb(walk))
      return false;
    if (tideR__gathering(task) != NULL) {
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
static bool visit_starts(walk *walk, const tideR_gather *gather) {
  const tideR_group *start = NULL;
  bool found = false;
  if (gather->wait.kind == &tideR__group_kind)
    start = CONTAINER(gather, tideR_group, children)->starts;
  for (; start != NULL && !found; start = start->later)
    found = visit(walk, start->scope->task, gather->via);
  return found;
}

/* From one that stays for several. */
static bool visit_all(walk *walk, const tideR_gather *gather) {
  const tideR_link *link = gather->pending.head;
  bool found = false;
  for (; link != NULL && !found; link = link->after)
    found = visit(walk, tideR__link_task(link), gather->via);
  return found || visit_starts(walk, gather);
}

/* The list is emptied also when the goal is found: who is in it may be in other
 * lists next. */
static bool visit_listed(walk *walk, bool found) {
  while (walk->todo != NULL) {
    tideR_task *at = walk->todo;
    walk->todo = at->next;
    at->next = NULL;
    found = found || visit_all(walk, tideR__gathering(at));
  }
  return found;
}

bool tideR__stays_for(tideR_runtime *rt, tideR_task *other,
                      const tideR_task *task) {
  walk walk = {.goal = task, .mark = ++rt->mark, .start = other, .up = task};
  return may_be_stayed_for(task) &&
         visit_listed(&walk, visit(&walk, other, NULL));
}

/* ---- rings ---- */

/* A way from the task, which stays for several, back to it, that begins at the
 * link or after it: the last await on it; NULL: there is no such way. */
static tideR_task *ring_from(tideR_runtime *rt, const tideR_task *task,
                             const tideR_link **link) {
  walk walk = {.goal = task, .mark = ++rt->mark};
  tideR__gathering(task)->via = NULL;
  for (; *link != NULL; *link = (*link)->after)
    if (visit_listed(&walk, visit(&walk, tideR__link_task(*link), NULL)))
      return walk.via;
  visit_listed(&walk, visit_starts(&walk, tideR__gathering(task)));
  return walk.via;
}

/* It stays no longer: it leaves with its cancellation. */
static void release(tideR_runtime *rt, tideR_task *task) {
  if (tideR__gathering(task) != NULL) {
    tideR__gather_release(rt, tideR__gathering(task));
  } else {
    task->wait->kind->abort(rt, task, TIDE_ABANDONED); /* cannot be refused */
    tideR_wake(rt, task, TIDE_CANCELLED);
  }
}

/* No release makes a ring where there was none: each walk goes on where the
 * last one found one. */
void tideR__rings_break(tideR_runtime *rt, tideR_task *task) {
  const tideR_link *link = tideR__gathering(task)->pending.head;
  tideR_task *via;
  if (rt->leavers == 0) /* no ring is of hosts alone: children are younger */
    return;
  while (may_be_stayed_for(task) && (via = ring_from(rt, task, &link)) != NULL)
    release(rt, via);
}

/* ---- one waiter ---- */

const tideR_task *tideR_task_awaits(const tideR_task *task) {
  if (task->state != TIDE_TASK_PARKED)
    return NULL;
  if (task->wait == &alone)
    return task->prev;
  if (task->wait->kind == &joined)
    return awaited(task)->task;
  if (task->wait->kind == &watched)
    return CONTAINER(CONTAINER(task->wait, tideR_waitq, wait), tideR_join,
                     watched)
        ->task;
  return NULL;
}

bool tideR_task_awaits_future(const tideR_task *task) {
  return task->state == TIDE_TASK_PARKED &&
         (task->wait->kind == &joined || task->wait->kind == &watched) &&
         tideR_task_awaits(task) == NULL;
}

bool tideR_task_is_awaited(const tideR_task *task) {
  const tideR_extra *extra = tideR__extra(task);
  const tideR_link *link = extra != NULL ? extra->join.head : NULL;
  if (extra == NULL)
    return task->ends != 0;
  if (link == &extra->member) /* its group's, which is not its awaiter */
    link = link->next;
  return link != NULL || extra->join.joined.head != NULL ||
         extra->join.watched.head != NULL;
}

/* A cancelled waiter that was the last cancels what it waited for, and stays
 * until that has ended; any other just leaves. */
static bool abort_joined(tideR_runtime *rt, tideR_task *task,
                         tideR_status why) {
  tideR_join *join = awaited(task);
  bool last = !(task->flags & TIDE_LEAVING) && --join->awaiters == 0;
  if (last && why == TIDE_CANCELLED &&
      !tideR__stays_for(rt, join->task, task)) {
    tideR__stay(rt, task); /* first: the cancel may come round to us */
    if (tideR_join_cancel(rt, join) == 0)
      return false;
    tideR__stay_no_more(rt, task);
  }
  return tideR_waitq_abort(rt, task, why);
}

void tideR__join_adopt(tideR_join *join, tideR_task *awaiter) {
  awaiter->wait = &join->joined.wait;
  tideR__waitq_push(&join->joined, awaiter);
  join->awaiters = 1;
}

void tideR__awaiter_wake(tideR_runtime *rt, tideR_task *awaiter) {
  awaiter->prev = NULL;
  tideR_wake(rt, awaiter, TIDE_WOKEN);
}

static bool abort_alone(tideR_runtime *rt, tideR_task *task, tideR_status why) {
  tideR_task *target = task->prev;
  if (why == TIDE_CANCELLED && tideR__task_extra(rt, target) != NULL)
    return abort_joined(rt, task, why);
  task->prev = NULL;
  target->ends = 0;
  return true;
}

int tideR_task_await(tideR_runtime *rt, tideR_task *task, tideR_task *target) {
  if (target->ends == 0) {
    tideR_park(rt, task, &alone);
    task->prev = target;
    target->ends = (uintptr_t)task | ENDS_AWAITER;
    return 0;
  }
  tideR_extra *extra = tideR__task_extra(rt, target);
  if (extra == NULL)
    return UV_ENOMEM;
  tideR_join_park(rt, task, &extra->join, true);
  return 0;
}

void tideR_join_park(tideR_runtime *rt, tideR_task *task, tideR_join *join,
                     bool counted) {
  if (counted)
    join->awaiters++;
  tideR_waitq_park(rt, task, counted ? &join->joined : &join->watched);
}
