/*
 * queue.c: tide.queue and tide.lifo_queue, and what priority queues share.
 *
 * The items are in a table, the user value: here a ring, whose slots are made
 * all at once, so that an item that comes or goes allocates nothing. The item
 * of a putter that waits is kept in OWN_PUTTING; who takes an item out moves it
 * into the ring at once, so nobody overtakes, and what is left to the putter is
 * to return.
 *
 * A method has the queue at index 1, an item at 2 and its priority at 3.
 */
#include <stdio.h>

#include "primitives.h"

#define MAGIC 0x71756575u
#define RING_MIN 4
#define RING_MAX (1u << 26) /* what fits into a table of LuaJIT */
#define RING_KEPT 1024      /* slots of an empty ring that are not given back */

static inline tideL_queue *check_type(lua_State *L, const char *function) {
  tideL_queue *self = lua_touserdata(L, 1);
  if (self == NULL || lua_rawlen(L, 1) != sizeof *self || self->magic != MAGIC)
    tideL_typeerror(L, 1, function, "Queue");
  return self;
}

static inline void check_open(lua_State *L, const tideL_queue *self,
                              const char *function) {
  if (self->serial != self->state->serial)
    tideL_error(L, "'%s': the loop is closed", function);
}

static inline tideL_queue *check(lua_State *L, const char *function) {
  tideL_queue *self = check_type(L, function);
  check_open(L, self, function);
  return self;
}

tideL_queue *tideL_checkqueue(lua_State *L, const char *function) {
  return check(L, function);
}

/* For who waits: entering a task may be what closes a parent's loop. */
static inline tideR_task *enter(lua_State *L, const tideL_queue *self,
                                const char *function) {
  tideR_task *task = tideL_enter(L, self->state, function);
  check_open(L, self, function);
  return task;
}

/* The items of all but priority queues are in a ring. */
static inline void check_ring(lua_State *L, const tideL_queue *self,
                              const char *function) {
  if (self->kind == QUEUE_PRIORITY)
    tideL_typeerror(L, 1, function, "Queue");
}

static inline void check_item(lua_State *L, const char *function) {
  if (lua_isnoneornil(L, 2))
    tideL_typeerror(L, 2, function, "item");
}

void tideL_checkitem(lua_State *L, const char *function) {
  check_item(L, function);
}

/* ---- the ring ---- */

static int slot(const tideL_queue *self, uint64_t i) {
  return (int)((self->head + (uint32_t)i) & (self->capacity - 1)) + 1;
}

/* Copies the items in their order into a ring of `capacity` slots. Making it
 * may run finalisers, which may use the queue. */
static void ring_resize(lua_State *L, tideL_queue *self, uint32_t capacity) {
  uint32_t old = self->capacity;
  if (capacity > RING_MAX)
    tideL_error(L, "too many items in a queue");
  lua_createtable(L, (int)capacity, 0);
  if (self->capacity == old && self->queue.stored < capacity) {
    tideL_getuservalue(L, 1);
    for (uint32_t i = 0; i < self->queue.stored; i++) {
      lua_rawgeti(L, -1, slot(self, i));
      lua_rawseti(L, -3, (int)i + 1);
    }
    lua_pop(L, 1);
    tideL_setuservalue(L, 1);
    self->capacity = capacity;
    self->head = 0;
  } else {
    lua_pop(L, 1);
  }
}

/* Leaves the ring on the stack: putting is to be quick. */
static void ring_push(lua_State *L, const tideL_queue *self, int index) {
  tideL_getuservalue(L, 1);
  lua_pushvalue(L, index);
  lua_rawseti(L, -2, slot(self, self->queue.stored));
}

/* The same. */
static void ring_take(lua_State *L, tideL_queue *self) {
  uint64_t i = self->kind == QUEUE_LIFO ? self->queue.stored - 1 : 0;
  int taken = slot(self, i);
  tideL_getuservalue(L, 1);
  lua_rawgeti(L, -1, taken);
  lua_pushnil(L);
  lua_rawseti(L, -3, taken);
  self->head += i == 0;
}

static void ring_cut(lua_State *L, tideL_queue *self, uint64_t from) {
  tideL_getuservalue(L, 1);
  for (uint64_t i = from; i < self->queue.stored; i++) {
    lua_pushnil(L);
    lua_rawseti(L, -2, slot(self, i));
  }
  lua_pop(L, 1);
}

/* ---- items in, items out ---- */

