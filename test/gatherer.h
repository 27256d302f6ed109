/* gatherer.h: fake tasks that wait for several ends. */
#ifndef TIDE_GATHERER_H
#define TIDE_GATHERER_H

#include "test.h"

static inline void cancel(actor *a) {
  CHECK_EQ(tideR_task_cancel(a->rt, a->task), 0);
}

/* What a gatherer waits for: tasks, then futures; each list ends with NULL. */
typedef struct set {
  tideR_until until;
  bool counted;
  actor *tasks[4];
  tideR_join *futures[4];
  tideR_gather gather;
  tideR_link links[8];
  tideR_group *group, *outer; /* that a host opens, */
  actor *child;               /* for this one */
} set;

static inline set of_futures(tideR_until until, bool counted,
                             tideR_join *futures, int n) {
  set set = {.until = until, .counted = counted};
  for (int i = 0; i < n; i++) {
    tideR_future_init(&futures[i]);
    set.futures[i] = &futures[i];
  }
  return set;
}

static inline void add_all(tideR_runtime *rt, set *set) {
  tideR_link *link = set->links;
  tideR_gather_init(&set->gather, set->until, set->counted);
  for (actor **at = set->tasks; *at != NULL; at++) {
    if ((*at)->done)
      tideR_gather_add_ended(&set->gather, link++, TIDE_END_OK);
    else
      tideR_gather_add_task(rt, &set->gather, link++, (*at)->task);
  }
  for (tideR_join **at = set->futures; *at != NULL; at++)
    tideR_gather_add(&set->gather, link++, *at);
}

/* Says its name at the end, with a `!` when it would raise a cancellation. */
static inline void gatherer(actor *me) {
  set *set = me->arg;
  BEGIN
  add_all(me->rt, set);
  if (tideR_gather_begin(me->rt, me->task, &set->gather))
    AWAIT(tideR_gather_park(me->rt, me->task, &set->gather));
  say("%s%s", me->name, me->raised || set->gather.cancelled ? "!" : "");
  END
}

/* The numbers of those that have ended, in that order. */
static inline void say_done(set *set) {
  tideR_link *link;
  while ((link = tideR_gather_take(&set->gather)) != NULL)
    say("%d", (int)(link - set->links));
}

/* Waits in its queue; a cancel costs it me->n seconds of cleanup. */
static inline void target(actor *me) {
  BEGIN
  WAIT(me->arg);
  if (me->raised) {
    tideR_task_uncancel(me->rt, me->task);
    SLEEP(me->n);
    say("%s cleaned up", me->name);
  }
  END
}

static inline void awaiter(actor *me) {
  BEGIN
  JOIN((actor *)me->arg, true);
  say("%s%s", me->name, me->raised ? "!" : "");
  END
}

#endif
