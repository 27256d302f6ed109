/*
 * tree.c: the tree of who waits for whom: below a task are those that it waits
 * for, and the children of its groups.
 *
 * A task is told once; where it is met again, as in a ring, a line refers to
 * that. Of many only the first are told, and the others counted. No recursion:
 * a chain of awaits may be as long as there are tasks.
 */
#include <stdio.h>
#include <string.h>

#include "snapshot.h"

enum {
  MOST_LINES = 1000,
  MOST_BESIDE = 100, /* lines of one parent */
  MOST_MARGIN = 40,  /* steps; what is deeper is not moved further */
  MOST_KINDS = 24    /* waits that are counted apart */
};

/* ---- a line ---- */

void tideL_pushtaskname(lua_State *L, const tideL_state *S,
                        const tideR_task *task) {
  if (task->flags & TIDE_ROOT) {
    lua_pushliteral(L, "main program");
    return;
  }
  if (tideL_findtask(L, task) != NULL) {
    tideL_pushname(L, lua_gettop(L));
    lua_remove(L, -2);
  } else {
    tideL_pushautoname(L, task->id);
  }
  if (task == tideR_loop_mainof(S->rt)) {
    lua_pushliteral(L, " (main)");
    lua_concat(L, 2);
  }
}

/* NULL: it waits. */
static const char *state_of(const tideR_task *task) {
  if (task->state == TIDE_TASK_PARKED)
    return NULL;
  if (task->state == TIDE_TASK_RUNNING)
    return "running";
  return task->flags & TIDE_FRESH ? "not begun" : "ready";
}

static void add(lua_State *L, const char *text) {
  lua_pushstring(L, text);
  lua_concat(L, 2);
}

void tideL_pushseconds(lua_State *L, uint64_t ns) {
  double seconds = (double)ns / 1e9;
  char text[32];
  snprintf(text, sizeof text, seconds < 100 ? "%.3g s" : "%.0f s", seconds);
  lua_pushstring(L, text);
}

static void add_seconds(lua_State *L, const char *before, uint64_t ns,
                        const char *after) {
  add(L, before);
  tideL_pushseconds(L, ns);
  lua_concat(L, 2);
  add(L, after);
}

/* On top is its name: adds whom or what it waits for. */
static void add_state(lua_State *L, const tideL_state *S,
                      const tideR_task *task) {
  const char *state = state_of(task), *what = tideR_task_waits_for(task);
  const tideR_task *target = tideR_task_awaits(task);
  const tideR_task *owner = tideR_task_lock_owner(task);
  uint64_t until = tideR_task_sleeps_until(S->rt, task);
  uint64_t now = tideR_now(S->rt);
  add(L, state != NULL ? " " : " in ");
  add(L, state != NULL ? state : what);
  if (target != NULL || owner != NULL) {
    add(L, " of ");
    tideL_pushtaskname(L, S, target != NULL ? target : owner);
    lua_concat(L, 2);
  } else if (tideR_task_awaits_future(task)) {
    add(L, " of a future");
  } else if (until != TIDE_NEVER) {
    add_seconds(L, ", ", until > now ? until - now : 0, " left");
  }
}

bool tideL_pushplace(lua_State *L, const tideR_task *task) {
  lua_State *co = task->flags & TIDE_FRESH ? NULL : task->coro;
  lua_Debug ar;
  luaL_checkstack(L, 8, NULL);
  for (int links = 0; co != NULL && links < 100; links++) {
    if (tideL_userlevel(L, co, 0, &ar)) {
      lua_pushfstring(L, "%s:%d", ar.short_src, ar.currentline);
      return true;
    }
    co = tideL_resumer(L, co); /* all of it is ours: of a generator, say */
  }
  return false;
}

/* Pushes what is told of the task: its name, its state, where it is. */
void tideL_pushtold(lua_State *L, tideL_state *S, const tideR_task *task) {
  uint64_t since = tideL_waitssince(S, task);
  uint32_t swallowed = tideR_task_swallowed(task);
  tideL_pushtaskname(L, S, task);
  add(L, ":");
  add_state(L, S, task);
  if (since != 0)
    add_seconds(L, ", for ", tideR_now(S->rt) - since, "");
  if (task->flags & TIDE_CANCEL)
    add(L, ", cancelling");
  if (swallowed > 0) {
    lua_pushfstring(L, ", swallowed %d", (int)swallowed);
    lua_concat(L, 2);
  }
  if (tideL_pushplace(L, task)) {
    lua_pushfstring(L, ", at %s", lua_tostring(L, -1));
    lua_remove(L, -2);
    lua_concat(L, 2);
  }
}

