/*
 * heap.c: a binary heap, for the items of a priority queue.
 *
 * What is sifted are entries in C, of which each names a place in a table:
 * items at 2 * place + 1, priorities that are no plain number after them. The
 * places of the entries beyond the heap's end are free. The entries are a
 * userdata in the table's last place, and the table the user value of the
 * queue, which is at index 1 of every function here.
 *
 * A comparison may run user code, and that may use the queue. So the way that
 * an entry goes is found first, by comparing alone; if the heap did not change
 * meanwhile, the entries on it are moved.
 */
#include <limits.h>

#include "primitives.h"

#define CAPACITY_MIN 4
#define CAPACITY_MAX (1u << 25) /* LuaJIT's tables end at four times that */
#define NO_PLACE UINT32_MAX     /* of an entry whose priority is at index 3 */

typedef struct tideL_entry {
  lua_Number number; /* its priority if it is a plain one */
  uint64_t sequence; /* of equal priorities the earlier goes first */
  uint32_t place;
  enum { PLAIN, PLAIN_INTEGER, OTHER } kind;
} tideL_entry;

/* ---- room ---- */

static void move_slots(lua_State *L, int from, int to, uint32_t capacity) {
  for (int i = 1; i <= 2 * (int)capacity; i++) {
    lua_rawgeti(L, from, i);
    lua_rawseti(L, to, i);
  }
}

void tideL_heapgrow(lua_State *L, tideL_heap *heap) {
  uint32_t old = heap->capacity, capacity = old > 0 ? 2 * old : CAPACITY_MIN;
  tideL_entry *entries;
  int top = lua_gettop(L);
  if (capacity > CAPACITY_MAX)
    tideL_error(L, "too many items in a queue");
  lua_createtable(L, 2 * (int)capacity + 1, 0);
  entries = lua_newuserdata(L, capacity * sizeof *entries);
  if (heap->capacity == old) { /* no finaliser was quicker */
    tideL_getuservalue(L, 1);
    move_slots(L, top + 3, top + 1, old);
    for (uint32_t i = 0; i < capacity; i++)
      entries[i] = i < old ? heap->entries[i] : (tideL_entry){.place = i};
    lua_settop(L, top + 2);
    lua_rawseti(L, -2, 2 * (int)capacity + 1);
    tideL_setuservalue(L, 1);
    heap->entries = entries;
    heap->capacity = capacity;
  }
  lua_settop(L, top);
}

/* ---- comparing ---- */

static void push_priority(lua_State *L, int items, const tideL_entry *entry) {
  if (entry->kind == PLAIN)
    lua_pushnumber(L, entry->number);
  else if (entry->kind == PLAIN_INTEGER)
    lua_pushinteger(L, (lua_Integer)entry->number);
  else if (entry->place == NO_PLACE)
    lua_pushvalue(L, 3);
  else
    lua_rawgeti(L, items, 2 * (int)entry->place + 2);
}

/* Lua's own error would name no line. */
static void check_comparable(lua_State *L, int a, int b) {
  int type = lua_type(L, a);
  if (type == lua_type(L, b) && (type == LUA_TNUMBER || type == LUA_TSTRING))
    return;
  if (!luaL_getmetafield(L, a, "__lt") && !luaL_getmetafield(L, b, "__lt"))
    tideL_error(L, "attempt to compare priorities: %s with %s",
                luaL_typename(L, a), luaL_typename(L, b));
  lua_pop(L, 1);
}

static bool less(lua_State *L, const tideL_heap *heap, tideL_entry a,
                 tideL_entry b) {
  uint32_t version = heap->version;
  int top = lua_gettop(L);
  bool is;
  luaL_checkstack(L, 8, NULL);
  tideL_getuservalue(L, 1);
  push_priority(L, top + 1, &a);
  push_priority(L, top + 1, &b);
  check_comparable(L, top + 2, top + 3);
  is = tideL_lessthan(L, top + 2, top + 3);
  if (heap->version != version || heap->serial != tideL_get(L)->serial)
    tideL_error(L, "a comparison of priorities changed the queue");
  lua_settop(L, top);
  return is;
}

