/*
 * fsdir.c: the Dir object: what is in a directory, so many entries at a time.
 */
#include <string.h>

#include "files.h"

#define MAGIC 0x64697265u

typedef struct tideL_dir {
  uint32_t magic;
  uint32_t serial; /* of the runtime */
  tideR_fs *op;    /* NULL: it is closed, or at its end */
  bool waited;     /* a task waits for it */
  bool read;       /* there are entries that nobody has: it is telling them */
  bool closing;    /* as soon as it has */
} tideL_dir;

/* fs_directory(path, function[, is no link]): opened when it is first read */
static int core_directory(lua_State *L) {
  const char *name = luaL_checkstring(L, 2);
  const tideL_state *S = tideL_open(L);
  tideL_path path = tideL_checkpath(L, 1, name);
  tideL_dir *self = tideL_newuserdata(L, sizeof *self);
  *self = (tideL_dir){.magic = MAGIC, .serial = S->serial};
  tideL_own(L, OWN_DIR);
  lua_setmetatable(L, -2);
  self->op =
      tideR_fs_new(S->rt, &tideR_fs_scandir, path.text, path.length, NULL, 0);
  if (self->op == NULL)
    luaL_error(L, "not enough memory");
  self->op->flags = lua_toboolean(L, 3);
  return 1;
}

static tideL_dir *check(lua_State *L, const char *function) {
  tideL_dir *self = lua_touserdata(L, 1);
  if (self == NULL || lua_rawlen(L, 1) != sizeof *self || self->magic != MAGIC)
    tideL_typeerror(L, 1, function, "Dir");
  return self;
}

static void release(tideL_dir *self) {
  tideR_fs *op = self->op;
  self->op = NULL;
  if (op != NULL)
    tideR_fs_release(op);
}

/* Dir:close(): again is fine. A finaliser may come here while entries become
 * strings. */
static int dir_close(lua_State *L) {
  tideL_dir *self = check(L, "Dir:close");
  if (self->read)
    self->closing = true;
  else
    release(self);
  return 0;
}

static int dir__gc(lua_State *L) {
  release(lua_touserdata(L, 1));
  return 0;
}

/* ---- reading ---- */

static const char *type_name(char letter) {
  switch (letter) {
  case 'f':
    return "file";
  case 'd':
    return "directory";
  case 'l':
    return "link";
  case 'p':
    return "fifo";
  case 's':
    return "socket";
  case 'c':
    return "char";
  case 'b':
    return "block";
  default:
    return "unknown";
  }
}

/* Two lists, of names and of types; how many. */
static int push_entries(lua_State *L, const tideR_fs *op) {
  const char *at = op->bytes, *end = op->bytes + op->length;
  int n = 0, count = (int)op->result;
  lua_createtable(L, count, 0);
  lua_createtable(L, count, 0);
  for (; at < end; at += strlen(at) + 1) {
    lua_pushstring(L, at + 1);
    lua_rawseti(L, -3, ++n);
    lua_pushstring(L, type_name(*at));
    lua_rawseti(L, -2, n);
  }
  lua_pushinteger(L, n);
  return 3;
}

static int has_read(lua_State *L, tideL_state *S, tideR_task *task) {
  tideL_dir *self = check(L, "Scandir:next");
  int n = 0;
  self->waited = false;
  tideL_checkdelivered(L, S, task);
  if (self->op == NULL)
    return 0;
  self->read = true; /* out of memory, it is the next one's */
  if (self->op->result > 0)
    n = push_entries(L, self->op);
  else if (self->op->result < 0)
    n = tideL_pushfsfault(L, self->op);
  self->read = false;
  if (self->closing || !self->op->holds)
    release(self);
  return n;
}

/* Dir:read(): names, types, how many; nothing at the end */
static int dir_read(lua_State *L) {
  static const char name[] = "Scandir:next"; /* who calls it */
  tideL_state *S = tideL_get(L);
  tideL_dir *self = check(L, name);
  tideR_task *task = tideL_enter(L, S, name);
  if (self->serial != S->serial)
    tideL_error(L, "'%s': the loop is closed", name);
  if (self->waited)
    tideL_error(L, "'%s': another task reads", name);
  if (tideL_checkpoint(S, task))
    return tideL_cancel(L, S, task, name, has_read);
  if (self->closing)
    release(self);
  if (self->op == NULL || self->read)
    return tideL_ready(L, S, task, NULL, has_read);
  tideL_checkyield(L, task, name);
  tideR_fs_renew(self->op, &tideR_fs_scandir);
  if (tideR_fs_begin(S->rt, self->op))
    return tideL_ready(L, S, task, NULL, has_read);
  self->waited = true;
  tideR_fs_park(S->rt, task, self->op, false);
  return tideL_suspend(L, S, task, has_read);
}

void tideL_openfsdir(lua_State *L) {
  static const luaL_Reg methods[] = {{"close", dir_close}, {NULL, NULL}};
  static const luaL_Reg metamethods[] = {{"__gc", dir__gc}, {NULL, NULL}};
  static const luaL_Reg functions[] = {{"fs_directory", core_directory},
                                       {NULL, NULL}};
  static const tideL_awaiting awaiting[] = {
      {"Dir:read", dir_read, has_read, AWAIT_RESULTS},
      {NULL, NULL, NULL, AWAIT_RESULTS}};
  tideL_newclass(L, OWN_DIR, "tide.Dir", methods, metamethods);
  tideL_setawaiting(L, awaiting);
  lua_pop(L, 1);
  tideL_setfunctions(L, functions);
}
