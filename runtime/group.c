/*
 * group.c: tasks that run inside a scope of their host, which does not leave it
 * before they have ended.
 *
 * The scope that Task:cancel cancels is, for a child, one inside the group's:
 * so whatever cancels that scope, or one around it, cancels the children.
 */
#include "internal.h"

static tideR_group *of(tideR_gather *gather) {
  return CONTAINER(gather, tideR_group, children);
}

static tideR_group *group_new(tideR_runtime *rt) {
  tideR_group *group = rt->free_groups;
  uint32_t slot;
  if (group == NULL)
    return tideR__pool_grow(&rt->groups, &slot);
  rt->free_groups = group->next;
  return group;
}

static void group_free(tideR_runtime *rt, tideR_group *group) {
  group->next = rt->free_groups;
  rt->free_groups = group;
}

int tideR_group_enter(tideR_runtime *rt, tideR_task *task, tideR_group **out) {
  tideR_group *group = *out = group_new(rt);
  tideR_scope *scope;
  int err;
  if (group == NULL)
    return UV_ENOMEM;
  err = tideR_scope_enter(rt, task, TIDE_NEVER, false, &scope);
  if (err < 0) {
    group_free(rt, group);
    *out = NULL;
    return err;
  }
  *group = (tideR_group){.scope = scope};
  tideR_gather_init(&group->children, TIDE_UNTIL_EMPTY, false);
  scope->group = group;
  return 0;
}

/* ---- children ---- */

static tideR_task *child_of(const tideR_link *link) {
  return link->join->task;
}

static void join_group(tideR_runtime *rt, tideR_group *group,
                       tideR_task *task) {
  tideR_extra *extra = tideR__extra(task);
  tideR_gather_add(&group->children, &extra->member, &extra->join);
  tideR__scope_adopt(rt, task, group->scope);
}

int tideR_group_add(tideR_runtime *rt, tideR_group *group, tideR_task *task) {
  tideR_extra *extra = tideR__task_extra(rt, task);
  int err;
  if (extra == NULL)
    return UV_ENOMEM;
  err = extra->own != NULL ? 0 : tideR__scope_own(rt, task);
  if (err < 0)
    return err;
  join_group(rt, group, task);
  return 0;
}

tideR_group *tideR_task_group(const tideR_task *task) {
  const tideR_extra *extra = tideR__extra(task);
  return extra != NULL && extra->member.gather != NULL
             ? of(extra->member.gather)
             : NULL;
}

static void wake_host(tideR_runtime *rt, tideR_group *group) {
  tideR_task *host = group->children.waiter;
  if (host == NULL || !tideR_group_empty(group))
    return;
  group->children.waiter = NULL;
  tideR_wake(rt, host, TIDE_WOKEN);
}

void tideR__group_ended(tideR_runtime *rt, tideR_gather *children,
                        tideR_end how) {
  tideR_group *group = of(children);
  if (how == TIDE_END_FAILED) {
    children->failed = true;
    tideR_scope_cancel(rt, group->scope);
  } else if (how == TIDE_END_CANCELLED &&
             group->scope->flags & TIDE_SCOPE_INSIDE) {
    children->cancelled = true;
  }
  wake_host(rt, group);
}

void tideR_group_move(tideR_runtime *rt, tideR_group *group, tideR_task *task) {
  tideR_group *old = tideR_task_group(task);
  tideR_gather_drop(&tideR__extra(task)->member);
  join_group(rt, group, task);
  wake_host(rt, old);
}

void tideR_group_disband(tideR_runtime *rt, tideR_group *group) {
  tideR_link *link;
  while ((link = group->children.pending.head) != NULL) {
    tideR_task *task = child_of(link);
    tideR_gather_drop(link);
    link->gather = NULL;
    tideR_task_cancel(rt, task);
    tideR__scope_adopt(rt, task, NULL);
  }
}

/* ---- children to be ---- */

void tideR_group_start(tideR_group *group, tideR_group *target) {
  group->target = target;
  group->later = target->starts;
  if (group->later != NULL)
    group->later->earlier = group;
  target->starts = group;
}

static void end_start(tideR_runtime *rt, tideR_group *group) {
  tideR_group *target = group->target;
  if (target == NULL)
    return;
  if (group->earlier != NULL)
    group->earlier->later = group->later;
  else
    target->starts = group->later;
  if (group->later != NULL)
    group->later->earlier = group->earlier;
  wake_host(rt, target);
}

void tideR__group_leave(tideR_runtime *rt, tideR_group *group) {
  tideR_group_disband(rt, group);
  end_start(rt, group);
  for (tideR_group *start = group->starts; start; start = start->later)
    start->target = NULL;
  group_free(rt, group);
}

/* ---- the host ---- */

bool tideR_group_empty(const tideR_group *group) {
  return group->children.pending.head == NULL && group->starts == NULL;
}

uint32_t tideR_group_count(const tideR_group *group) {
  const tideR_link *link = group->children.pending.head;
  uint32_t count = 0;
  for (; link != NULL; link = link->after)
    count++;
  return count;
}

void tideR_group_park(tideR_runtime *rt, tideR_task *task, tideR_group *group) {
  tideR_park(rt, task, &group->children.wait);
  group->children.waiter = task;
  tideR__rings_break(rt, task);
}
