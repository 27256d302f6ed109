/* files.h: what the files of the file system share among them. Private.
 *
 *   fs.c        how an operation is begun and ended; those on paths
 *   fswrite.c   files written as a whole
 *   fsdir.c     the Dir object: what is in a directory
 *   file.c      the File object: all but reading
 *   watchdir.c  the Watch object
 */
#ifndef TIDE_FILES_H
#define TIDE_FILES_H

#include "../runtime/fs.h"
#include "bindings.h"

#pragma GCC visibility push(hidden)

/* ---- fs.c ---- */

typedef struct tideL_path {
  const char *text;
  size_t length;
} tideL_path;

/* A path: any string. One with a zero in it is the world's to refuse. */
tideL_path tideL_checkpath(lua_State *L, int arg, const char *function);
/* A new operation, for the task to wait for: nothing that may raise may come
 * until tideL_awaitfs. NULL: it has no path. Raises where the task cannot wait,
 * and out of memory. */
tideR_fs *tideL_newfs(lua_State *L, tideL_state *S, const tideR_task *task,
                      const char *function, const tideR_fskind *kind,
                      const tideL_path *path, const tideL_path *to);
/* For what may raise after all: it is released by the next one, until taken. */
void tideL_keepfs(tideL_state *S, tideR_fs *op);
tideR_fs *tideL_takefs(tideL_state *S);
/* Begins it and suspends: returned from start. */
int tideL_awaitfs(lua_State *L, tideL_state *S, tideR_task *task, tideR_fs *op,
                  tideL_finish finish);
/* In finish: the operation, which is over; raises if the await was left. It
 * stays until tideL_donefs; if something raises before, until the next one. */
tideR_fs *tideL_gotfs(lua_State *L, tideL_state *S, tideR_task *task);
void tideL_donefs(tideL_state *S);
/* nil, "path: message", code */
int tideL_pushfsfault(lua_State *L, const tideR_fs *op);
/* Pushes the table that a stat gives. */
void tideL_pushstat(lua_State *L, const uv_stat_t *stat);
/* What finish is for one that gives true. */
int tideL_didfs(lua_State *L, tideL_state *S, tideR_task *task);
/* Of the table at `arg`, or nil: a flag; its `mode`, a number or octal digits.
 */
void tideL_checkfsoptions(lua_State *L, int arg, const char *function);
bool tideL_fsflag(lua_State *L, int arg, const char *field);
int tideL_fsmode(lua_State *L, int arg, const char *function, int otherwise);
void tideL_openfs(lua_State *L);

/* ---- fswrite.c, fsdir.c ---- */

/* Data is a string, a number, or a list of these. */
void tideL_checkfsdata(lua_State *L, int arg, const char *function);
/* Into `bytes`, behind what is there, which has so much room: 0 at first. May
 * raise, so the operation is kept. False: there is no memory. */
bool tideL_copyfsdata(lua_State *L, int arg, tideR_fs *op, size_t *room);
void tideL_openfswrite(lua_State *L);
void tideL_openfsdir(lua_State *L);
/* ---- watchdir.c ---- */

void tideL_openwatchdir(lua_State *L);

/* ---- file.c ---- */

void tideL_openfsfile(lua_State *L);

#pragma GCC visibility pop

#endif
