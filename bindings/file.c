/*
 * file.c: the File object: an open file.
 *
 * It is a Stream to the methods of reader.c. The others are operations of the
 * pool's, which the awaits own: what runs is done, whoever is cancelled.
 */
#include <stdlib.h>
#include <string.h>

#include "../runtime/file.h"
#include "files.h"
#include "streams.h"

#define LENGTH_MAX 0x40000000 /* of a pread */

static tideR_file *file_of(const tideL_stream *self) {
  return tideR_file_of(self->stream);
}

static int push_true(lua_State *L) {
  lua_pushboolean(L, 1);
  return 1;
}

/* ---- open ---- */

/* What is asked for of a file's name, as Lua's io.open has it, and "x". */
static int parse_mode(const char *mode) {
  int flags = UV_FS_O_RDONLY, made = 0;
  bool both = false, binary = false, exclusive = false;
  if (*mode == 'w')
    made = UV_FS_O_CREAT | UV_FS_O_TRUNC;
  else if (*mode == 'a')
    made = UV_FS_O_CREAT | UV_FS_O_APPEND;
  else if (*mode != 'r')
    return -1;
  for (const char *at = mode + 1; *at != '\0'; at++) {
    bool *seen = *at == '+'   ? &both
                 : *at == 'b' ? &binary
                 : *at == 'x' ? &exclusive
                              : NULL;
    if (seen == NULL || *seen)
      return -1;
    *seen = true;
  }
  if (exclusive && made == 0)
    return -1;
  if (both)
    flags = UV_FS_O_RDWR;
  else if (made != 0)
    flags = UV_FS_O_WRONLY;
  return flags | made | (exclusive ? UV_FS_O_EXCL : 0);
}

static int check_mode(lua_State *L, int arg, const char *function) {
  const char *mode = "r";
  size_t length = 1;
  int flags;
  if (!lua_isnoneornil(L, arg)) {
    if (lua_type(L, arg) != LUA_TSTRING)
      tideL_typeerror(L, arg, function, "mode");
    mode = lua_tolstring(L, arg, &length);
  }
  flags = strlen(mode) == length ? parse_mode(mode) : -1;
  if (flags < 0)
    tideL_argerror(L, arg, function, "no mode for opening a file");
  return flags;
}

/* Out of memory it is closed again. */
static int has_opened(lua_State *L, tideL_state *S, tideR_task *task) {
  tideR_fs *op = tideL_gotfs(L, S, task);
  tideL_stream *self;
  tideR_file *file;
  if (op->result < 0) {
    int n = tideL_pushfsfault(L, op);
    tideL_donefs(S);
    return n;
  }
  self = tideL_newstreamof(L, S, true);
  file = tideR_file_new(S->rt, op, op->flags & UV_FS_O_APPEND);
  if (file == NULL)
    luaL_error(L, "not enough memory");
  self->stream = tideR_file_stream(file);
  self->stream->limit =
      tideL_optsize(L, 3, "tide.fs.open", "limit", TIDE_LIMIT);
  tideL_donefs(S);
  return 1;
}

/* fs_open(path[, mode[, options]]): a File */
static int core_open(lua_State *L) {
  static const char name[] = "tide.fs.open";
  tideL_state *S = tideL_get(L);
  tideR_task *task = tideL_enter(L, S, name);
  tideL_path path = tideL_checkpath(L, 1, name);
  int flags = check_mode(L, 2, name), mode;
  tideR_fs *op;
  tideL_checkfsoptions(L, 3, name);
  mode = tideL_fsmode(L, 3, name, 0666);
  tideL_optsize(L, 3, name, "limit", TIDE_LIMIT);
  if (tideL_checkpoint(S, task))
    return tideL_cancel(L, S, task, name, has_opened);
  op = tideL_newfs(L, S, task, name, &tideR_file_open, &path, NULL);
  op->flags = flags;
  op->mode = mode;
  return tideL_awaitfs(L, S, task, op, has_opened);
}

/* ---- operations ---- */

/* A new one on the file. Nothing that may raise comes until it is awaited, or
 * kept. */
static tideR_fs *new_op(lua_State *L, const tideR_task *task, const char *name,
                        const tideL_stream *self, const tideR_fskind *kind) {
  tideR_fs *op;
  tideL_checkyield(L, task, name);
  op = tideR_file_do(file_of(self), kind);
  if (op == NULL)
    luaL_error(L, "not enough memory");
  return op;
}

/* In finish: what new_op made; it stays until tideL_donefs. */
static tideR_fs *got_op(lua_State *L, tideL_state *S, tideR_task *task) {
  tideR_fs *op = tideL_gotfs(L, S, task);
  tideR_file_end(S->rt, op);
  return op;
}