/* One comparison will do: the sequence says what to make of equal ones. */
static bool before(lua_State *L, const tideL_heap *heap, tideL_entry a,
                   tideL_entry b) {
  bool earlier = a.sequence < b.sequence;
  if (a.kind != OTHER && b.kind != OTHER)
    return earlier ? !(b.number < a.number) : a.number < b.number;
  return earlier ? !less(L, heap, b, a) : less(L, heap, a, b);
}

/* ---- push and pop ---- */

/* A double says exactly what the number is. */
static bool is_plain(lua_State *L, int index, tideL_entry *entry) {
  if (lua_type(L, index) != LUA_TNUMBER)
    return false;
  entry->kind = PLAIN;
  entry->number = lua_tonumber(L, index);
#if LUA_VERSION_NUM >= 503
  if (lua_isinteger(L, index)) {
    lua_Integer n = lua_tointeger(L, index), most = (lua_Integer)1 << 53;
    entry->kind = PLAIN_INTEGER;
    return -most <= n && n <= most;
  }
#endif
  return true;
}

static tideL_entry new_entry(lua_State *L, const tideL_heap *heap) {
  tideL_entry entry = {.place = NO_PLACE, .sequence = heap->sequence};
  if (!is_plain(L, 3, &entry))
    entry.kind = OTHER;
  return entry;
}

static uint32_t parent(uint32_t i) {
  return (i - 1) / 2;
}

static uint32_t way_up(lua_State *L, const tideL_heap *heap, uint32_t count,
                       tideL_entry entry) {
  uint32_t hole = count;
  while (hole > 0 && before(L, heap, entry, heap->entries[parent(hole)]))
    hole = parent(hole);
  return hole;
}

void tideL_heappush(lua_State *L, tideL_heap *heap, uint32_t count) {
  tideL_entry entry = new_entry(L, heap), *entries;
  uint32_t hole = way_up(L, heap, count, entry);
  entries = heap->entries;
  entry.place = entries[count].place;
  tideL_getuservalue(L, 1);
  lua_pushvalue(L, 2);
  lua_rawseti(L, -2, 2 * (int)entry.place + 1);
  if (entry.kind == OTHER) {
    lua_pushvalue(L, 3);
    lua_rawseti(L, -2, 2 * (int)entry.place + 2);
    heap->others++;
  }
  lua_pop(L, 1);
  for (uint32_t i = count; i > hole; i = parent(i))
    entries[i] = entries[parent(i)];
  entries[hole] = entry;
  heap->sequence++;
  heap->version++;
}

/* Where the last of `count` goes when the first is out. */
static uint32_t way_down(lua_State *L, const tideL_heap *heap, uint32_t count) {
  uint32_t last = count - 1, hole = 0, child;
  while ((child = 2 * hole + 1) < last) {
    if (child + 1 < last &&
        before(L, heap, heap->entries[child + 1], heap->entries[child]))
      child++;
    if (before(L, heap, heap->entries[last], heap->entries[child]))
      break;
    hole = child;
  }
  return hole;
}

static void clear_place(lua_State *L, tideL_heap *heap, int items,
                        const tideL_entry *entry) {
  lua_pushnil(L);
  lua_rawseti(L, items, 2 * (int)entry->place + 1);
  if (entry->kind != OTHER)
    return;
  lua_pushnil(L);
  lua_rawseti(L, items, 2 * (int)entry->place + 2);
  heap->others--;
}

void tideL_heappop(lua_State *L, tideL_heap *heap, uint32_t count) {
  uint32_t i = way_down(L, heap, count);
  tideL_entry *entries = heap->entries, carried = entries[count - 1];
  for (;; i = parent(i)) { /* each on the way goes one up */
    tideL_entry next = entries[i];
    entries[i] = carried;
    carried = next;
    if (i == 0)
      break;
  }
  entries[count - 1] = carried; /* its place is free */
  tideL_getuservalue(L, 1);
  lua_rawgeti(L, -1, 2 * (int)carried.place + 1);
  lua_insert(L, -2);
  clear_place(L, heap, lua_gettop(L), &carried);
  lua_pop(L, 1);
  heap->version++;
}

void tideL_heapcut(lua_State *L, tideL_heap *heap, uint32_t from,
                   uint32_t count) {
  tideL_getuservalue(L, 1);
  for (uint32_t i = from; i < count; i++)
    clear_place(L, heap, lua_gettop(L), &heap->entries[i]);
  lua_pop(L, 1);
  heap->version++;
}