/* ---- what is not told is counted ---- */

typedef struct tally {
  uint32_t count;
  uint32_t kinds;
  struct {
    const char *in; /* "in " if it is a wait */
    const char *what;
    uint32_t count;
  } of[MOST_KINDS];
} tally;

static void count(tally *tally, const tideR_task *task) {
  const char *what = state_of(task);
  uint32_t i = 0;
  if (what == NULL)
    what = tideR_task_waits_for(task);
  tally->count++;
  while (i < tally->kinds && strcmp(tally->of[i].what, what) != 0)
    i++;
  if (i == MOST_KINDS)
    return;
  if (i == tally->kinds) {
    tally->kinds++;
    tally->of[i].in = state_of(task) == NULL ? "in " : "";
    tally->of[i].what = what;
    tally->of[i].count = 0;
  }
  tally->of[i].count++;
}

/* ---- the walk ---- */

typedef struct tree {
  lua_State *L;
  tideL_state *S;
  tideL_snapshot *snapshot;
  const char *margin;
  int list; /* index of the table of lines */
  int lines;
  uint32_t depth;
  uint32_t hidden; /* since this depth nothing is told; 0: it is */
  bool full;
  tally tally;
} tree;

/* The text on top is the next line. */
static void add_line(tree *tree) {
  lua_State *L = tree->L;
  uint32_t depth = tree->depth < MOST_MARGIN ? tree->depth : MOST_MARGIN;
  lua_pushstring(L, tree->margin);
  for (uint32_t i = 0; i < depth; i++)
    add(L, "  ");
  lua_insert(L, -2);
  lua_concat(L, 2);
  lua_rawseti(L, tree->list, ++tree->lines);
}

static void tell_tally(tree *tree) {
  lua_State *L = tree->L;
  const tally *tally = &tree->tally;
  if (tally->count > 0) {
    lua_pushfstring(L, "... and %d more", (int)tally->count);
    for (uint32_t i = 0; i < tally->kinds; i++) {
      lua_pushfstring(L, "%s%d %s%s", i == 0 ? ": " : ", ",
                      (int)tally->of[i].count, tally->of[i].in,
                      tally->of[i].what);
      lua_concat(L, 2);
    }
    add_line(tree);
  }
  memset(&tree->tally, 0, sizeof tree->tally);
}

static tideL_node *node_at(const tree *tree, uint32_t slot) {
  return &tree->snapshot->nodes[slot];
}

/* `beside` were told under the same parent before. Tells the task, or hides it
 * and all that follow until its parent is done: those are counted. */
static void tell(tree *tree, uint32_t slot, uint32_t beside) {
  const tideR_task *task = tideL_nodetask(tree->S, tree->snapshot, slot);
  if (tree->hidden == 0 && (beside >= MOST_BESIDE || tree->lines >= MOST_LINES))
    tree->hidden = tree->depth + 1;
  if (task == NULL)
    return;
  if (tree->hidden != 0) {
    count(&tree->tally, task);
    return;
  }
  node_at(tree, slot)->told = true;
  tideL_pushtold(tree->L, tree->S, task);
  add_line(tree);
}

/* It has been shown already: tells that, where it says something. */
static void tell_again(tree *tree, uint32_t slot, uint32_t up,
                       uint32_t beside) {
  const tideL_node *node = node_at(tree, slot);
  const tideR_task *task = tideL_nodetask(tree->S, tree->snapshot, slot);
  if ((tree->hidden != 0 && tree->hidden <= tree->depth) || task == NULL ||
      (node->up == up && !node->open))
    return;
  if (!node->told || tree->hidden != 0 || beside >= MOST_BESIDE ||
      tree->lines >= MOST_LINES) {
    tell(tree, slot, beside);
    return;
  }
  tideL_pushtaskname(tree->L, tree->S, task);
  add(tree->L,
      node->open ? ", which waits for this one: a ring" : ", as told above");
  add_line(tree);
}

static void open_node(tree *tree, uint32_t slot, uint32_t up) {
  tideL_node *node = node_at(tree, slot);
  node->shown = node->open = true;
  node->up = up;
  node->at = 0;
}

