/*
 * fs.h: the file system: operations that block, in threads of libuv's pool.
 *
 *   fs.c        an operation: waiting in line, a thread, its end
 *   fsops.c     those that are one call of the system
 *   fswhole.c   files, read and written as a whole
 *   fscopy.c    a file copied
 *   fslist.c    what is in a directory
 *   fsremove.c  a directory with all that is in it, removed
 *
 * An operation is a record with two owners: its user, which is an await or an
 * object, and the pool while it is there. A thread has it from when it begins
 * to run until it is over; no one else looks at what it wants or found then.
 */
#ifndef TIDE_FS_H
#define TIDE_FS_H

#include <stdatomic.h>

#include "handle.h"

#pragma GCC visibility push(hidden)

typedef struct tideR_fs tideR_fs;
typedef struct tideR_fsgate tideR_fsgate;

/* What `run` returns when it has done a part, and others are to have a turn
 * before it does the next. */
#define TIDE_FS_AGAIN INT64_MIN

typedef struct tideR_fskind {
  const char *name; /* for the task tree, and for permissions: "fs.stat" */
  /* In a thread: all of it, or a part that is bounded. Returns 0 or more, or a
   * negative code. After an AGAIN, and with `stop` set, it undoes what it did
   * and returns UV_ECANCELED, unless it is done. */
  int64_t (*run)(tideR_fs *op);
  /* In a thread, or in none: gives back what `holds` is about, for the user
   * is no more. NULL: it never holds anything. */
  void (*undo)(tideR_fs *op);
} tideR_fskind;

/* What lets one operation through at a time, in the order of coming. */
struct tideR_fsgate {
  tideR_fs *running;    /* or in line for a thread */
  tideR_fs *head, *end; /* those that wait for that */
  /* It is let through; it is over, or left: it may go right after that. */
  void (*begins)(tideR_fsgate *gate, tideR_fs *op);
  void (*ended)(tideR_fsgate *gate, tideR_fs *op);
};

struct tideR_fs {
  const tideR_fskind *kind;

  /* What is wanted: to be set before it begins. */
  const char *path, *to; /* in `text`, or NULL */
  int fd, flags, mode;
  int64_t offset;
  double atime, mtime;
  char *bytes; /* from malloc, freed with it, whoever put it there; or NULL */
  size_t size; /* of these */

  /* Before a thread has it, if it goes through no gate: true, it is done and
   * needs none. Or NULL. */
  bool (*now)(tideR_fs *op);

  /* What came of it. */
  int64_t result;
  size_t length; /* of bytes that are good */
  uv_stat_t stat;
  void *state;        /* the kind's own */
  bool holds;         /* something that `undo` gives back: a descriptor, say */
  tideR_fsgate *gate; /* that it goes through, or NULL */

  /* It is cancelled: those that take long look at it. */
  atomic_bool stop;

  /* The rest is fs.c's. */
  enum { FS_NEW, FS_GATED, FS_QUEUED, FS_RUNNING, FS_OVER } phase;
  bool begun;     /* a part of it is done */
  bool undoing;   /* ... it is being undone */
  int refused;    /* why it will not begin, or 0 */
  bool is_awaits; /* its user is who waits for it */
  bool released;  /* it has no user any more */
  tideR_runtime *rt;
  tideR_fs *next, **link;         /* in the queue */
  tideR_fs *sibling, **from_here; /* in the list of all */
  tideR_work work;
  tideR_waitkind waits;
  tideR_waitq waiter; /* at most one */
  char text[];
};

/* One that is the caller's; texts are copied, and may be NULL; with a zero in
 * them they are refused, once it begins. NULL: there is no memory. */
tideR_fs *tideR_fs_new(tideR_runtime *rt, const tideR_fskind *kind,
                       const char *path, size_t length, const char *to,
                       size_t to_length);