/* Room for one more item, besides those of the places that are given away. */
static bool has_room(const tideL_queue *self) {
  uint64_t used = self->queue.stored + self->queue.places;
  if (self->kind == QUEUE_PRIORITY)
    return used < self->heap.capacity;
  return used < self->capacity && (used > 0 || self->capacity <= RING_KEPT);
}

static void make_room(lua_State *L, tideL_queue *self) {
  if (self->kind == QUEUE_PRIORITY)
    tideL_heapgrow(L, &self->heap);
  else if (self->queue.stored == 0)
    ring_resize(L, self, RING_MIN);
  else
    ring_resize(L, self, 2 * self->capacity);
}

static bool claim(lua_State *L, tideL_queue *self) {
  while (!self->queue.shut && !tideR_queue_full(&self->queue)) {
    if (has_room(self)) {
      tideR_queue_claim(&self->queue);
      return true;
    }
    make_room(L, self);
  }
  return false;
}

bool tideL_claim(lua_State *L, tideL_queue *self) {
  return claim(L, self);
}

/* Stores the item in the place that the caller has. */
static void store(lua_State *L, tideL_queue *self) {
  ring_push(L, self, 2);
  tideR_queue_fill(self->state->rt, &self->queue);
}

/* The first putter's turn; its item goes into the ring, which is at index -2.
 */
static void admit(lua_State *L, tideL_queue *self) {
  tideR_runtime *rt = self->state->rt;
  const tideR_task *putter = tideR_queue_admit(rt, &self->queue);
  if (putter == NULL || self->kind == QUEUE_PRIORITY)
    return;
  tideL_own(L, OWN_PUTTING);
  lua_rawgeti(L, -1, (int)putter->slot);
  lua_rawseti(L, -4, slot(self, self->queue.stored));
  lua_pushnil(L);
  lua_rawseti(L, -2, (int)putter->slot);
  lua_pop(L, 1);
  tideR_queue_fill(rt, &self->queue);
}

/* Pushes the item that is reserved for the caller. */
static int take(lua_State *L, tideL_queue *self) {
  if (self->kind == QUEUE_PRIORITY)
    tideL_takefirst(L, self);
  else
    ring_take(L, self);
  tideR_queue_take(&self->queue);
  if (self->queue.putters.head != NULL)
    admit(L, self);
  return 1;
}

/* ---- shut down ---- */

bool tideL_checkrefused(lua_State *L, tideL_state *S, tideR_task *task) {
  if (task->status != TIDE_REFUSED)
    return false;
  if (task->flags & TIDE_CANCEL)
    tideL_raisecancel(L, S, task);
  return true;
}

int tideL_raiseshut(lua_State *L) {
  return tideL_raise(L, TIDEL_QUEUESHUTDOWN, "the queue was shut down");
}

int tideL_pushrefusal(lua_State *L, const tideL_queue *self,
                      const char *message) {
  lua_pushnil(L);
  lua_pushstring(L, self->queue.shut ? "shutdown" : message);
  return 2;
}

/* Queue:shutdown([immediate]) */
static int queue_shutdown(lua_State *L) {
  tideL_queue *self = check(L, "Queue:shutdown");
  tideR_queue *queue = &self->queue;
  bool drop = lua_toboolean(L, 2);
  if (drop && self->kind == QUEUE_PRIORITY)
    tideL_heapcut(L, &self->heap, (uint32_t)queue->reserved,
                  (uint32_t)queue->stored);
  else if (drop)
    ring_cut(L, self, queue->reserved);
  self->heap.version++; /* a comparison that calls this fails */
  tideR_queue_shut(self->state->rt, queue, drop);
  return 0;
}

/* ---- put ---- */

void tideL_dropput(lua_State *L, const tideR_task *task) {
  tideL_own(L, OWN_PUTTING);
  lua_pushnil(L);
  lua_rawseti(L, -2, (int)task->slot);
  lua_pop(L, 1);
}

/* A task that was admitted has nothing left to do: on 5.1 and LuaJIT this is
 * not even called. */
static int admitted(lua_State *L, tideL_state *S, tideR_task *task) {
  if (task->status == TIDE_WOKEN)
    return 0;
  tideL_dropput(L, task);
  if (tideL_checkrefused(L, S, task))
    return tideL_raiseshut(L);
  tideL_checkdelivered(L, S, task);
  return 0;
}

