/*
 * traceback.c: where a coroutine is, and where an error was raised.
 *
 * The text is our own: Lua's searches all modules for the name of each
 * function, which costs fifty times as much as all else of a failed task.
 */
#include <stdio.h>
#include <string.h>

#include "bindings.h"

/* Levels of a deep stack that are told; one below all may be hidden. */
enum { INNER = 10, OUTER = 11 + TIDE_BASEFRAME };

/* ---- the text ---- */

/* How many levels there are, found without counting: in a runaway recursion
 * there are 200,000. */
static int count_levels(lua_State *co) {
  lua_Debug ar;
  int least = 0, most = 1;
  while (lua_getstack(co, most, &ar)) {
    least = most;
    most *= 2;
  }
  while (most - least > 1) {
    int middle = least + (most - least) / 2;
    if (lua_getstack(co, middle, &ar))
      least = middle;
    else
      most = middle;
  }
  return most;
}

static void add_number(luaL_Buffer *text, int n) {
  char digits[16];
  snprintf(digits, sizeof digits, ":%d", n);
  luaL_addstring(text, digits);
}

static void add_function(luaL_Buffer *text, const lua_Debug *ar) {
  if (*ar->namewhat != '\0') {
    bool global = strcmp(ar->namewhat, "global") == 0;
    luaL_addstring(text, global ? "function" : ar->namewhat);
    luaL_addstring(text, " '");
    luaL_addstring(text, ar->name);
    luaL_addstring(text, "'");
  } else if (strcmp(ar->what, "main") == 0) {
    luaL_addstring(text, "main chunk");
  } else if (strcmp(ar->what, "Lua") == 0) {
    luaL_addstring(text, "function <");
    luaL_addstring(text, ar->short_src);
    add_number(text, ar->linedefined);
    luaL_addstring(text, ">");
  } else {
    luaL_addstring(text, "?");
  }
}

/* Piece by piece: lua_pushfstring is the slower way. */
static void add_level(luaL_Buffer *text, const lua_Debug *ar) {
  luaL_addstring(text, "\n\t");
  luaL_addstring(text, ar->short_src);
  if (ar->currentline > 0)
    add_number(text, ar->currentline);
  luaL_addstring(text, ": in ");
  add_function(text, ar);
  if (tideL_istailcall(ar))
    luaL_addstring(text, "\n\t(...tail calls...)");
}

static bool is_ours(lua_State *L, const lua_Debug *ar) {
  bool ours;
  if (*ar->what == 'C')
    return false;
  tideL_own(L, OWN_SOURCES);
  lua_pushstring(L, ar->source);
  ours = tideL_rawget(L, -2) != LUA_TNIL;
  lua_pop(L, 2);
  return ours;
}

/* What a user has not called: our Lua, but the awaiting functions of 5.1; what
 * that calls in C; and the function under each task. */
static bool is_hidden(lua_State *L, lua_State *co, int level,
                      const lua_Debug *ar) {
  lua_Debug caller;
  int next = level;
  bool is_tail = *ar->what == 't'; /* of 5.1: what stands for a tail call */
  if (*ar->what != 'C' && !is_tail)
    return *ar->source == '@' && is_ours(L, ar);
  do {
    if (!lua_getstack(co, ++next, &caller))
      return is_tail || (TIDE_BASEFRAME && next == level + 1);
    lua_getinfo(co, "S", &caller);
  } while (*caller.what == 't' || *caller.what == 'C');
  return is_ours(L, &caller);
}

/* Pushes the stack of co from this level on. */
void tideL_tracebackfrom(lua_State *L, lua_State *co, int level) {
  lua_Debug ar;
  luaL_Buffer text;
  int gap = -1, after = 0;
  luaL_checkstack(L, 20, NULL);
  if (lua_getstack(co, level + INNER + OUTER, &ar)) {
    gap = level + INNER;
    after = count_levels(co) - OUTER;
  }
  luaL_buffinit(L, &text);
  luaL_addstring(&text, TIDEL_TRACEBACK);
  for (; lua_getstack(co, level, &ar); level++) {
    if (level == gap) {
      lua_pushfstring(L, "\n\t...\t(skipping %d levels)", after - gap);
      luaL_addvalue(&text);
      level = after - 1;
    } else {
      lua_getinfo(co, TIDE_LEVELINFO, &ar);
      if (!is_hidden(L, co, level, &ar))
        add_level(&text, &ar);
    }
  }
  luaL_pushresult(&text);
}