/* All at this depth is told: so is what was hidden there. */
static void close_level(tree *tree) {
  if (tree->hidden == tree->depth + 1) {
    tree->hidden = 0;
    tell_tally(tree);
  }
}

/* The task in the slot and all below it. */
static void walk(tree *tree, uint32_t top, uint32_t beside) {
  uint32_t slot = top;
  tell(tree, top, beside);
  open_node(tree, top, 0);
  tree->depth++;
  while (slot != 0) {
    tideL_node *node = node_at(tree, slot);
    uint32_t next;
    if (node->at == node->count) {
      close_level(tree);
      node->open = false;
      slot = node->up;
      tree->depth--;
      continue;
    }
    next = tree->snapshot->edges[node->first + node->at++];
    if (!node_at(tree, next)->there)
      continue;
    if (node_at(tree, next)->shown) {
      tell_again(tree, next, slot, node->at - 1);
      continue;
    }
    tell(tree, next, node->at - 1);
    open_node(tree, next, slot);
    slot = next;
    tree->depth++;
  }
}

/* First those for whom nobody waits; what is left then are rings. */
static void walk_all(tree *tree) {
  uint32_t beside = 0;
  for (int pass = 0; pass < 2; pass++) {
    for (uint32_t i = 0; i < tree->snapshot->count; i++) {
      uint32_t slot = tree->snapshot->order[i].slot;
      const tideL_node *node = node_at(tree, slot);
      if (!node->shown && (pass == 1 || !node->below))
        walk(tree, slot, beside++);
    }
  }
  close_level(tree);
}

static void push_lines(lua_State *L, int list, int lines, const char *none) {
  luaL_Buffer text;
  luaL_buffinit(L, &text);
  if (lines == 0)
    luaL_addstring(&text, none);
  for (int i = 1; i <= lines; i++) {
    if (i > 1)
      luaL_addstring(&text, "\n");
    lua_rawgeti(L, list, i);
    luaL_addvalue(&text);
  }
  luaL_pushresult(&text);
}

void tideL_pushtree(lua_State *L, tideL_state *S, const tideR_task *top,
                    const char *margin) {
  tree tree = {.L = L, .S = S, .margin = margin};
  int base = lua_gettop(L);
  luaL_checkstack(L, 30, NULL);
  tree.snapshot = tideL_takesnapshot(L, S);
  lua_newtable(L);
  tree.list = base + 2;
  if (top == NULL)
    walk_all(&tree);
  else if (top->slot <= tree.snapshot->slots)
    walk(&tree, top->slot, 0);
  lua_pushfstring(L, "%sno task is left", margin);
  push_lines(L, tree.list, tree.lines, lua_tostring(L, -1));
  lua_replace(L, base + 1);
  lua_settop(L, base + 1);
}

/* ---- the same as tables ---- */

/* stack: <snapshot, entries by slot, ..., the entry of a task> */
static void set_string(lua_State *L, const char *key, const char *value) {
  lua_pushstring(L, value);
  lua_setfield(L, -2, key);
}

static void set_count(lua_State *L, const char *key, uint32_t value) {
  lua_pushinteger(L, (lua_Integer)value);
  lua_setfield(L, -2, key);
}

static void set_number(lua_State *L, const char *key, lua_Number value) {
  lua_pushnumber(L, value);
  lua_setfield(L, -2, key);
}

static void set_state(lua_State *L, const tideL_state *S,
                      const tideR_task *task) {
  uint64_t until = tideR_task_sleeps_until(S->rt, task);
  uint64_t since = tideL_waitssince(S, task);
  const char *state = "waiting";
  if (state_of(task) != NULL)
    state = task->flags & TIDE_FRESH ? "new" : state_of(task);
  set_string(L, "state", state);
  if (tideR_task_waits_for(task) != NULL)
    set_string(L, "waits_on", tideR_task_waits_for(task));
  if (until != TIDE_NEVER)
    set_number(L, "deadline", (lua_Number)until / 1e9);
  if (since != 0)
    set_number(L, "since", (lua_Number)since / 1e9);
  set_count(L, "cancelling", tideR_task_cancelling(task));
  set_count(L, "swallowed", tideR_task_swallowed(task));
}

