/*
 * young.c: the tasks that were spawned since a run began, or ever: how it knows
 * what is left at its end.
 *
 * To find them without a look at each record that there ever was, the runtime
 * knows of each slab which task began there last.
 */
#include <stdlib.h>

#include "internal.h"

/* It doubles: what grows by little leaves a hole between any two slabs. */
bool tide__young_reserve(tide_runtime *rt) {
  uint32_t slabs = rt->tasks.count / TIDE_SLAB;
  if (rt->tasks.count % TIDE_SLAB != 0)
    return true;
  if ((slabs & (slabs - 1)) == 0) { /* 0, 1, 2, 4, ... */
    size_t room = slabs > 0 ? (size_t)slabs * 2 : 1;
    uint64_t *newest = realloc(rt->newest, room * sizeof *newest);
    if (newest == NULL)
      return false;
    rt->newest = newest;
  }
  rt->newest[slabs] = 0;
  return true;
}

void tide_young_begin(tide_runtime *rt) {
  rt->young_mark = rt->last_id;
  rt->young = 0;
}

void tide_young_end(tide_runtime *rt) {
  rt->young_mark = 0;
  rt->young = rt->live;
}

uint32_t tide_young_count(const tide_runtime *rt) {
  return rt->young;
}

bool tide_task_is_young(const tide_runtime *rt, const tide_task *task) {
  return task->id > rt->young_mark;
}

tide_task *tide_young_next(const tide_runtime *rt, uint64_t id,
                           uint32_t *slot) {
  if (id < rt->young_mark)
    id = rt->young_mark;
  while (*slot < rt->tasks.count) {
    if (*slot % TIDE_SLAB == 0 && rt->newest[*slot / TIDE_SLAB] <= id) {
      *slot += TIDE_SLAB;
      continue;
    }
    tide_task *task = tide_task_at(rt, ++*slot);
    if (tide_task_alive(task) && task->id > id)
      return task;
  }
  return NULL;
}