void tideL_traceback(lua_State *L, lua_State *co) {
  tideL_tracebackfrom(L, co, 0);
}

void tideL_tracebackhere(lua_State *L, lua_State *co) {
  tideL_tracebackfrom(L, L, 1);
  if (co == NULL)
    return;
  tideL_tracebackfrom(L, co, 0);
  lua_pushstring(L, lua_tostring(L, -2) + sizeof TIDEL_TRACEBACK - 1);
  lua_concat(L, 2);
  lua_replace(L, -2);
}

/* As Lua's own command has it. */
static void push_message(lua_State *L, int index) {
  int type = lua_type(L, index);
  if (type == LUA_TNIL || type == LUA_TSTRING || type == LUA_TNUMBER) {
    tideL_tostring(L, index);
  } else if (luaL_getmetafield(L, index, "__tostring")) {
    lua_pop(L, 1);
    tideL_tostring(L, index);
  } else {
    lua_pushfstring(L, "(error object is a %s value)", luaL_typename(L, index));
  }
}

void tideL_addmessage(lua_State *L, int index) {
  push_message(L, index);
  lua_insert(L, -2);
  lua_pushliteral(L, "\n");
  lua_insert(L, -2);
  lua_concat(L, 3);
}

/* ---- notes ---- */

static bool is_noted(lua_State *L, const tideL_state *S, int index,
                     uint64_t id) {
  bool noted;
  if (S->noted != id)
    return false;
  index = lua_absindex(L, index);
  tideL_own(L, OWN_NOTED);
  noted = !lua_isnil(L, -1) && lua_rawequal(L, -1, index);
  lua_pop(L, 1);
  return noted;
}

/* note(error[, coroutine]), a message handler; on 5.1 it is called when the
 * stack is gone, with the dead coroutine. The innermost edge that an error
 * passes notes where it was raised; scopes further out see that it is noted. A
 * cancellation is common and nobody asks where: it is noted in debug mode only.
 */
int tideL_noter(lua_State *L) {
  tideL_state *S = tideL_get(L);
  uint64_t id = S->current != NULL ? S->current->id : 0;
  lua_State *co = lua_tothread(L, 2);
  lua_settop(L, 1);
  if (lua_isnil(L, 1)) {
    lua_pushliteral(L, "<no error object>");
    lua_replace(L, 1);
  }
  if ((!S->debug && tideL_iserror(L, 1, TIDEL_CANCELLED)) ||
      is_noted(L, S, 1, id))
    return 1;
  tideL_keepraised(L, S, 1); /* first: the others allocate */
  tideL_tracebackhere(L, co);
  lua_rawseti(L, UP_OWN, OWN_NOTEDSTACK);
  lua_pushvalue(L, 1);
  lua_rawseti(L, UP_OWN, OWN_NOTED);
  S->noted = id;
  return 1;
}

bool tideL_pushnoted(lua_State *L, int index, uint64_t id) {
  if (!is_noted(L, tideL_get(L), index, id))
    return false;
  tideL_own(L, OWN_NOTEDSTACK);
  tideL_disown(L, OWN_NOTEDSTACK);
  tideL_disown(L, OWN_NOTED);
  return true;
}

void tideL_opentraceback(lua_State *L) {
  static const luaL_Reg functions[] = {{"note", tideL_noter}, {NULL, NULL}};
  tideL_pushfunction(L, tideL_noter);
  lua_rawseti(L, UP_OWN, OWN_NOTER);
  tideL_setfunctions(L, functions);
}
