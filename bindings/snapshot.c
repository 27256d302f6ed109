/*
 * snapshot.c: who waits for whom at one moment.
 *
 * Whoever tells of it in Lua allocates, so that finalisers may run and change
 * it: it is copied first, in one go. The cost is that of the tasks and of what
 * they wait for, each once.
 */
#include "snapshot.h"

#include <stdlib.h>
#include <string.h>

typedef void (*on_edge)(tideL_snapshot *self, const tideR_task *target);

static bool is_there(const tideL_state *S, const tideR_task *task) {
  if (task->flags & TIDE_ROOT)
    return task->state == TIDE_TASK_PARKED;
  return tideR_task_alive(task) && task != S->spawning;
}

static void count_edge(tideL_snapshot *self, const tideR_task *target) {
  (void)target;
  self->edge_count++;
}

static void add_edge(tideL_snapshot *self, const tideR_task *target) {
  self->nodes[target->slot].below = true;
  self->edges[self->edge_count++] = target->slot;
}

static void each_link(tideL_snapshot *self, const tideR_link *link, on_edge f) {
  for (; link != NULL; link = link->after)
    if (tideR_link_target(link) != NULL)
      f(self, tideR_link_target(link));
}

static void each_awaited(tideL_snapshot *self, const tideR_task *task,
                         on_edge f) {
  const tideR_task *target = tideR_task_awaits(task);
  if (target != NULL)
    f(self, target);
  else if (!tideR_task_waits_in_group(task)) /* they are children: see below */
    each_link(self, tideR_task_pending(task), f);
}

static void each_child(tideL_snapshot *self, const tideR_task *task,
                       on_edge f) {
  const tideR_scope *scope = task->scope;
  for (; scope != NULL; scope = tideR_scope_outer(scope))
    if (scope->group != NULL)
      each_link(self, scope->group->children.pending.head, f);
}

static void count_edges(tideL_snapshot *self, const tideL_state *S) {
  self->slots = tideR_task_slots(S->rt);
  for (uint32_t slot = 1; slot <= self->slots; slot++) {
    const tideR_task *task = tideR_task_at(S->rt, slot);
    if (is_there(S, task)) {
      each_awaited(self, task, count_edge);
      each_child(self, task, count_edge);
    }
  }
}

static int by_age(const void *a, const void *b) {
  uint64_t x = ((const tideL_place *)a)->id, y = ((const tideL_place *)b)->id;
  return (x > y) - (x < y);
}

static void fill(tideL_snapshot *self, const tideL_state *S) {
  for (uint32_t slot = 1; slot <= self->slots; slot++) {
    const tideR_task *task = tideR_task_at(S->rt, slot);
    tideL_node *node = &self->nodes[slot];
    node->there = is_there(S, task);
    if (!node->there)
      continue;
    node->id = task->id;
    self->order[self->count++] = (tideL_place){task->id, slot};
    node->first = self->edge_count;
    each_awaited(self, task, add_edge);
    node->awaits = self->edge_count - node->first;
    each_child(self, task, add_edge);
    node->count = self->edge_count - node->first;
  }
  qsort(self->order, self->count, sizeof *self->order, by_age);
}

/* If finalisers have changed it when there is room for it, it is counted
 * again. */
tideL_snapshot *tideL_takesnapshot(lua_State *L, const tideL_state *S) {
  tideL_snapshot now = {0}, *self;
  size_t nodes, order, size;
  if (S->rt != NULL)
    count_edges(&now, S);
  for (;;) {
    uint32_t slots = now.slots, edges = now.edge_count;
    nodes = sizeof *self + ((size_t)slots + 1) * sizeof(tideL_node);
    order = ((size_t)slots + 1) * sizeof(tideL_place);
    size = nodes + order + edges * sizeof(uint32_t);
    self = tideL_newuserdata(L, size);
    now = (tideL_snapshot){0};
    if (S->rt != NULL)
      count_edges(&now, S);
    if (now.slots == slots && now.edge_count <= edges)
      break;
    lua_pop(L, 1);
  }
  memset(self, 0, size);
  self->slots = now.slots;
  self->order = (tideL_place *)((char *)self + nodes);
  self->edges = (uint32_t *)((char *)self + nodes + order);
  if (S->rt != NULL)
    fill(self, S);
  return self;
}

tideR_task *tideL_nodetask(const tideL_state *S, const tideL_snapshot *self,
                           uint32_t slot) {
  const tideL_node *node = &self->nodes[slot];
  tideR_task *task;
  if (!node->there || S->rt == NULL || slot > tideR_task_slots(S->rt))
    return NULL;
  task = tideR_task_at(S->rt, slot);
  return task->id == node->id && is_there(S, task) ? task : NULL;
}
