/* primitives.h: what the files of locks and queues share among them. Private.
 */
#ifndef TIDE_PRIMITIVES_H
#define TIDE_PRIMITIVES_H

#include "bindings.h"

#pragma GCC visibility push(hidden)

/* ---- lock.c: locks, and the lock of a condition ---- */

/* Pushes a new Lock. */
tideR_lock *tideL_newlock(lua_State *L);
tideR_lock *tideL_checklock(lua_State *L, int arg, const char *function);
/* The task that L runs for has to be the owner. */
void tideL_checkowner(lua_State *L, const tideL_state *S,
                      const tideR_lock *lock, const char *function);
/* What `acquire` does, an AWAIT_SELF whose finish is tideL_checkacquired. */
int tideL_acquire(lua_State *L, tideL_state *S, tideR_lock *lock,
                  tideR_task *task, const char *function, tideL_finish finish);
/* The wait for the lock is over: raises if it is broken. */
void tideL_checkacquired(lua_State *L, tideL_state *S, tideR_task *task,
                         const tideR_lock *lock);
/* What `__close` does: the second argument is the error that closes it. */
void tideL_closelock(lua_State *L, tideR_lock *lock, const char *function);
/* Class<unlocked, 0 waiting>, or as it is */
int tideL_locktostring(lua_State *L, const char *class, const tideR_lock *lock,
                       const tideR_waitq *waiters);

/* ---- heap.c: a heap is the user value of the userdata at index 1 ---- */

typedef struct tideL_heap {
  struct tideL_entry *entries; /* part of the user value */
  uint32_t capacity;           /* of the entries */
  uint32_t others;  /* entries whose priority is not compared as a number */
  uint32_t version; /* grows with each change: comparisons run user code */
  uint32_t serial;  /* of the runtime */
  uint64_t sequence;
} tideL_heap;

/* Makes room for more entries. May run user code, which may change the heap. */
void tideL_heapgrow(lua_State *L, tideL_heap *heap);
/* Adds the item at index 2 with the priority at index 3 to `count` others, for
 * which there is room. Raises what a comparison raises, then nothing has
 * changed. */
void tideL_heappush(lua_State *L, tideL_heap *heap, uint32_t count);
/* Pushes the first of `count` items, which leaves the heap. The same. */
void tideL_heappop(lua_State *L, tideL_heap *heap, uint32_t count);
/* Drops the entries from index `from` on. */
void tideL_heapcut(lua_State *L, tideL_heap *heap, uint32_t from,
                   uint32_t count);

/* ---- queue.c: queues of all kinds ---- */

/* Waiters are in the userdata's own queues: it is on the stack of each. */
typedef struct tideL_queue {
  uint32_t magic;
  uint32_t serial;    /* of the runtime */
  tideL_state *state; /* as tideL_get gives it, but quicker */
  enum tideL_order { QUEUE_FIFO, QUEUE_LIFO, QUEUE_PRIORITY } kind;
  uint32_t head;     /* slot of the ring's oldest item, from 0 */
  uint32_t capacity; /* of the ring, a power of 2 */
  tideL_heap heap;
  tideR_queue queue;
} tideL_queue;

int tideL_newqueue(lua_State *L, const char *function, enum tideL_order kind);
int tideL_queuetostring(lua_State *L);
/* The queue at index 1, of the runtime that is. Who waits enters a task after
 * that, and then asks again: entering may be what ends a runtime. */
tideL_queue *tideL_checkqueue(lua_State *L, const char *function);
/* The item at index 2. */
void tideL_checkitem(lua_State *L, const char *function);
/* The caller gets a place that has room for an item: tideR_queue_fill or
 * tideR_queue_unclaim. False: the queue is shut down or full. May raise. */
bool tideL_claim(lua_State *L, tideL_queue *self);
/* Pushes nil and "shutdown", or else the message. */
int tideL_pushrefusal(lua_State *L, const tideL_queue *self,
                      const char *message);
int tideL_raiseshut(lua_State *L);
/* Whether what the task waited for will not come; raises if it was cancelled
 * since. */
bool tideL_checkrefused(lua_State *L, tideL_state *S, tideR_task *task);

/* ---- priority_queue.c: what is their own ---- */

/* Pushes the first item, one of which is reserved for the caller; raises what a
 * comparison raises, then it is so no more. */
void tideL_takefirst(lua_State *L, tideL_queue *self);

#pragma GCC visibility pop

#endif
