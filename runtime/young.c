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
bool tideR__young_reserve(tideR_runtime *rt) {
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

void tideR_young_begin(tideR_runtime *rt) {
  rt->young_mark = rt->last_id;
  rt->young = 0;
}

void tideR_young_end(tideR_runtime *rt) {
  rt->young_mark = 0;
  rt->young = rt->live;
}

uint32_t tideR_young_count(const tideR_runtime *rt) {
  return rt->young;
}

bool tideR_task_is_young(const tideR_runtime *rt, const tideR_task *task) {
  return task->id > rt->young_mark;
}

tideR_task *tideR_young_next(const tideR_runtime *rt, uint64_t id,
                             uint32_t *slot) {
  if (id < rt->young_mark)
    id = rt->young_mark;
  while (*slot < rt->tasks.count) {
    if (*slot % TIDE_SLAB == 0 && rt->newest[*slot / TIDE_SLAB] <= id) {
      *slot += TIDE_SLAB;
      continue;
    }
    tideR_task *task = tideR_task_at(rt, ++*slot);
    if (tideR_task_alive(task) && task->id > id)
      return task;
  }
  return NULL;
}