/* Queue:put(item): waits while it is full */
static int queue_put(lua_State *L) {
  static const char name[] = "Queue:put";
  tideL_queue *self = check_type(L, name);
  tideR_queue *queue = &self->queue;
  tideL_state *S = self->state;
  tideR_task *task = enter(L, self, name);
  check_ring(L, self, name);
  check_item(L, name);
  if (tideL_checkpoint(S, task))
    return tideL_cancel(L, S, task, name, admitted);
  if (claim(L, self)) {
    store(L, self);
    return tideL_turn(L, S, task, &queue->putters.wait)
               ? tideL_suspend(L, S, task, admitted)
               : 0;
  }
  if (queue->shut)
    return tideL_raiseshut(L);
  tideL_checkyield(L, task, name);
  tideL_own(L, OWN_PUTTING);
  lua_pushvalue(L, 2);
  lua_rawseti(L, -2, (int)task->slot);
  tideR_queue_park_put(S->rt, task, queue);
  return tideL_suspend(L, S, task, admitted);
}

/* Queue:put_nowait(item): true; or nil, "full" or "shutdown" */
static int queue_put_nowait(lua_State *L) {
  static const char name[] = "Queue:put_nowait";
  tideL_queue *self = check(L, name);
  check_ring(L, self, name);
  check_item(L, name);
  if (!claim(L, self))
    return tideL_pushrefusal(L, self, "full");
  store(L, self);
  lua_pushboolean(L, 1);
  return 1;
}

/* ---- get ---- */

static int got(lua_State *L, tideL_state *S, tideR_task *task) {
  tideL_queue *self = lua_touserdata(L, 1);
  if (tideL_checkrefused(L, S, task))
    return tideL_pushrefusal(L, self, NULL);
  tideL_checkdelivered(L, S, task);
  return take(L, self);
}

/* There will be no more. */
static int get_nothing(lua_State *L, tideL_queue *self, tideR_task *task) {
  tideL_state *S = self->state;
  if (!tideL_turn(L, S, task, &self->queue.getters.wait))
    return tideL_pushrefusal(L, self, NULL);
  task->status = TIDE_REFUSED;
  return tideL_suspend(L, S, task, got);
}

/* Queue:get(): waits while it is empty; nil, "shutdown" at its end */
static int queue_get(lua_State *L) {
  static const char name[] = "Queue:get";
  tideL_queue *self = check_type(L, name);
  tideR_queue *queue = &self->queue;
  tideL_state *S = self->state;
  tideR_task *task = enter(L, self, name);
  if (tideL_checkpoint(S, task))
    return tideL_cancel(L, S, task, name, got);
  if (tideR_queue_reserve(queue)) {
    if (tideL_turn(L, S, task, &queue->getters.wait))
      return tideL_suspend(L, S, task, got);
    take(L, self);
    return tideL_done(L);
  }
  if (queue->shut)
    return get_nothing(L, self, task);
  tideL_checkyield(L, task, name);
  tideR_queue_park_get(S->rt, task, queue);
  return tideL_suspend(L, S, task, got);
}

/* Queue:get_nowait(): an item; or nil, "empty" or "shutdown" */
static int queue_get_nowait(lua_State *L) {
  tideL_queue *self = check(L, "Queue:get_nowait");
  if (tideR_queue_reserve(&self->queue))
    return take(L, self);
  return tideL_pushrefusal(L, self, "empty");
}

/* ---- join ---- */

static int queue_task_done(lua_State *L) {
  static const char name[] = "Queue:task_done";
  tideL_queue *self = check(L, name);
  if (!tideR_queue_done(self->state->rt, &self->queue))
    tideL_error(L, "'%s': called more often than items were put", name);
  return 0;
}

static int joined(lua_State *L, tideL_state *S, tideR_task *task) {
  tideL_checkwoken(L, S, task);
  return 0;
}

/* Queue:join(): until each item that was put has been told done */
static int queue_join(lua_State *L) {
  static const char name[] = "Queue:join";
  tideL_queue *self = check_type(L, name);
  tideL_state *S = self->state;
  tideR_task *task = enter(L, self, name);
  if (tideL_checkpoint(S, task))
    return tideL_cancel(L, S, task, name, joined);
  if (self->queue.unfinished == 0)
    return tideL_ready(L, S, task, NULL, joined);
  tideL_checkyield(L, task, name);
  tideR_queue_park_join(S->rt, task, &self->queue);
  return tideL_suspend(L, S, task, joined);
}

/* ---- questions ---- */

static int queue_qsize(lua_State *L) {
  const tideL_queue *self = check(L, "Queue:qsize");
  lua_pushinteger(L, (lua_Integer)tideR_queue_size(&self->queue));
  return 1;
}

static int queue_empty(lua_State *L) {
  const tideL_queue *self = check(L, "Queue:empty");
  lua_pushboolean(L, tideR_queue_size(&self->queue) == 0);
  return 1;
}