static int end_op(tideL_state *S, int results) {
  tideL_donefs(S);
  return results;
}

static int did(lua_State *L, tideL_state *S, tideR_task *task) {
  const tideR_fs *op = got_op(L, S, task);
  return end_op(S, op->result < 0 ? tideL_pushfault(L, (int)op->result)
                                  : push_true(L));
}

/* A whole number, of any sign. */
static int64_t check_offset(lua_State *L, int arg, const char *function) {
  lua_Number n = tideL_checknumber(L, arg, function);
  if (!(n >= -(lua_Number)TIDEL_COUNT_MAX &&
        n <= (lua_Number)TIDEL_COUNT_MAX) ||
      n != (lua_Number)(int64_t)n)
    tideL_argerror(L, arg, function, "a whole number expected");
  return (int64_t)n;
}

/* ---- writing ---- */

/* Of one that failed on the way: how many were, too. */
static int has_written(lua_State *L, tideL_state *S, tideR_task *task) {
  const tideR_fs *op = got_op(L, S, task);
  const tideL_stream *self = lua_touserdata(L, 1);
  int n;
  if (op->kind == &tideR_file_pwrite && !tideL_streamclosed(self))
    tideR_file_written(file_of(self), op);
  if (op->result >= 0)
    return end_op(S, push_true(L));
  n = tideL_pushfault(L, (int)op->result);
  tideL_pushint64(L, (int64_t)op->length);
  return end_op(S, n + 1);
}

static void copy(lua_State *L, tideR_fs *op, int first, int last) {
  size_t room = 0;
  for (int arg = first; arg <= last; arg++)
    if (!tideL_copyfsdata(L, arg, op, &room))
      luaL_error(L, "not enough memory");
}

/* File:write(...): strings, numbers, lists of these; true once it is written */
static int file_write(lua_State *L) {
  static const char name[] = "File:write";
  tideL_state *S = tideL_get(L);
  tideR_task *task = tideL_enter(L, S, name);
  const tideL_stream *self = tideL_checkstream(L, S, name);
  int top = lua_gettop(L);
  for (int arg = 2; arg <= top; arg++)
    tideL_checkfsdata(L, arg, name);
  if (tideL_checkpoint(S, task))
    return tideL_cancel(L, S, task, name, has_written);
  tideL_keepfs(S, new_op(L, task, name, self, &tideR_file_write));
  copy(L, S->ended_fs, 2, top);
  return tideL_awaitfs(L, S, task, tideL_takefs(S), has_written);
}

/* File:pwrite(data, offset): the position stays */
static int file_pwrite(lua_State *L) {
  static const char name[] = "File:pwrite";
  tideL_state *S = tideL_get(L);
  tideR_task *task = tideL_enter(L, S, name);
  const tideL_stream *self = tideL_checkstream(L, S, name);
  int64_t offset;
  tideL_checkfsdata(L, 2, name);
  offset = (int64_t)tideL_checkcount(L, 3, name, 0);
  if (tideL_checkpoint(S, task))
    return tideL_cancel(L, S, task, name, has_written);
  tideL_keepfs(S, new_op(L, task, name, self, &tideR_file_pwrite));
  copy(L, S->ended_fs, 2, 2);
  S->ended_fs->offset = offset;
  return tideL_awaitfs(L, S, task, tideL_takefs(S), has_written);
}

/* ---- pread ---- */

static int has_read(lua_State *L, tideL_state *S, tideR_task *task) {
  const tideR_fs *op = got_op(L, S, task);
  if (op->result < 0)
    return end_op(S, tideL_pushfault(L, (int)op->result));
  if (op->length == 0 && op->size > 0)
    return end_op(S, tideL_pushfault(L, UV_EOF));
  lua_pushlstring(L, op->length > 0 ? op->bytes : "", op->length);
  return end_op(S, 1);
}

/* File:pread(n, offset): what there is of n bytes; the position stays */
static int file_pread(lua_State *L) {
  static const char name[] = "File:pread";
  tideL_state *S = tideL_get(L);
  tideR_task *task = tideL_enter(L, S, name);
  const tideL_stream *self = tideL_checkstream(L, S, name);
  uint64_t size = tideL_checkcount(L, 2, name, 0);
  int64_t offset = (int64_t)tideL_checkcount(L, 3, name, 0);
  tideR_fs *op;
  if (tideL_checkpoint(S, task))
    return tideL_cancel(L, S, task, name, has_read);
  op = new_op(L, task, name, self, &tideR_file_pread);
  op->offset = offset;
  op->size = size < LENGTH_MAX ? (size_t)size : LENGTH_MAX;
  op->bytes = malloc(op->size > 0 ? op->size : 1);
  if (op->bytes == NULL)
    op->refused = UV_ENOMEM;
  return tideL_awaitfs(L, S, task, op, has_read);
}

