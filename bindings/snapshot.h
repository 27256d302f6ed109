/* snapshot.h: who waits for whom at one moment. Private. */
#ifndef TIDE_SNAPSHOT_H
#define TIDE_SNAPSHOT_H

#include "bindings.h"

#pragma GCC visibility push(hidden)

/* One a slot. What a task waits for, and the children of its groups, are the
 * `count` edges from `first` on. */
typedef struct tideL_node {
  uint64_t id;
  uint32_t first, count;
  uint32_t awaits; /* of these: whom it waits for, before the children */
  uint32_t at;     /* tree.c: the next edge to follow */
  uint32_t up;     /* ... the slot under which it is shown */
  bool there;      /* a task is in the slot */
  bool below;      /* it is in an edge of another */
  bool shown;
  bool told; /* ... in a line, and not only counted */
  bool open; /* it is shown, and what is under it is not yet */
} tideL_node;

typedef struct tideL_place {
  uint64_t id;
  uint32_t slot;
} tideL_place;

typedef struct tideL_snapshot {
  uint32_t slots, edge_count;
  uint32_t count;     /* of tasks */
  tideL_place *order; /* their slots, by age */
  uint32_t *edges;    /* slots */
  tideL_node nodes[]; /* from 0, which is none */
} tideL_snapshot;

/* Pushes one, as a userdata. */
tideL_snapshot *tideL_takesnapshot(lua_State *L, const tideL_state *S);
/* The task in the slot, if it is still the one that was there; or NULL. */
tideR_task *tideL_nodetask(const tideL_state *S, const tideL_snapshot *self,
                           uint32_t slot);

#pragma GCC visibility pop

#endif