static int queue_full(lua_State *L) {
  lua_pushboolean(L, tideR_queue_full(&check(L, "Queue:full")->queue));
  return 1;
}

static lua_Integer maxsize(const tideL_queue *self) {
  uint64_t n = self->queue.maxsize;
  return n == UINT64_MAX ? 0 : (lua_Integer)n;
}

static int queue_maxsize(lua_State *L) {
  lua_pushinteger(L, maxsize(check(L, "Queue:maxsize")));
  return 1;
}

static void push_count(lua_State *L, uint64_t n, const char *noun) {
  char text[64];
  snprintf(text, sizeof text, "%llu %s%s", (unsigned long long)n, noun,
           n == 1 ? "" : "s");
  lua_pushstring(L, text);
}

int tideL_queuetostring(lua_State *L) {
  static const char *const names[] = {"Queue", "LifoQueue", "PriorityQueue"};
  const tideL_queue *self = check(L, "Queue:__tostring");
  const tideR_queue *queue = &self->queue;
  char size[24];
  push_count(L, tideR_queue_size(queue), "item");
  push_count(L, tideR_waitq_length(&queue->getters), "getter");
  push_count(L, tideR_waitq_length(&queue->putters), "putter");
  snprintf(size, sizeof size, "%llu", (unsigned long long)maxsize(self));
  lua_pushfstring(L, "%s<%s, maxsize %s, %s, %s%s>", names[self->kind],
                  lua_tostring(L, -3), size, lua_tostring(L, -2),
                  lua_tostring(L, -1), queue->shut ? ", shut down" : "");
  return 1;
}

/* check_queue(self, function): for lua/tide */
static int core_check_queue(lua_State *L) {
  check(L, luaL_checkstring(L, 2));
  return 0;
}

/* ---- making one ---- */

int tideL_newqueue(lua_State *L, const char *function, enum tideL_order kind) {
  tideL_state *S = tideL_open(L);
  uint64_t maxsize =
      lua_isnoneornil(L, 1) ? 0 : tideL_checkcount(L, 1, function, 0);
  tideL_queue *self;
  lua_settop(L, 0);
  self =
      tideL_newuserdata(L, sizeof *self); /* index 1, where methods have it */
  *self = (tideL_queue){.serial = S->serial, .state = S, .kind = kind};
  self->heap.serial = S->serial;
  tideR_queue_init(&self->queue, maxsize > 0 ? maxsize : UINT64_MAX,
                   kind == QUEUE_PRIORITY);
  lua_newtable(L);
  tideL_setuservalue(L, 1);
  make_room(L, self);
  tideL_own(L, kind == QUEUE_PRIORITY ? OWN_PRIORITYQUEUE : OWN_QUEUE);
  lua_setmetatable(L, 1);
  self->magic = MAGIC;
  return 1;
}

static int core_queue(lua_State *L) {
  return tideL_newqueue(L, "tide.queue", QUEUE_FIFO);
}

static int core_lifo_queue(lua_State *L) {
  return tideL_newqueue(L, "tide.lifo_queue", QUEUE_LIFO);
}

void tideL_openqueue(lua_State *L) {
  static const luaL_Reg methods[] = {{"put_nowait", queue_put_nowait},
                                     {"get_nowait", queue_get_nowait},
                                     {"task_done", queue_task_done},
                                     {"shutdown", queue_shutdown},
                                     {"qsize", queue_qsize},
                                     {"empty", queue_empty},
                                     {"full", queue_full},
                                     {"maxsize", queue_maxsize},
                                     {NULL, NULL}};
  static const luaL_Reg metamethods[] = {{"__tostring", tideL_queuetostring},
                                         {NULL, NULL}};
  static const luaL_Reg functions[] = {{"queue", core_queue},
                                       {"lifo_queue", core_lifo_queue},
                                       {"check_queue", core_check_queue},
                                       {NULL, NULL}};
  static const tideL_awaiting awaiting[] = {
      {"Queue:put", queue_put, admitted, AWAIT_VOID},
      {"Queue:get", queue_get, got, AWAIT_VALUE},
      {"Queue:join", queue_join, joined, AWAIT_RESULTS},
      {NULL, NULL, NULL, AWAIT_RESULTS}};
  tideL_newclass(L, OWN_QUEUE, "tide.Queue", methods, metamethods);
  tideL_setawaiting(L, awaiting);
  lua_setfield(L, -2, "Queue"); /* its methods: lua/tide adds to them */
  tideL_setfunctions(L, functions);
}
