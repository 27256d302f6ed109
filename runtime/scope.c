/*
 * scope.c: cancel scopes.
 *
 * The scopes of a task are a chain, innermost first. What a checkpoint asks,
 * "is one of them cancelled, with no shield between?", is computed when
 * something changes, not when it is asked: TIDE_SCOPE_INSIDE on each scope, and
 * from the innermost TIDE_CANCEL on the task. refresh() is the one place that
 * does it, and it goes no further in than something changes: else who cancels
 * the scopes of a deep nest one by one would pay for each with all inside it.
 * By which scope it is cancelled is found when it is asked, and remembered.
 *
 * The outermost scope of a task in a group lies in the group's scope, which is
 * in the host's chain: `parent` leads there, `inner` and `task` do not.
 */
#include <stdlib.h>

#include "internal.h"

enum { COMPUTED = TIDE_SCOPE_INSIDE | TIDE_SCOPE_TIMED };

/* False: nothing has changed for what is inside it. */
static bool compute(tideR_scope *scope) {
  const tideR_scope *parent = scope->parent;
  unsigned before = scope->flags & COMPUTED, now = 0;
  if (parent != NULL && scope->flags & TIDE_SCOPE_SHIELD)
    now = parent->flags & TIDE_SCOPE_TIMED;
  else if (parent != NULL)
    now = parent->flags & COMPUTED;
  if (scope->flags & TIDE_SCOPE_CANCEL)
    now |= TIDE_SCOPE_INSIDE;
  if (scope->timer.index != 0)
    now |= TIDE_SCOPE_TIMED;
  scope->flags = (uint16_t)((scope->flags & ~(unsigned)COMPUTED) | now);
  if ((now ^ before) & TIDE_SCOPE_INSIDE)
    scope->known = 0;
  return now != before;
}

/* Recomputes a scope and those inside it in its chain; lists their groups. */
static void refresh_chain(tideR_runtime *rt, tideR_scope *scope,
                          tideR_group **groups) {
  tideR_task *task = scope->task;
  for (; scope != NULL && compute(scope); scope = scope->inner) {
    tideR_group *group = scope->group;
    if (group != NULL && !group->queued) {
      group->queued = true;
      group->next = *groups;
      *groups = group;
    }
  }
  if (task != NULL)
    tideR__task_mark(rt, task);
}

/* After `scope` changed: recomputes it and all inside it, also in the tasks of
 * groups; not by recursion, for groups nest as deep as their users like. */
static void refresh(tideR_runtime *rt, tideR_scope *scope) {
  tideR_group *groups = NULL;
  if (scope->known == rt->culprits) /* and so may those inside it */
    rt->culprits++;
  refresh_chain(rt, scope, &groups);
  while (groups != NULL) {
    tideR_group *group = groups;
    const tideR_link *link = group->children.pending.head;
    groups = group->next;
    group->queued = false;
    for (; link != NULL; link = link->after) {
      tideR_scope *own = tideR_task_own_scope(link->join->task);
      if (own != NULL) /* else it is just ending */
        refresh_chain(rt, own, &groups);
    }
  }
}

/* Up to the first that is cancelled, or that knows; then all on the way know.
 * So if one knows all do from there to its culprit, and a change of one of
 * these makes all forget. */
tideR_scope *tideR_scope_culprit(tideR_runtime *rt, tideR_scope *scope) {
  tideR_scope *at = scope, *culprit;
  if (scope == NULL || !(scope->flags & TIDE_SCOPE_INSIDE))
    return NULL;
  while (!(at->flags & TIDE_SCOPE_CANCEL) && at->known != rt->culprits)
    at = at->parent;
  culprit = at->flags & TIDE_SCOPE_CANCEL ? at : at->culprit;
  for (;; scope = scope->parent) {
    scope->culprit = culprit;
    scope->known = rt->culprits;
    if (scope == at)
      return culprit;
  }
}

static tideR_scope *scope_new(tideR_runtime *rt) {
  tideR_scope *scope = rt->free_scopes;
  uint32_t slot;
  if (scope != NULL) {
    rt->free_scopes = scope->parent;
  } else {
    scope = tideR__pool_grow(&rt->scopes, &slot);
    if (scope == NULL)
      return NULL;
    scope->slot = slot;
  }
  scope->parent = scope->inner = NULL;
  scope->known = 0;
  scope->group = NULL;
  scope->flags = 0;
  scope->deadline = TIDE_NEVER;
  scope->id = ++rt->last_scope;
  return scope;
}

static void scope_free(tideR_runtime *rt, tideR_scope *scope) {
  tideR__timer_clear(rt, &scope->timer);
  if (scope->group != NULL)
    tideR__group_leave(rt, scope->group);
  scope->id = 0;
  scope->task = NULL;
  scope->parent = rt->free_scopes;
  rt->free_scopes = scope;
}

int tideR_scope_enter(tideR_runtime *rt, tideR_task *task, uint64_t deadline,
                      bool shield, tideR_scope **out) {
  tideR_scope *scope = *out = scope_new(rt);
  if (scope == NULL)
    return UV_ENOMEM;
  if (shield)
    scope->flags |= TIDE_SCOPE_SHIELD;
  int err = tideR_scope_reschedule(rt, scope, deadline);
  if (err < 0) {
    scope_free(rt, scope);
    *out = NULL;
    return err;
  }
  scope->task = task;
  scope->parent = task->scope;
  if (scope->parent != NULL)
    scope->parent->inner = scope;
  task->scope = scope;
  refresh(rt, scope);
  return 0;
}