/* For one that is over: it may begin again, as another kind. */
void tideR_fs_renew(tideR_fs *op, const tideR_fskind *kind);
/* Begins, or gets in line. True: it is over already, without a wait. */
bool tideR_fs_begin(tideR_runtime *rt, tideR_fs *op);
/* It goes, and lets those go on that it has. */
void tideR_fs_remove_gate(tideR_fsgate *gate);
/* A thread has it, or will: it must not begin again yet. */
bool tideR_fs_busy(const tideR_fs *op);
/* Until it is over. TIDE_CANCELLED: it left the line, or stopped on its way;
 * one that ran to its end is TIDE_WOKEN, although cancelled. `lend`: the await
 * is its user, until tideR_fs_own: it is there if that is woken by TIDE_WOKEN,
 * else it is released already. */
void tideR_fs_park(tideR_runtime *rt, tideR_task *task, tideR_fs *op,
                   bool lend);
/* The same of one that is over already: what to forfeit. */
tideR_wait *tideR_fs_promise(tideR_task *task, tideR_fs *op, bool lend);
/* What a task that was woken waited for. */
tideR_fs *tideR_fs_of(const tideR_task *task);
/* ... and that was lent to its await: the caller is its user now. */
void tideR_fs_own(tideR_task *task, tideR_fs *op);
/* What it holds is the user's from now on. */
void tideR_fs_take(tideR_fs *op);
/* The user's last word. What it holds, or is about to, is given back; who waits
 * for it is woken, and finds no operation. */
void tideR_fs_release(tideR_fs *op);

/* ---- kinds (fsops.c) ---- */

/* One call of the system each. Two paths, or a path and... */
extern const tideR_fskind tideR_fs_stat, tideR_fs_lstat, tideR_fs_readlink,
    tideR_fs_realpath, tideR_fs_rmdir, tideR_fs_unlink, tideR_fs_rename,
    tideR_fs_link;
extern const tideR_fskind tideR_fs_access, tideR_fs_chmod; /* mode */
extern const tideR_fskind tideR_fs_mkdir;   /* mode; flags: parents, too */
extern const tideR_fskind tideR_fs_symlink; /* flags, as libuv's */
extern const tideR_fskind tideR_fs_utime;   /* atime, mtime */
/* Of a template that ends in XXXXXX, which becomes the name in `bytes`. They
 * hold what was made. flags: the file stays open, as `fd`, which is held, too.
 */
extern const tideR_fskind tideR_fs_mkdtemp, tideR_fs_mkstemp;

/* In a thread: where a path leads, in memory from malloc. */
int tideR__fs_resolve(const char *path, char **out);
/* In a thread: a descriptor, or a negative code; what it is of. */
int64_t tideR__fs_open_file(const char *path, int flags, int mode);
int64_t tideR__fs_stat_file(int fd, uv_stat_t *out);
/* S_IFREG, say. */
bool tideR__fs_is_kind(const uv_stat_t *stat, unsigned kind);

/* ---- kinds (fswhole.c, fscopy.c, fslist.c, fsremove.c) ---- */

/* All of a file: into `bytes`, so many as `length`. */
extern const tideR_fskind tideR_fs_read_file;
/* `size` bytes; flags and mode as of uv_fs_open. */
extern const tideR_fskind tideR_fs_write_file, tideR_fs_append_file;
/* The same beside it, then in its place. */
extern const tideR_fskind tideR_fs_replace_file;
/* A file to another path; flags, as libuv's. */
extern const tideR_fskind tideR_fs_copy;
/* The next entries; see there. flags: the path is to be no link. */
extern const tideR_fskind tideR_fs_scandir;
/* A file, a link, or a directory; flags: with all that is in it. */
extern const tideR_fskind tideR_fs_remove;

/* In a thread: what libuv's f(NULL, &request, ..., NULL) does. */
#define TIDE_FS_CALL(result, f, ...) \
  do { \
    uv_fs_t request; \
    (result) = f(NULL, &request, __VA_ARGS__, NULL); \
    uv_fs_req_cleanup(&request); \
  } while (0)

#pragma GCC visibility pop

#endif