/* ---- the position ---- */

static tideR_whence check_whence(lua_State *L, const char *name) {
  static const char *const names[] = {"set", "cur", "end"};
  const char *given = "cur";
  if (!lua_isnoneornil(L, 2))
    given = lua_type(L, 2) == LUA_TSTRING ? lua_tostring(L, 2) : "";
  for (int i = 0; i < 3; i++)
    if (strcmp(given, names[i]) == 0)
      return (tideR_whence)i;
  tideL_argerror(L, 2, name, "\"set\", \"cur\" or \"end\" expected");
  return TIDE_SEEK_CUR;
}

static int push_position(lua_State *L, int64_t position) {
  if (position < 0)
    return tideL_pushfault(L, (int)position);
  tideL_pushint64(L, position);
  return 1;
}

static int has_sought(lua_State *L, tideL_state *S, tideR_task *task) {
  return end_op(S, push_position(L, got_op(L, S, task)->result));
}

/* File:seek([whence[, offset]]): the position from the beginning. What need not
 * wait is no cancel point that could lose it: it is done, and told. */
static int file_seek(lua_State *L) {
  static const char name[] = "File:seek";
  tideL_state *S = tideL_get(L);
  tideR_task *task = tideL_enter(L, S, name);
  const tideL_stream *self = tideL_checkstream(L, S, name);
  tideR_whence whence = check_whence(L, name);
  int64_t offset = 0, position;
  tideR_fs *op;
  if (!lua_isnoneornil(L, 3))
    offset = check_offset(L, 3, name);
  if (tideL_checkpoint(S, task))
    return tideL_cancel(L, S, task, name, has_sought);
  tideL_checkunheld(L, name, self->stream);
  if (!tideL_streamclosed(self) &&
      tideR_file_seek_now(file_of(self), whence, offset, &position)) {
    if (position >= 0) {
      tideL_pushint64(L, position);
      return tideL_done(L);
    }
  }
  op = new_op(L, task, name, self, &tideR_file_seek);
  op->offset = offset;
  op->flags = (int)whence;
  return tideL_awaitfs(L, S, task, op, has_sought);
}

/* File:truncate([size]): without one, to where the position is */
static int file_truncate(lua_State *L) {
  static const char name[] = "File:truncate";
  tideL_state *S = tideL_get(L);
  tideR_task *task = tideL_enter(L, S, name);
  const tideL_stream *self = tideL_checkstream(L, S, name);
  bool here = lua_isnoneornil(L, 2);
  int64_t size = here ? 0 : (int64_t)tideL_checkcount(L, 2, name, 0);
  tideR_fs *op;
  if (tideL_checkpoint(S, task))
    return tideL_cancel(L, S, task, name, did);
  op = new_op(L, task, name, self, &tideR_file_truncate);
  op->offset = size;
  op->flags = here;
  return tideL_awaitfs(L, S, task, op, did);
}

/* ---- sync, stat ---- */

static int sync_as(lua_State *L, const char *name, const tideR_fskind *kind) {
  tideL_state *S = tideL_get(L);
  tideR_task *task = tideL_enter(L, S, name);
  const tideL_stream *self = tideL_checkstream(L, S, name);
  if (tideL_checkpoint(S, task))
    return tideL_cancel(L, S, task, name, did);
  return tideL_awaitfs(L, S, task, new_op(L, task, name, self, kind), did);
}

/* File:sync(): what was written is on the disk; File:datasync(): if not the
 * times */
static int file_sync(lua_State *L) {
  return sync_as(L, "File:sync", &tideR_file_sync);
}

static int file_datasync(lua_State *L) {
  return sync_as(L, "File:datasync", &tideR_file_datasync);
}

static int has_stat(lua_State *L, tideL_state *S, tideR_task *task) {
  const tideR_fs *op = got_op(L, S, task);
  if (op->result < 0)
    return end_op(S, tideL_pushfault(L, (int)op->result));
  tideL_pushstat(L, &op->stat);
  return end_op(S, 1);
}

static int file_stat(lua_State *L) {
  static const char name[] = "File:stat";
  tideL_state *S = tideL_get(L);
  tideR_task *task = tideL_enter(L, S, name);
  const tideL_stream *self = tideL_checkstream(L, S, name);
  if (tideL_checkpoint(S, task))
    return tideL_cancel(L, S, task, name, has_stat);
  return tideL_awaitfs(L, S, task,
                       new_op(L, task, name, self, &tideR_file_stat), has_stat);
}