tideR_scope *tideR_scope_outer(const tideR_scope *scope) {
  tideR_scope *parent = scope->parent;
  return parent != NULL && parent->task == scope->task ? parent : NULL;
}

void tideR_scope_leave(tideR_runtime *rt, tideR_task *task) {
  tideR_scope *scope = task->scope;
  task->scope = tideR_scope_outer(scope);
  if (task->scope != NULL)
    task->scope->inner = NULL;
  if (tideR_task_own_scope(task) == scope)
    tideR__extra(task)->own = NULL;
  scope_free(rt, scope);
  tideR__task_mark(rt, task);
}

void tideR_scope_cancel(tideR_runtime *rt, tideR_scope *scope) {
  if (scope->flags & TIDE_SCOPE_CANCEL)
    return;
  scope->flags |= TIDE_SCOPE_CANCEL;
  tideR__timer_clear(rt, &scope->timer);
  refresh(rt, scope);
}

void tideR__scope_expire(tideR_runtime *rt, tideR_scope *scope) {
  scope->flags |= TIDE_SCOPE_EXPIRED;
  tideR_scope_cancel(rt, scope);
}

void tideR__scope_lift(tideR_runtime *rt, tideR_scope *scope) {
  scope->flags &= (uint16_t)~TIDE_SCOPE_CANCEL;
  refresh(rt, scope);
}

void tideR_scope_shield(tideR_runtime *rt, tideR_scope *scope, bool on) {
  unsigned flags = scope->flags & ~(unsigned)TIDE_SCOPE_SHIELD;
  scope->flags = (uint16_t)(flags | (on ? TIDE_SCOPE_SHIELD : 0u));
  refresh(rt, scope);
}

/* A deadline that is past cancels at once, not at the next look at the clock.
 */
int tideR_scope_reschedule(tideR_runtime *rt, tideR_scope *scope,
                           uint64_t when) {
  if (scope->flags & TIDE_SCOPE_CANCEL) {
    scope->deadline = when;
    return 0;
  }
  if (when == TIDE_NEVER) {
    tideR__timer_clear(rt, &scope->timer);
  } else if (when <= tideR_now(rt)) {
    scope->deadline = when;
    tideR__scope_expire(rt, scope);
    return 0;
  } else {
    int err = tideR__timer_set(rt, &scope->timer, TIMER_SCOPE, when);
    if (err < 0)
      return err;
  }
  scope->deadline = when;
  refresh(rt, scope);
  return 0;
}

static tideR_scope *outermost_of(tideR_scope *top, const tideR_scope *base) {
  while (top->parent != base)
    top = top->parent;
  return top;
}

tideR_scope *tideR_scope_detach(tideR_runtime *rt, tideR_task *task,
                                tideR_scope *base) {
  tideR_scope *top = task->scope;
  if (base == NULL) /* the task's own may have come since: it stays */
    base = tideR_task_own_scope(task);
  if (top == base)
    return NULL;
  tideR_scope *bottom = outermost_of(top, base);
  bottom->parent = NULL;
  if (base != NULL)
    base->inner = NULL;
  task->scope = base;
  for (tideR_scope *scope = top; scope != NULL; scope = scope->parent)
    scope->task = NULL;
  refresh(rt, bottom); /* nothing is around it now */
  tideR__task_mark(rt, task);
  return top;
}

void tideR_scope_attach(tideR_runtime *rt, tideR_task *task, tideR_scope *top) {
  tideR_scope *bottom = outermost_of(top, NULL);
  for (tideR_scope *scope = top; scope != NULL; scope = scope->parent)
    scope->task = task;
  bottom->parent = task->scope;
  if (task->scope != NULL)
    task->scope->inner = bottom;
  task->scope = top;
  refresh(rt, bottom);
}

void tideR_scope_discard(tideR_runtime *rt, tideR_scope *top) {
  while (top != NULL) {
    tideR_scope *parent = top->parent;
    scope_free(rt, top);
    top = parent;
  }
}

/* The scope of Task:cancel lies around all others; it is made when needed, so
 * it is put under a chain that may be there already. */
int tideR__scope_own(tideR_runtime *rt, tideR_task *task) {
  tideR_scope *own = scope_new(rt);
  if (own == NULL)
    return UV_ENOMEM;
  own->flags = TIDE_SCOPE_OWN;
  own->task = task;
  tideR__extra(task)->own = own;
  if (task->scope == NULL) {
    task->scope = own;
  } else { /* not of a group: those have one from the start */
    tideR_scope *bottom = outermost_of(task->scope, NULL);
    bottom->parent = own;
    own->inner = bottom;
  }
  return 0;
}

void tideR__scope_adopt(tideR_runtime *rt, tideR_task *task,
                        tideR_scope *outer) {
  tideR__extra(task)->own->parent = outer;
  refresh(rt, tideR__extra(task)->own);
}
