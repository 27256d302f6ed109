/*
 * links.c: coroutines of tide.coroutine that await, and who resumed them.
 *
 * OWN_LINKS: inner coroutine -> outer; address of the inner -> scope that was
 * the innermost when it was resumed: scopes inside that are the inner's own.
 * The inner waits by then and has to be linked, with memory or without: each
 * resume has a record at hand, which then is in S->unlisted.
 */
#include <stdlib.h>

#include "hosting.h"

/* stack: <inner>; this is the outer. An entry half made is harmless. */
static int link_body(lua_State *L, tideL_state *S, void *base) {
  tideL_own(L, OWN_LINKS);
  lua_pushlightuserdata(L, lua_tothread(L, 1));
  lua_pushnumber(L, (lua_Number) * (uint64_t *)base);
  lua_rawset(L, -3);
  lua_pushvalue(L, 1);
  lua_pushthread(L);
  lua_rawset(L, -3);
  S->links++;
  return 0;
}

void tideL_returnlink(tideL_state *S, tideL_link *link) {
  link->next = S->spares;
  S->spares = link;
}

void tideL_reservelink(lua_State *L, tideL_state *S) {
  tideL_link *link;
  if (S->spares != NULL)
    return;
  link = malloc(sizeof *link);
  if (link == NULL)
    luaL_error(L, "not enough memory");
  tideL_returnlink(S, link);
}

tideL_link *tideL_takelink(tideL_state *S) {
  tideL_link *link = S->spares;
  S->spares = link->next;
  return link;
}

/* co, of the task, is at 1. */
void tideL_linkresumer(lua_State *L, tideL_state *S, tideR_task *task,
                       lua_State *co, uint64_t base, tideL_link *spare) {
  lua_pushvalue(L, 1);
  if (tideL_tryhere(S, L, 1, link_body, &base)) {
    tideL_returnlink(S, spare);
    return;
  }
  lua_pop(L, 1);
  *spare = (tideL_link){S->unlisted, task, co, L, base};
  S->unlisted = spare;
  S->links++;
}

/* Where the record is, or NULL. */
static tideL_link **find_unlisted(tideL_state *S, const lua_State *co) {
  tideL_link **at = &S->unlisted;
  while (*at != NULL && (*at)->inner != co)
    at = &(*at)->next;
  return *at != NULL ? at : NULL;
}

static void free_links(tideL_link **list) {
  while (*list != NULL) {
    tideL_link *link = *list;
    *list = link->next;
    free(link);
  }
}

void tideL_freelinks(tideL_state *S) {
  free_links(&S->unlisted);
  free_links(&S->spares);
  S->links = 0;
}

lua_State *tideL_resumer(lua_State *T, lua_State *co) {
  tideL_state *S = tideL_get(T);
  lua_State *outer;
  tideL_link **at;
  if (S->links == 0)
    return NULL;
  if ((at = find_unlisted(S, co)) != NULL)
    return (*at)->outer;
  tideL_own(T, OWN_LINKS);
  tideL_pushcoroutine(T, co);
  lua_rawget(T, -2);
  outer = lua_tothread(T, -1);
  lua_pop(T, 2);
  return outer;
}

uint64_t tideL_unlinkresumer(lua_State *T, tideL_state *S, lua_State *co) {
  tideL_link **at = find_unlisted(S, co);
  uint64_t base;
  S->links--;
  if (at != NULL) {
    tideL_link *link = *at;
    *at = link->next;
    tideL_returnlink(S, link);
    return link->base;
  }
  tideL_own(T, OWN_LINKS);
  lua_pushlightuserdata(T, co);
  lua_rawget(T, -2);
  base = (uint64_t)lua_tonumber(T, -1);
  lua_pop(T, 1);
  lua_pushlightuserdata(T, co);
  lua_pushnil(T);
  lua_rawset(T, -3);
  tideL_pushcoroutine(T, co);
  lua_pushnil(T);
  lua_rawset(T, -3);
  lua_pop(T, 1);
  return base;
}

static void mark_orphan(lua_State *T, lua_State *co) {
  tideL_own(T, OWN_EXPOSED);
  tideL_pushcoroutine(T, co);
  lua_pushboolean(T, 1);
  lua_rawset(T, -3);
  lua_pop(T, 1);
}

void tideL_droplinks(lua_State *T, tideL_state *S, tideR_task *task) {
  lua_State *co = task->coro;
  while (S->links > 0 && co != NULL) {
    lua_State *outer = tideL_resumer(T, co);
    if (outer == NULL)
      break;
    tideL_unlinkresumer(T, S, co);
    task->coro = outer;
    mark_orphan(T, co);
    co = outer;
  }
}

void tideL_forgetlinks(tideL_state *S, const tideR_task *task) {
  tideL_link **at = &S->unlisted;
  while (*at != NULL) {
    tideL_link *link = *at;
    if (link->task == task) {
      *at = link->next;
      tideL_returnlink(S, link);
      S->links--;
    } else {
      at = &link->next;
    }
  }
}

void tideL_orphanlinks(lua_State *L) {
  const tideL_link *link;
  tideL_own(L, OWN_LINKS);
  for (lua_pushnil(L); lua_next(L, -2); lua_pop(L, 1)) {
    if (lua_isthread(L, -2)) /* other keys are addresses */
      mark_orphan(L, lua_tothread(L, -2));
  }
  lua_pop(L, 1);
  for (link = tideL_get(L)->unlisted; link != NULL; link = link->next)
    mark_orphan(L, link->inner);
}