/* ---- close ---- */

/* Where nobody can wait, in a finaliser say, it is closed all the same. */
static tideR_task *who_waits(lua_State *L, tideL_state *S, const char *name) {
  tideR_task *task = S->current;
  bool is_main = lua_pushthread(L);
  lua_pop(L, 1);
  if (task == NULL && is_main && !tideL_isbusy(S) && !S->hosted &&
      S->blocking && !S->starting && S->rt != NULL && !tideL_infinaliser(L))
    task = tideL_enter(L, S, name);
  if (task == NULL || task->coro != L || !tideL_yieldable(L, task))
    return NULL;
  return task;
}

/* A cancel ends the wait, and not the closing: it comes with the next await. */
static int has_closed(lua_State *L, tideL_state *S, tideR_task *task) {
  const tideR_fs *op;
  if (task->status != TIDE_WOKEN) {
    task->status = TIDE_WOKEN;
    return push_true(L);
  }
  op = tideL_gotfs(L, S, task);
  return end_op(S, op->result < 0 ? tideL_pushfault(L, (int)op->result)
                                  : push_true(L));
}

/* File:close(): true once it is; again is fine */
static int file_close(lua_State *L) {
  static const char name[] = "File:close";
  tideL_state *S = tideL_get(L);
  const tideL_stream *self = tideL_streamtype(L, name);
  tideR_task *task = NULL;
  tideR_fs *op = NULL;
  if (!tideL_streamclosed(self)) {
    task = who_waits(L, S, name); /* nothing raises from here on */
    if (task != NULL)
      op = tideR_file_closing(file_of(self));
    else
      tideR_handle_close(&self->stream->handle);
  }
  if (op != NULL)
    return tideL_awaitfs(L, S, task, op, has_closed);
  push_true(L);
  return tideL_done(L);
}

/* ---- the rest ---- */

static int file_is_closing(lua_State *L) {
  lua_pushboolean(L,
                  tideL_streamclosed(tideL_streamtype(L, "File:is_closing")));
  return 1;
}

static int file_fileno(lua_State *L) {
  const tideL_stream *self = tideL_checkstream(L, tideL_get(L), "File:fileno");
  if (tideL_streamclosed(self))
    return tideL_pushfault(L, UV_ECANCELED);
  lua_pushinteger(L, tideR_file_fd(file_of(self)));
  return 1;
}

static int file__tostring(lua_State *L) {
  const tideL_stream *self = tideL_streamtype(L, "File:__tostring");
  lua_pushfstring(L, "File<%s>", tideL_streamclosed(self) ? "closed" : "open");
  return 1;
}

void tideL_openfsfile(lua_State *L) {
  static const luaL_Reg methods[] = {
      {"is_closing", file_is_closing}, {"fileno", file_fileno}, {NULL, NULL}};
  static const luaL_Reg metamethods[] = {
      {"__gc", tideL_streamgc}, {"__tostring", file__tostring}, {NULL, NULL}};
  static const tideL_awaiting functions[] = {
      {"fs.fs_open", core_open, has_opened, AWAIT_RESULTS},
      {NULL, NULL, NULL, AWAIT_RESULTS}};
  static const tideL_awaiting awaiting[] = {
      {"File:write", file_write, has_written, AWAIT_MANY},
      {"File:pwrite", file_pwrite, has_written, AWAIT_RESULTS},
      {"File:pread", file_pread, has_read, AWAIT_RESULTS},
      {"File:seek", file_seek, has_sought, AWAIT_VALUE},
      {"File:truncate", file_truncate, did, AWAIT_RESULTS},
      {"File:sync", file_sync, did, AWAIT_RESULTS},
      {"File:datasync", file_datasync, did, AWAIT_RESULTS},
      {"File:stat", file_stat, has_stat, AWAIT_RESULTS},
      {"File:close", file_close, has_closed, AWAIT_VALUE},
      {NULL, NULL, NULL, AWAIT_RESULTS}};
  tideL_newclass(L, OWN_FILE, "tide.File", methods, metamethods);
  tideL_setawaiting(L, awaiting);
  tideL_addreading(L, true);
  tideL_own(L, OWN_FILE);
  lua_getfield(L, -2, "close");
  lua_setfield(L, -2, "__close");
  lua_pop(L, 1);
  lua_setfield(L, -2, "File"); /* its methods: lua/tide adds to them */
  tideL_setawaiting(L, functions);
}
