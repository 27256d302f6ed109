/* pool.c: slabs of records of one size, found by slot. */
#include <stdlib.h>

#include "internal.h"

void tideR__pool_init(tideR_pool *pool, size_t size) {
  pool->slabs = NULL;
  pool->size = size;
  pool->count = 0;
  pool->room = 0;
}

void tideR__pool_free(tideR_pool *pool) {
  uint32_t slabs = (pool->count + TIDE_SLAB - 1) / TIDE_SLAB;
  for (uint32_t i = 0; i < slabs; i++)
    free(pool->slabs[i]);
  free(pool->slabs);
  tideR__pool_init(pool, pool->size);
}

/* Room in the table of slabs first: then a slab that cannot be had changes
 * nothing that is seen. */
static bool add_slab(tideR_pool *pool) {
  uint32_t slabs = pool->count / TIDE_SLAB;
  if (slabs == pool->room) {
    uint32_t room = pool->room > 0 ? pool->room * 2 : 8;
    char **table = realloc(pool->slabs, room * sizeof *table);
    if (table == NULL)
      return false;
    pool->slabs = table;
    pool->room = room;
  }
  pool->slabs[slabs] = calloc(TIDE_SLAB, pool->size);
  return pool->slabs[slabs] != NULL;
}

void *tideR__pool_grow(tideR_pool *pool, uint32_t *slot) {
  if (pool->count % TIDE_SLAB == 0 && !add_slab(pool))
    return NULL;
  *slot = ++pool->count;
  return tideR__pool_at(pool, *slot);
}
