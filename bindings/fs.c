/*
 * fs.c: operations of the file system: how each begins and ends; those on paths
 * that are one call.
 *
 * The await is the user of an operation, so that it costs no object of Lua's:
 * the task knows what it waits for.
 */
#include <string.h>

#include "files.h"

/* ---- beginning ---- */

tideL_path tideL_checkpath(lua_State *L, int arg, const char *function) {
  tideL_path path;
  if (lua_type(L, arg) != LUA_TSTRING)
    tideL_typeerror(L, arg, function, "path");
  path.text = lua_tolstring(L, arg, &path.length);
  return path;
}

tideR_fs *tideL_newfs(lua_State *L, tideL_state *S, const tideR_task *task,
                      const char *function, const tideR_fskind *kind,
                      const tideL_path *path, const tideL_path *to) {
  tideR_fs *op;
  tideL_checkyield(L, task, function);
  op = tideR_fs_new(S->rt, kind, path != NULL ? path->text : NULL,
                    path != NULL ? path->length : 0,
                    to != NULL ? to->text : NULL, to != NULL ? to->length : 0);
  if (op == NULL)
    luaL_error(L, "not enough memory");
  return op;
}

int tideL_awaitfs(lua_State *L, tideL_state *S, tideR_task *task, tideR_fs *op,
                  tideL_finish finish) {
  if (tideR_fs_begin(S->rt, op))
    return tideL_ready(L, S, task, tideR_fs_promise(task, op, true), finish);
  tideR_fs_park(S->rt, task, op, true);
  return tideL_suspend(L, S, task, finish);
}

/* ---- ending ---- */

tideR_fs *tideL_gotfs(lua_State *L, tideL_state *S, tideR_task *task) {
  tideL_checkdelivered(L, S, task);
  tideL_donefs(S);
  S->ended_fs = tideR_fs_of(task);
  tideR_fs_own(task, S->ended_fs);
  return S->ended_fs;
}

void tideL_donefs(tideL_state *S) {
  tideR_fs *op = S->ended_fs;
  S->ended_fs = NULL;
  if (op != NULL)
    tideR_fs_release(op);
}

int tideL_pushfsfault(lua_State *L, const tideR_fs *op) {
  const char *message = uv_strerror((int)op->result);
  lua_pushnil(L);
  if (op->path == NULL)
    lua_pushstring(L, message);
  else if (op->to == NULL)
    lua_pushfstring(L, "%s: %s", op->path, message);
  else
    lua_pushfstring(L, "%s -> %s: %s", op->path, op->to, message);
  lua_pushstring(L, uv_err_name((int)op->result));
  return 3;
}

/* ---- what they give ---- */

static int did(lua_State *L, tideL_state *S, tideR_task *task) {
  const tideR_fs *op = tideL_gotfs(L, S, task);
  int n = 1;
  if (op->result < 0)
    n = tideL_pushfsfault(L, op);
  else
    lua_pushboolean(L, 1);
  tideL_donefs(S);
  return n;
}

static int gave_text(lua_State *L, tideL_state *S, tideR_task *task) {
  tideR_fs *op = tideL_gotfs(L, S, task);
  int n = 1;
  if (op->result < 0)
    n = tideL_pushfsfault(L, op);
  else
    lua_pushlstring(L, op->bytes, op->length);
  if (op->kind == &tideR_fs_mkdtemp)
    tideR_fs_take(op);
  tideL_donefs(S);
  return n;
}

static const char *type_name(uint64_t mode) {
  switch (mode & S_IFMT) {
  case S_IFREG:
    return "file";
  case S_IFDIR:
    return "directory";
  case S_IFLNK:
    return "link";
  case S_IFCHR:
    return "char";
#ifndef _WIN32
  case S_IFBLK:
    return "block";
  case S_IFIFO:
    return "fifo";
  case S_IFSOCK:
    return "socket";
#endif
  default:
    return "unknown";
  }
}

static void set_time(lua_State *L, const char *field, const uv_timespec_t *t) {
  lua_pushnumber(L, (lua_Number)t->tv_sec + (lua_Number)t->tv_nsec * 1e-9);
  lua_setfield(L, -2, field);
}

