/*
 * group.c: tasks that run inside a scope of their host, which does not leave it
 * before they have ended.
 *
 * The scope that Task:cancel cancels is, for a child, one inside the group's:
 * so whatever cancels that scope, or one around it, cancels the children.
 */
#include "internal.h"

static tide_group *of(tide_gather *gather) {
  return CONTAINER(gather, tide_group, children);
}

static tide_group *group_new(tide_runtime *rt) {
  tide_group *group = rt->free_groups;
  uint32_t slot;
  if (group == NULL)
    return tide__pool_grow(&rt->groups, &slot);
  rt->free_groups = group->next;
  return group;
}

static void group_free(tide_runtime *rt, tide_group *group) {
  group->next = rt->free_groups;
  rt->free_groups = group;
}

int tide_group_enter(tide_runtime *rt, tide_task *task, tide_group **out) {
  tide_group *group = *out = group_new(rt);
  tide_scope *scope;
  int err;
  if (group == NULL)
    return UV_ENOMEM;
  err = tide_scope_enter(rt, task, TIDE_NEVER, false, &scope);
  if (err < 0) {
    group_free(rt, group);
    *out = NULL;
    return err;
  }
  *group = (tide_group){.scope = scope};
  tide_gather_init(&group->children, TIDE_UNTIL_EMPTY, false);
  scope->group = group;
  return 0;
}

/* ---- children ---- */

static tide_task *child_of(const tide_link *link) {
  return link->join->task;
}

static void join_group(tide_runtime *rt, tide_group *group, tide_task *task) {
  tide_extra *extra = tide__extra(task);
  tide_gather_add(&group->children, &extra->member, &extra->join);
  tide__scope_adopt(rt, task, group->scope);
}

int tide_group_add(tide_runtime *rt, tide_group *group, tide_task *task) {
  tide_extra *extra = tide__task_extra(rt, task);
  int err;
  if (extra == NULL)
    return UV_ENOMEM;
  err = extra->own != NULL ? 0 : tide__scope_own(rt, task);
  if (err < 0)
    return err;
  join_group(rt, group, task);
  return 0;
}

tide_group *tide_task_group(const tide_task *task) {
  const tide_extra *extra = tide__extra(task);
  return extra != NULL && extra->member.gather != NULL
             ? of(extra->member.gather)
             : NULL;
}

static void wake_host(tide_runtime *rt, tide_group *group) {
  tide_task *host = group->children.waiter;
  if (host == NULL || !tide_group_empty(group))
    return;
  group->children.waiter = NULL;
  tide_wake(rt, host, TIDE_WOKEN);
}

void tide__group_ended(tide_runtime *rt, tide_gather *children, tide_end how) {
  tide_group *group = of(children);
  if (how == TIDE_END_FAILED)
    tide_scope_cancel(rt, group->scope);
  else if (how == TIDE_END_CANCELLED && group->scope->flags & TIDE_SCOPE_INSIDE)
    children->cancelled = true;
  wake_host(rt, group);
}

void tide_group_move(tide_runtime *rt, tide_group *group, tide_task *task) {
  tide_group *old = tide_task_group(task);
  tide_gather_drop(&tide__extra(task)->member);
  join_group(rt, group, task);
  wake_host(rt, old);
}

void tide_group_disband(tide_runtime *rt, tide_group *group) {
  tide_link *link;
  while ((link = group->children.pending.head) != NULL) {
    tide_task *task = child_of(link);
    tide_gather_drop(link);
    link->gather = NULL;
    tide_task_cancel(rt, task);
    tide__scope_adopt(rt, task, NULL);
  }
}

/* ---- children to be ---- */

void tide_group_start(tide_group *group, tide_group *target) {
  group->target = target;
  group->later = target->starts;
  if (group->later != NULL)
    group->later->earlier = group;
  target->starts = group;
}

static void end_start(tide_runtime *rt, tide_group *group) {
  tide_group *target = group->target;
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

void tide__group_leave(tide_runtime *rt, tide_group *group) {
  tide_group_disband(rt, group);
  end_start(rt, group);
  for (tide_group *start = group->starts; start; start = start->later)
    start->target = NULL;
  group_free(rt, group);
}

/* ---- the host ---- */

bool tide_group_empty(const tide_group *group) {
  return group->children.pending.head == NULL && group->starts == NULL;
}

uint32_t tide_group_count(const tide_group *group) {
  const tide_link *link = group->children.pending.head;
  uint32_t count = 0;
  for (; link != NULL; link = link->after)
    count++;
  return count;
}

void tide_group_park(tide_runtime *rt, tide_task *task, tide_group *group) {
  tide_park(rt, task, &group->children.wait);
  group->children.waiter = task;
  tide__rings_break(rt, task);
}
