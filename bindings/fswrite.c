/*
 * fswrite.c: files written as a whole.
 *
 * A thread takes the bytes, which may outlive the string that they were: they
 * are copied.
 */
#include <stdlib.h>
#include <string.h>

#include "files.h"

/* ---- data: a string, a number, or a list of these ---- */

void tideL_checkfsdata(lua_State *L, int arg, const char *function) {
  int type = lua_type(L, arg);
  if (type != LUA_TSTRING && type != LUA_TNUMBER && type != LUA_TTABLE)
    tideL_typeerror(L, arg, function, "string, number or list");
  for (int i = 1; type == LUA_TTABLE && i <= (int)lua_rawlen(L, arg); i++) {
    int part = tideL_rawgeti(L, arg, i);
    if (part != LUA_TSTRING && part != LUA_TNUMBER)
      tideL_argerror(L, arg, function, "a list has strings and numbers");
    lua_pop(L, 1);
  }
}

/* Of the value on top, which it pops. */
static bool append(lua_State *L, tideR_fs *op, size_t *room) {
  size_t n;
  const char *part = lua_tolstring(L, -1, &n);
  if (op->size + n > *room || op->bytes == NULL) {
    size_t more = op->size + n + (op->size > 0 ? *room : 0) + 1;
    char *bytes = realloc(op->bytes, more);
    if (bytes == NULL)
      return false;
    op->bytes = bytes;
    *room = more;
  }
  memcpy(op->bytes + op->size, part, n);
  op->size += n;
  lua_pop(L, 1);
  return true;
}

/* May raise: numbers become strings. */
bool tideL_copyfsdata(lua_State *L, int arg, tideR_fs *op, size_t *room) {
  if (lua_type(L, arg) != LUA_TTABLE) {
    lua_pushvalue(L, arg);
    return append(L, op, room);
  }
  for (int i = 1; i <= (int)lua_rawlen(L, arg); i++) {
    lua_rawgeti(L, arg, i);
    if (!append(L, op, room))
      return false;
  }
  return true;
}

/* ---- writing ---- */

static int write_whole(lua_State *L, const char *name, const tideR_fskind *kind,
                       int flags) {
  tideL_state *S = tideL_get(L);
  tideR_task *task = tideL_enter(L, S, name);
  tideL_path path = tideL_checkpath(L, 1, name);
  tideR_fs *op;
  size_t room = 0;
  int mode;
  tideL_checkfsdata(L, 2, name);
  tideL_checkfsoptions(L, 3, name);
  mode = tideL_fsmode(L, 3, name, 0666);
  if (kind == &tideR_fs_write_file && tideL_fsflag(L, 3, "atomic"))
    kind = &tideR_fs_replace_file;
  if (tideL_checkpoint(S, task))
    return tideL_cancel(L, S, task, name, tideL_didfs);
  op = tideL_newfs(L, S, task, name, kind, &path, NULL);
  op->flags = UV_FS_O_WRONLY | UV_FS_O_CREAT | flags;
  op->mode = mode;
  tideL_keepfs(S, op);
  if (!tideL_copyfsdata(L, 2, op, &room))
    luaL_error(L, "not enough memory");
  return tideL_awaitfs(L, S, task, tideL_takefs(S), tideL_didfs);
}

/* fs_write_file(path, data[, {atomic=, mode=}]) */
static int core_write_file(lua_State *L) {
  return write_whole(L, "tide.fs.write_file", &tideR_fs_write_file,
                     UV_FS_O_TRUNC);
}

/* fs_append_file(path, data[, {mode=}]) */
static int core_append_file(lua_State *L) {
  return write_whole(L, "tide.fs.append_file", &tideR_fs_append_file,
                     UV_FS_O_APPEND);
}

void tideL_openfswrite(lua_State *L) {
  static const tideL_awaiting awaiting[] = {
      {"fs.fs_write_file", core_write_file, tideL_didfs, AWAIT_RESULTS},
      {"fs.fs_append_file", core_append_file, tideL_didfs, AWAIT_RESULTS},
      {NULL, NULL, NULL, AWAIT_RESULTS}};
  tideL_setawaiting(L, awaiting);
}
