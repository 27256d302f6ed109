/*
 * fs.c: operations of the file system: how each begins and ends; those on paths
 * that are one call.
 *
 * The await is the user of an operation, so that it costs no object of Lua's:
 * the task knows what it waits for.
 */
#include <stdlib.h>
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

void tideL_keepfs(tideL_state *S, tideR_fs *op) {
  tideL_donefs(S);
  S->ended_fs = op;
}

tideR_fs *tideL_takefs(tideL_state *S) {
  tideR_fs *op = S->ended_fs;
  S->ended_fs = NULL;
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
  tideL_keepfs(S, tideR_fs_of(task));
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

/* What an operation that did not fail gives: one value. */
static int gave(lua_State *L, tideL_state *S, tideR_task *task,
                void (*push)(lua_State *L, tideR_fs *op)) {
  tideR_fs *op = tideL_gotfs(L, S, task);
  int n = 1;
  if (op->result < 0)
    n = tideL_pushfsfault(L, op);
  else
    push(L, op);
  tideL_donefs(S);
  return n;
}

static void push_true(lua_State *L, tideR_fs *op) {
  (void)op;
  lua_pushboolean(L, 1);
}

int tideL_didfs(lua_State *L, tideL_state *S, tideR_task *task) {
  return gave(L, S, task, push_true);
}

static void push_text(lua_State *L, tideR_fs *op) {
  lua_pushlstring(L, op->bytes, op->length);
}

static int gave_text(lua_State *L, tideL_state *S, tideR_task *task) {
  return gave(L, S, task, push_text);
}

/* Of what was made, which is the caller's once it has the name. */
static void push_name(lua_State *L, tideR_fs *op) {
  push_text(L, op);
  tideR_fs_take(op);
}

static int gave_name(lua_State *L, tideL_state *S, tideR_task *task) {
  return gave(L, S, task, push_name);
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

void tideL_pushstat(lua_State *L, const uv_stat_t *stat) {
  lua_createtable(L, 0, 16);
  lua_pushstring(L, type_name(stat->st_mode));
  lua_setfield(L, -2, "type");
  tideL_setcount(L, "size", stat->st_size);
  tideL_setcount(L, "mode", stat->st_mode & 07777);
  tideL_setcount(L, "uid", stat->st_uid);
  tideL_setcount(L, "gid", stat->st_gid);
  tideL_setcount(L, "ino", stat->st_ino);
  tideL_setcount(L, "dev", stat->st_dev);
  tideL_setcount(L, "rdev", stat->st_rdev);
  tideL_setcount(L, "nlink", stat->st_nlink);
  tideL_setcount(L, "blksize", stat->st_blksize);
  tideL_setcount(L, "blocks", stat->st_blocks);
  set_time(L, "atime", &stat->st_atim);
  set_time(L, "mtime", &stat->st_mtim);
  set_time(L, "ctime", &stat->st_ctim);
  set_time(L, "birthtime", &stat->st_birthtim);
}

static void push_stat(lua_State *L, tideR_fs *op) {
  tideL_pushstat(L, &op->stat);
}

static int gave_stat(lua_State *L, tideL_state *S, tideR_task *task) {
  return gave(L, S, task, push_stat);
}

/* ---- how each starts ---- */

/* What start has found, until there is an operation that has it. */
typedef struct begun {
  tideL_state *S;
  tideR_task *task;
  const char *name;
  const tideR_fskind *kind;
  tideL_path path, to;
  int flags, mode;
  double atime, mtime;
} begun;

/* With the paths that come first. */
static begun enter(lua_State *L, const char *name, const tideR_fskind *kind,
                   bool has_two) {
  begun it = {.name = name, .kind = kind};
  it.S = tideL_get(L);
  it.task = tideL_enter(L, it.S, name);
  it.path = tideL_checkpath(L, 1, name);
  if (has_two)
    it.to = tideL_checkpath(L, 2, name);
  return it;
}

static int begin(lua_State *L, const begun *it, tideL_finish finish) {
  tideR_fs *op;
  if (tideL_checkpoint(it->S, it->task))
    return tideL_cancel(L, it->S, it->task, it->name, finish);
  op = tideL_newfs(L, it->S, it->task, it->name, it->kind, &it->path, &it->to);
  op->flags = it->flags;
  op->mode = it->mode;
  op->atime = it->atime;
  op->mtime = it->mtime;
  return tideL_awaitfs(L, it->S, it->task, op, finish);
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
    {"tide.fs.mkstemp", &tideR_fs_mkstemp, false},
    {"tide.fs.read_file", &tideR_fs_read_file, false},
    {"tide.fs.rename", &tideR_fs_rename, true},
    {"tide.fs.link", &tideR_fs_link, true}};

static const tideL_awaiting of_paths[] = {
    {"fs.fs_stat", start_path, gave_stat, AWAIT_RESULTS},
    {"fs.fs_lstat", start_path, gave_stat, AWAIT_RESULTS},
    {"fs.fs_readlink", start_path, gave_text, AWAIT_RESULTS},
    {"fs.fs_realpath", start_path, gave_text, AWAIT_RESULTS},
    {"fs.fs_rmdir", start_path, tideL_didfs, AWAIT_RESULTS},
    {"fs.fs_unlink", start_path, tideL_didfs, AWAIT_RESULTS},
    {"fs.fs_mkdtemp", start_path, gave_name, AWAIT_RESULTS},
    {"fs.fs_mkstemp", start_path, gave_name, AWAIT_RESULTS},
    {"fs.fs_read_file", start_path, gave_text, AWAIT_RESULTS},
    {"fs.fs_rename", start_path, tideL_didfs, AWAIT_RESULTS},
    {"fs.fs_link", start_path, tideL_didfs, AWAIT_RESULTS},
    {NULL, NULL, NULL, AWAIT_RESULTS}};

static int start_path(lua_State *L) {
  const tideL_awaiting *await = lua_touserdata(L, UP_AWAITING);
  const operation *what = &operations[await - of_paths];
  begun it = enter(L, what->name, what->kind, what->has_two);
  return begin(L, &it, await->finish);
}

/* ---- those with more ---- */

/* Bits of who may do what: a number, or its octal digits. */
static int read_mode(lua_State *L, int index, int otherwise) {
  lua_Number mode = -1;
  int isnum;
  if (lua_isnoneornil(L, index))
    return otherwise;
  if (lua_type(L, index) == LUA_TSTRING) {
    char *end;
    size_t length;
    const char *text = lua_tolstring(L, index, &length);
    if (text[0] >= '0' && text[0] <= '7')
      mode = (lua_Number)strtol(text, &end, 8);
    if (mode < 0 || end != text + length)
      return -1;
  } else {
    mode = tideL_tonumber(L, index, &isnum);
    if (!isnum)
      return -1;
  }
  if (!(mode >= 0 && mode <= 07777) || mode != (lua_Number)(int)mode)
    return -1;
  return (int)mode;
}

static int check_mode(lua_State *L, int arg, const char *function) {
  int mode = read_mode(L, arg, -1);
  if (mode < 0)
    tideL_typeerror(L, arg, function, "mode, a number or octal digits");
  return mode;
}

void tideL_checkfsoptions(lua_State *L, int arg, const char *function) {
  if (!lua_isnoneornil(L, arg) && lua_type(L, arg) != LUA_TTABLE)
    tideL_typeerror(L, arg, function, "table");
}

bool tideL_fsflag(lua_State *L, int arg, const char *field) {
  bool on;
  if (lua_type(L, arg) != LUA_TTABLE)
    return false;
  lua_getfield(L, arg, field);
  on = lua_toboolean(L, -1);
  lua_pop(L, 1);
  return on;
}

int tideL_fsmode(lua_State *L, int arg, const char *function, int otherwise) {
  int mode = otherwise;
  if (lua_type(L, arg) != LUA_TTABLE)
    return mode;
  lua_getfield(L, arg, "mode");
  mode = read_mode(L, -1, otherwise);
  lua_pop(L, 1);
  if (mode < 0)
    tideL_error(L,
                "bad option 'mode' to '%s' (a number or octal digits "
                "expected)",
                function);
  return mode;
}

/* fs_mkdir(path[, {parents=, mode=}]) */
static int core_mkdir(lua_State *L) {
  begun it = enter(L, "tide.fs.mkdir", &tideR_fs_mkdir, false);
  tideL_checkfsoptions(L, 2, it.name);
  it.flags = tideL_fsflag(L, 2, "parents");
  it.mode = tideL_fsmode(L, 2, it.name, 0777);
  return begin(L, &it, tideL_didfs);
}

/* fs_remove(path[, {recursive=}]) */
static int core_remove(lua_State *L) {
  begun it = enter(L, "tide.fs.remove", &tideR_fs_remove, false);
  tideL_checkfsoptions(L, 2, it.name);
  it.flags = tideL_fsflag(L, 2, "recursive");
  return begin(L, &it, tideL_didfs);
}

/* fs_copy(path, to[, {exclusive=}]) */
static int core_copy(lua_State *L) {
  begun it = enter(L, "tide.fs.copy", &tideR_fs_copy, true);
  tideL_checkfsoptions(L, 3, it.name);
  it.flags = UV_FS_COPYFILE_FICLONE;
  if (tideL_fsflag(L, 3, "exclusive"))
    it.flags |= UV_FS_COPYFILE_EXCL;
  return begin(L, &it, tideL_didfs);
}

/* fs_symlink(target, path[, {directory=}]): the option is for Windows */
static int core_symlink(lua_State *L) {
  begun it = enter(L, "tide.fs.symlink", &tideR_fs_symlink, true);
  tideL_checkfsoptions(L, 3, it.name);
  it.flags = tideL_fsflag(L, 3, "directory") ? UV_FS_SYMLINK_DIR : 0;
  return begin(L, &it, tideL_didfs);
}

/* fs_chmod(path, mode) */
static int core_chmod(lua_State *L) {
  begun it = enter(L, "tide.fs.chmod", &tideR_fs_chmod, false);
  it.mode = check_mode(L, 2, it.name);
  return begin(L, &it, tideL_didfs);
}

/* fs_access(path[, letters of "rwx"]): none, whether it is there */
static int core_access(lua_State *L) {
  begun it = enter(L, "tide.fs.access", &tideR_fs_access, false);
  if (!lua_isnoneornil(L, 2)) {
    size_t length;
    const char *at, *end;
    if (lua_type(L, 2) != LUA_TSTRING)
      tideL_typeerror(L, 2, it.name, "letters of \"rwx\"");
    at = lua_tolstring(L, 2, &length);
    for (end = at + length; at < end; at++) {
      if (*at == '\0' || strchr("rwx", *at) == NULL)
        tideL_argerror(L, 2, it.name, "letters of \"rwx\" expected");
      it.mode |= *at == 'r' ? 4 : *at == 'w' ? 2 : 1;
    }
  }
  return begin(L, &it, tideL_didfs);
}

static double now(void) {
  uv_timeval64_t time;
  uv_gettimeofday(&time);
  return (double)time.tv_sec + (double)time.tv_usec * 1e-6;
}

/* A system has no other times. */
static double check_time(lua_State *L, int arg, const char *function) {
  lua_Number time = tideL_checkseconds(L, arg, function);
  if (!(time > -1e12 && time < 1e12))
    tideL_argerror(L, arg, function, "a time out of range");
  return (double)time;
}

/* fs_utime(path[, atime[, mtime]]): now; mtime as atime */
static int core_utime(lua_State *L) {
  begun it = enter(L, "tide.fs.utime", &tideR_fs_utime, false);
  it.atime = lua_isnoneornil(L, 2) ? now() : check_time(L, 2, it.name);
  it.mtime = lua_isnoneornil(L, 3) ? it.atime : check_time(L, 3, it.name);
  return begin(L, &it, tideL_didfs);
}

/* fs_tmpdir(): where temporary files go */
static int core_tmpdir(lua_State *L) {
  char path[4096];
  size_t size = sizeof path;
  int err = uv_os_tmpdir(path, &size);
  if (err < 0)
    return tideL_pushdone(L, err);
  if (size == 0) /* TMPDIR is there and says nothing */
    lua_pushliteral(L, "/tmp");
  else
    lua_pushlstring(L, path, size);
  return 1;
}

void tideL_openfs(lua_State *L) {
  static const luaL_Reg functions[] = {{"fs_tmpdir", core_tmpdir},
                                       {NULL, NULL}};
  static const tideL_awaiting awaiting[] = {
      {"fs.fs_mkdir", core_mkdir, tideL_didfs, AWAIT_RESULTS},
      {"fs.fs_remove", core_remove, tideL_didfs, AWAIT_RESULTS},
      {"fs.fs_copy", core_copy, tideL_didfs, AWAIT_RESULTS},
      {"fs.fs_symlink", core_symlink, tideL_didfs, AWAIT_RESULTS},
      {"fs.fs_chmod", core_chmod, tideL_didfs, AWAIT_RESULTS},
      {"fs.fs_access", core_access, tideL_didfs, AWAIT_RESULTS},
      {"fs.fs_utime", core_utime, tideL_didfs, AWAIT_RESULTS},
      {NULL, NULL, NULL, AWAIT_RESULTS}};
  tideL_setawaiting(L, of_paths);
  tideL_setawaiting(L, awaiting);
  tideL_setfunctions(L, functions);
}
