/* memory.h: tide's allocations counted, and failing when they are told to. The
 * linker sends malloc, calloc, realloc and free here (see the Makefile), those
 * of the test itself, too; not libuv's. */
#ifndef TIDE_MEMORY_H
#define TIDE_MEMORY_H

#include <limits.h>
#include <stdbool.h>
#include <stdlib.h>

void *__real_malloc(size_t size);
void *__real_calloc(size_t count, size_t size);
void *__real_realloc(void *ptr, size_t size);
void __real_free(void *ptr);

static struct {
  long left;    /* until one fails */
  bool goes_on; /* ... and all after it */
  long failed;
  long blocks; /* that are there */
} memory = {.left = LONG_MAX};

/* The n-th from now fails, 0 being the next one; or all from there on. */
static inline void memory_fails(long n, bool goes_on) {
  memory.left = n;
  memory.goes_on = goes_on;
  memory.failed = 0;
}

/* It works again; whether something failed. */
static inline bool memory_works(void) {
  memory.left = LONG_MAX;
  return memory.failed > 0;
}

static bool is_denied(void) {
  bool denied;
  if (memory.left == LONG_MAX)
    return false;
  denied = memory.left == 0 || (memory.left < 0 && memory.goes_on);
  memory.left--;
  memory.failed += denied;
  return denied;
}

static void *counted(void *ptr) {
  memory.blocks += ptr != NULL;
  return ptr;
}

void *__wrap_malloc(size_t size) {
  return is_denied() ? NULL : counted(__real_malloc(size));
}

void *__wrap_calloc(size_t count, size_t size) {
  return is_denied() ? NULL : counted(__real_calloc(count, size));
}

void *__wrap_realloc(void *ptr, size_t size) {
  if (is_denied())
    return NULL;
  return ptr == NULL ? counted(__real_malloc(size)) : __real_realloc(ptr, size);
}

void __wrap_free(void *ptr) {
  memory.blocks -= ptr != NULL;
  __real_free(ptr);
}

#endif