static void set_count(lua_State *L, const char *field, uint64_t n) {
#if LUA_VERSION_NUM >= 503
  lua_pushinteger(L, (lua_Integer)n);
#else
  lua_pushnumber(L, (lua_Number)n);
#endif
  lua_setfield(L, -2, field);
}

void tideL_pushstat(lua_State *L, const uv_stat_t *stat) {
  lua_createtable(L, 0, 16);
  lua_pushstring(L, type_name(stat->st_mode));
  lua_setfield(L, -2, "type");
  set_count(L, "size", stat->st_size);
  set_count(L, "mode", stat->st_mode & 07777);
  set_count(L, "uid", stat->st_uid);
  set_count(L, "gid", stat->st_gid);
  set_count(L, "ino", stat->st_ino);
  set_count(L, "dev", stat->st_dev);
  set_count(L, "rdev", stat->st_rdev);
  set_count(L, "nlink", stat->st_nlink);
  set_count(L, "blksize", stat->st_blksize);
  set_count(L, "blocks", stat->st_blocks);
  set_time(L, "atime", &stat->st_atim);
  set_time(L, "mtime", &stat->st_mtim);
  set_time(L, "ctime", &stat->st_ctim);
  set_time(L, "birthtime", &stat->st_birthtim);
}

static int gave_stat(lua_State *L, tideL_state *S, tideR_task *task) {
  const tideR_fs *op = tideL_gotfs(L, S, task);
  int n = 1;
  if (op->result < 0)
    n = tideL_pushfsfault(L, op);
  else
    tideL_pushstat(L, &op->stat);
  tideL_donefs(S);
  return n;
}

/* ---- those of paths alone ---- */

typedef struct operation {
  const char *name;
  const tideR_fskind *kind;
  bool has_two;
} operation;

static int start_path(lua_State *L);

/* In the same order: which one start_path is, its upvalue tells. */
static const operation operations[] = {
    {"tide.fs.stat", &tideR_fs_stat, false},
    {"tide.fs.lstat", &tideR_fs_lstat, false},
    {"tide.fs.readlink", &tideR_fs_readlink, false},
    {"tide.fs.realpath", &tideR_fs_realpath, false},
    {"tide.fs.rmdir", &tideR_fs_rmdir, false},
    {"tide.fs.unlink", &tideR_fs_unlink, false},
    {"tide.fs.mkdtemp", &tideR_fs_mkdtemp, false},
    {"tide.fs.rename", &tideR_fs_rename, true},
    {"tide.fs.link", &tideR_fs_link, true}};

static const tideL_awaiting of_paths[] = {
    {"fs.fs_stat", start_path, gave_stat, AWAIT_RESULTS},
    {"fs.fs_lstat", start_path, gave_stat, AWAIT_RESULTS},
    {"fs.fs_readlink", start_path, gave_text, AWAIT_RESULTS},
    {"fs.fs_realpath", start_path, gave_text, AWAIT_RESULTS},
    {"fs.fs_rmdir", start_path, did, AWAIT_RESULTS},
    {"fs.fs_unlink", start_path, did, AWAIT_RESULTS},
    {"fs.fs_mkdtemp", start_path, gave_text, AWAIT_RESULTS},
    {"fs.fs_rename", start_path, did, AWAIT_RESULTS},
    {"fs.fs_link", start_path, did, AWAIT_RESULTS},
    {NULL, NULL, NULL, AWAIT_RESULTS}};

static int start_path(lua_State *L) {
  const tideL_awaiting *await = lua_touserdata(L, UP_AWAITING);
  const operation *what = &operations[await - of_paths];
  tideL_state *S = tideL_get(L);
  tideR_task *task = tideL_enter(L, S, what->name);
  tideL_path path = tideL_checkpath(L, 1, what->name), to = {NULL, 0};
  if (what->has_two)
    to = tideL_checkpath(L, 2, what->name);
  if (tideL_checkpoint(S, task))
    return tideL_cancel(L, S, task, what->name, await->finish);
  return tideL_awaitfs(
      L, S, task, tideL_newfs(L, S, task, what->name, what->kind, &path, &to),
      await->finish);
}

void tideL_openfs(lua_State *L) {
  tideL_setawaiting(L, of_paths);
}