/* Fields that have a Lua value of their own. The Task is below the entry. */
static void set_values(lua_State *L, tideL_state *S, tideR_task *task) {
  int entry = lua_gettop(L), handle = entry - 1;
  tideR_task *owner = tideR_task_lock_owner(task);
  lua_pushvalue(L, handle);
  lua_setfield(L, entry, "task");
  tideL_pushname(L, handle);
  lua_setfield(L, entry, "name");
  lua_pushboolean(L, task == tideR_loop_mainof(S->rt));
  lua_setfield(L, entry, "main");
  if (tideL_pushplace(L, task))
    lua_setfield(L, entry, "where");
  if (((tideL_task *)lua_touserdata(L, handle))->info) {
    tideL_pushinfo(L, handle);
    lua_getfield(L, -1, "created");
    lua_setfield(L, entry, "created");
    lua_settop(L, entry);
  }
  if (owner != NULL && !(owner->flags & TIDE_ROOT)) {
    tideL_pushtask(L, S, owner);
    lua_setfield(L, entry, "owner");
  }
}

/* Appends the Task of the entry `from` to the list `key` of the entry `to`. */
static void link_entries(lua_State *L, int entries, const char *key,
                         uint32_t to, uint32_t from) {
  int top = lua_gettop(L);
  if (tideL_rawgeti(L, entries, (int)to) == LUA_TTABLE &&
      tideL_rawgeti(L, entries, (int)from) == LUA_TTABLE) {
    lua_getfield(L, top + 1, key);
    lua_getfield(L, top + 2, "task");
    lua_rawseti(L, -2, (int)lua_rawlen(L, -2) + 1);
  }
  lua_settop(L, top);
}

static void push_entry(lua_State *L, tideL_state *S, tideR_task *task) {
  static const char *const lists[] = {"awaits", "awaited_by", "children"};
  tideL_pushtask(L, S, task);
  lua_createtable(L, 0, 12);
  for (int i = 0; i < 3; i++) {
    lua_newtable(L);
    lua_setfield(L, -2, lists[i]);
  }
  set_state(L, S, task);
  set_values(L, S, task);
  lua_remove(L, -2);
}

static void link_all(lua_State *L, const tideL_snapshot *snapshot,
                     int entries) {
  for (uint32_t i = 0; i < snapshot->count; i++) {
    uint32_t slot = snapshot->order[i].slot;
    const tideL_node *node = &snapshot->nodes[slot];
    for (uint32_t k = 0; k < node->count; k++) {
      uint32_t target = snapshot->edges[node->first + k];
      if (k < node->awaits) {
        link_entries(L, entries, "awaits", slot, target);
        link_entries(L, entries, "awaited_by", target, slot);
      } else {
        link_entries(L, entries, "children", slot, target);
      }
    }
  }
}

/* debug_tasks(): a list of what is known of each unfinished task */
static int core_debug_tasks(lua_State *L) {
  enum { SNAPSHOT = 1, ENTRIES, LIST };
  tideL_state *S = tideL_get(L);
  const tideL_snapshot *snapshot;
  int n = 0;
  lua_settop(L, 0);
  snapshot = tideL_takesnapshot(L, S);
  lua_newtable(L);
  lua_newtable(L);
  for (uint32_t i = 0; i < snapshot->count; i++) {
    uint32_t slot = snapshot->order[i].slot;
    tideR_task *task = tideL_nodetask(S, snapshot, slot);
    if (task == NULL || task->flags & TIDE_ROOT)
      continue;
    push_entry(L, S, task);
    lua_pushvalue(L, -1);
    lua_rawseti(L, ENTRIES, (int)slot);
    lua_rawseti(L, LIST, ++n);
  }
  link_all(L, snapshot, ENTRIES);
  return 1;
}

/* debug_tree([task]) */
static int core_debug_tree(lua_State *L) {
  tideL_state *S = tideL_get(L);
  const tideR_task *top = NULL;
  if (!lua_isnoneornil(L, 1)) {
    const tideL_task *handle = tideL_checktask(L, 1, "debug.tree");
    top = tideL_record(handle);
    if (top == NULL) { /* it has ended, and waits for nothing */
      tideL_tostring(L, 1);
      return 1;
    }
  }
  tideL_pushtree(L, S, top, "");
  return 1;
}

void tideL_opentree(lua_State *L) {
  static const luaL_Reg functions[] = {{"debug_tasks", core_debug_tasks},
                                       {"debug_tree", core_debug_tree},
                                       {NULL, NULL}};
  tideL_setfunctions(L, functions);
}
