/*
 * priority_queue.c: tide.priority_queue. What it shares with the other queues
 * is in queue.c, how it is sorted in heap.c.
 *
 * A putter that waits is given a place only, and stores its item itself when it
 * runs, so that what a comparison raises is raised in its own call. The place,
 * or the item of a getter whose comparison raised, is the next one's then.
 */
#include "primitives.h"

static tideL_queue *check(lua_State *L, const char *function) {
  tideL_queue *self = tideL_checkqueue(L, function);
  if (self->kind != QUEUE_PRIORITY)
    tideL_typeerror(L, 1, function, "PriorityQueue");
  return self;
}

/* A number that is one, a string, or what says itself how it compares. */
static void check_priority(lua_State *L, const char *function) {
  int type = lua_type(L, 3);
  if (type == LUA_TNUMBER) {
    lua_Number n = lua_tonumber(L, 3);
    if (n != n)
      tideL_argerror(L, 3, function, "priority expected, got NaN");
  } else if (type != LUA_TSTRING) {
    if (!luaL_getmetafield(L, 3, "__lt"))
      tideL_typeerror(L, 3, function, "number, string or value with __lt");
    lua_pop(L, 1);
  }
}

/* ---- comparisons may raise ---- */

static void push(lua_State *L, tideL_queue *self) {
  tideL_heappush(L, &self->heap, (uint32_t)self->queue.stored);
}

static void pop(lua_State *L, tideL_queue *self) {
  tideL_heappop(L, &self->heap, (uint32_t)self->queue.stored);
}

/* sifter(queue, item, priority) pushes, sifter(queue) pops. */
static int sifter(lua_State *L) {
  tideL_queue *self = lua_touserdata(L, 1);
  (lua_gettop(L) == 1 ? pop : push)(L, self);
  return 1;
}

/* Calls it with the first n values of the stack; false: it raised, and what it
 * raised is on top. */
static bool sift(lua_State *L, int n) {
  tideL_own(L, OWN_SIFTER);
  for (int i = 1; i <= n; i++)
    lua_pushvalue(L, i);
  return lua_pcall(L, n, 1, 0) == LUA_OK;
}

/* A comparison may also have closed the loop. */
static bool is_open(const tideL_queue *self) {
  return self->serial == self->state->serial;
}

/* Stores the item in the place that the caller has. */
static void store(lua_State *L, tideL_queue *self) {
  tideR_queue *queue = &self->queue;
  if (self->heap.others == 0 && lua_type(L, 3) == LUA_TNUMBER) {
    push(L, self);
  } else if (!sift(L, 3)) {
    if (is_open(self))
      tideR_queue_unclaim(self->state->rt, queue);
    lua_error(L);
  }
  tideR_queue_fill(self->state->rt, queue);
}

void tideL_takefirst(lua_State *L, tideL_queue *self) {
  if (self->heap.others == 0) {
    pop(L, self);
  } else if (!sift(L, 1)) {
    if (is_open(self))
      tideR_queue_unreserve(self->state->rt, &self->queue);
    lua_error(L);
  }
}

/* ---- put ---- */

/* It has a place, unless it was refused or cancelled. */
static int admitted(lua_State *L, tideL_state *S, tideR_task *task) {
  tideL_queue *self = lua_touserdata(L, 1);
  if (tideL_checkrefused(L, S, task))
    return tideL_raiseshut(L);
  tideL_checkdelivered(L, S, task);
  if (self->queue.shut) {
    tideR_queue_unclaim(S->rt, &self->queue);
    return tideL_raiseshut(L);
  }
  store(L, self);
  return 0;
}

/* PriorityQueue:put(item, priority): waits while it is full */
static int priority_put(lua_State *L) {
  static const char name[] = "PriorityQueue:put";
  tideL_queue *self = check(L, name);
  tideR_queue *queue = &self->queue;
  tideL_state *S = self->state;
  tideR_task *task = tideL_enter(L, S, name);
  check(L, name);
  tideL_checkitem(L, name);
  check_priority(L, name);
  if (tideL_checkpoint(S, task))
    return tideL_cancel(L, S, task, name, admitted);
  if (tideL_claim(L, self))
    return tideL_turn(L, S, task, &queue->putters.wait)
               ? tideL_suspend(L, S, task, admitted)
               : tideL_finishnow(L, S, task, admitted);
  if (queue->shut)
    return tideL_raiseshut(L);
  tideL_checkyield(L, task, name);
  tideR_queue_park_put(S->rt, task, queue);
  return tideL_suspend(L, S, task, admitted);
}

/* PriorityQueue:put_nowait(item, priority): true; or nil, "full" or "shutdown"
 */
static int priority_put_nowait(lua_State *L) {
  static const char name[] = "PriorityQueue:put_nowait";
  tideL_queue *self = check(L, name);
  tideL_checkitem(L, name);
  check_priority(L, name);
  if (!tideL_claim(L, self))
    return tideL_pushrefusal(L, self, "full");
  store(L, self);
  lua_pushboolean(L, 1);
  return 1;
}

/* ---- making one ---- */

static int core_priority_queue(lua_State *L) {
  return tideL_newqueue(L, "tide.priority_queue", QUEUE_PRIORITY);
}

/* Its other methods are a Queue's. On top: the module. */
void tideL_openpriority(lua_State *L) {
  static const luaL_Reg methods[] = {{"put_nowait", priority_put_nowait},
                                     {NULL, NULL}};
  static const luaL_Reg metamethods[] = {{"__tostring", tideL_queuetostring},
                                         {NULL, NULL}};
  static const luaL_Reg functions[] = {{"priority_queue", core_priority_queue},
                                       {NULL, NULL}};
  static const tideL_awaiting awaiting[] = {
      {"PriorityQueue:put", priority_put, admitted, AWAIT_RESULTS},
      {NULL, NULL, NULL, AWAIT_RESULTS}};
  tideL_newclass(L, OWN_PRIORITYQUEUE, "tide.PriorityQueue", methods,
                 metamethods);
  tideL_setawaiting(L, awaiting);
  lua_createtable(L, 0, 1);
  lua_getfield(L, -3, "Queue");
  lua_setfield(L, -2, "__index");
  lua_setmetatable(L, -2);
  lua_pop(L, 1);
  tideL_setfunctions(L, functions);
  tideL_pushfunction(L, sifter);
  lua_rawseti(L, UP_OWN, OWN_SIFTER);
}
