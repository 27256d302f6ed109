/*
 * pool.h: slabs of records: these are never moved, and their memory stays a
 * record's until the runtime ends, so that a stale pointer can be told by what
 * it reads.
 */
#ifndef TIDE_POOL_H
#define TIDE_POOL_H

#include <stddef.h>
#include <stdint.h>

#pragma GCC visibility push(hidden)

#define TIDE_SLAB 1024 /* records in a slab */

typedef struct tideR_pool {
  char **slabs;
  size_t size;    /* of a record */
  uint32_t count; /* records ever handed out: slots 1..count */
  uint32_t room;  /* slabs that fit in `slabs` */
} tideR_pool;

void tideR__pool_init(tideR_pool *pool, size_t size);
void tideR__pool_free(tideR_pool *pool);
/* A new zeroed record and its slot, or NULL. Free lists are the users'. */
void *tideR__pool_grow(tideR_pool *pool, uint32_t *slot);

static inline void *tideR__pool_at(const tideR_pool *pool, uint32_t slot) {
  slot--;
  return pool->slabs[slot / TIDE_SLAB] + (slot % TIDE_SLAB) * pool->size;
}

#pragma GCC visibility pop

#endif
