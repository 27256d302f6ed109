/* shuffle.c: testing: another order of the ready tasks, the same each time. */
#include <stdlib.h>

#include "internal.h"

/* A fixed permutation for each seed and turn (xorshift64*, Fisher-Yates). */
static uint64_t next_random(tideR_runtime *rt) {
  rt->seed ^= rt->seed >> 12;
  rt->seed ^= rt->seed << 25;
  rt->seed ^= rt->seed >> 27;
  return rt->seed * UINT64_C(0x2545F4914F6CDD1D);
}

void tideR__shuffle(tideR_runtime *rt, tideR_list *list) {
  uint32_t count = list->count, n = 0;
  tideR_task **tasks = malloc((count > 0 ? count : 1) * sizeof *tasks);
  if (tasks == NULL)
    return;
  for (tideR_task *task = list->head; task != NULL; task = task->next)
    tasks[n++] = task;
  for (uint32_t i = count; i > 1; i--) {
    uint32_t j = (uint32_t)((next_random(rt) >> 32) % i);
    tideR_task *swap = tasks[i - 1];
    tasks[i - 1] = tasks[j];
    tasks[j] = swap;
  }
  *list = (tideR_list){0};
  for (n = 0; n < count; n++)
    tideR__list_push(list, tasks[n]);
  free(tasks);
}

void tideR_loop_seed(tideR_runtime *rt, uint64_t seed) {
  rt->seed = seed;
}
