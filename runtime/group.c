/*
 * group.c: tasks that run inside a scope of their host, which does not leave it
 * before they have ended.
 *
 * The scope that Task:cancel cancels is, for a child, one inside the group's:
 * so whatever cancels that scope, or one around it, cancels the children.
 */
#include <assert.h>

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
  tide_extra *extra = task->extra;
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
  const tide_extra *extra = task->extra;
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
  wake_host(rt, group);
}

void tide_group_move(tide_runtime *rt, tide_group *group, tide_task *task) {
  tide_group *old = tide_task_group(task);
  tide_gather_drop(&task->extra->member);
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

void tide__group_leave(tide_runtime *rt, tide_group *group) {
  tide_group_disband(rt, group);
  group_free(rt, group);
}

/* ---- the host ---- */

bool tide_group_empty(const tide_group *group) {
  return group->children.pending.head == NULL && group->held == 0;
}

uint32_t tide_group_count(const tide_group *group) {
  const tide_link *link = group->children.pending.head;
  uint32_t count = 0;
  for (; link != NULL; link = link->after)
    count++;
  return count;
}

void tide_group_hold(tide_group *group) {
  group->held++;
}

void tide_group_unhold(tide_runtime *rt, tide_group *group) {
  assert(group->held > 0);
  group->held--;
  wake_host(rt, group);
}

static bool has_staying_child(const tide_group *group) {
  const tide_link *link = group->children.pending.head;
  while (link != NULL && !tide_task_stays(child_of(link)))
    link = link->after;
  return link != NULL;
}

/* One inside the group that was cancelled while it awaited the host, or the
 * host of a group around it, stays for that end, for which the host would now
 * stay in turn. A host stays for its group whatever comes: so the other lets
 * go.
 */
static void break_rings(tide_runtime *rt, tide_task *host, tide_group *group) {
  tide_task *at = has_staying_child(group) ? host : NULL;
  while (at != NULL && at->extra != NULL) {
    tide__join_release(rt, &at->extra->join, host);
    group = tide_task_group(at);
    at = group != NULL ? group->children.waiter : NULL;
  }
}

void tide_group_park(tide_runtime *rt, tide_task *task, tide_group *group) {
  tide_park(rt, task, &group->children.wait);
  group->children.waiter = task;
  break_rings(rt, task, group);
}
